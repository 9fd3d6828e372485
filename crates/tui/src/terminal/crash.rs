//! Signals that end the program at once, from a fault of its own or from outside: the terminal is given back first, and then
//! the signal does what it does by default.
#![expect(
    unsafe_code,
    reason = "what a signal interrupts cannot be known; all that runs here is async-signal-safe"
)]

use std::io::{IsTerminal, stdin};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use nix::libc;
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::signal::{
    SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, raise, sigaction, signal,
};
use nix::sys::termios::tcgetattr;

/// Those that end a program, but for the ones that the dashboard takes as messages.
const DEADLY: [Signal; 16] = [
    Signal::SIGSEGV,
    Signal::SIGABRT,
    Signal::SIGBUS,
    Signal::SIGILL,
    Signal::SIGFPE,
    Signal::SIGTRAP,
    Signal::SIGSYS,
    Signal::SIGXCPU,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGALRM,
    Signal::SIGVTALRM,
    Signal::SIGPROF,
    Signal::SIGIO,
    Signal::SIGPWR,
    Signal::SIGSTKFLT,
];
/// Milliseconds that a terminal which takes no output may hold up the end.
const PATIENCE: u16 = 300;

/// How the terminal was, and what gives it back.
struct Taken {
    terminal: RawFd,
    modes: libc::termios,
    sequences: Vec<u8>,
}

/// Nothing while the terminal is the shell's or an editor's.
static TAKEN: AtomicPtr<Taken> = AtomicPtr::new(ptr::null_mut());
/// Whether a thread is taking the terminal.
static TAKES: AtomicBool = AtomicBool::new(false);
/// Whether such a signal came.
static ENDS: AtomicBool = AtomicBool::new(false);
/// What the signals did before: Rust names the thread whose stack overflows.
static BEFORE: OnceLock<Vec<(Signal, SigAction)>> = OnceLock::new();

/// From now on such a signal gives the terminal back, if it is taken.
pub fn watch() {
    BEFORE.get_or_init(|| {
        let ours = SigAction::new(
            SigHandler::SigAction(end),
            SaFlags::SA_SIGINFO | SaFlags::SA_ONSTACK,
            SigSet::empty(),
        );
        let install = |deadly: Signal| {
            // SAFETY: `end` does only what a signal handler may.
            let before = unsafe { sigaction(deadly, &ours) }.ok()?;
            if matches!(before.handler(), SigHandler::SigIgn) {
                // SAFETY: as it was.
                let _ = unsafe { sigaction(deadly, &before) };
            }
            Some((deadly, before))
        };
        DEADLY.into_iter().filter_map(install).collect()
    });
}

/// Takes the terminal with `take`; from then on `sequences` and the modes of now give it back. A signal on another thread
/// waits for `take`, and no terminal is taken once such a signal came.
pub fn taking<T>(sequences: &str, take: impl FnOnce() -> T) -> T {
    let deadly: SigSet = DEADLY.into_iter().collect();
    let before = deadly.thread_swap_mask(SigmaskHow::SIG_BLOCK);
    TAKES.store(true, Ordering::SeqCst);
    if ENDS.load(Ordering::SeqCst) {
        TAKES.store(false, Ordering::SeqCst);
        loop {
            std::thread::park();
        }
    }
    remember(sequences);
    let taken = take();
    TAKES.store(false, Ordering::SeqCst);
    if let Ok(before) = before {
        // A mask that the system gave can be set.
        let _ = before.thread_set_mask();
    }
    taken
}

fn remember(sequences: &str) {
    let stdin = stdin();
    // Where keys come from is what is set to raw mode.
    let terminal = if stdin.is_terminal() {
        stdin.as_raw_fd()
    } else {
        libc::STDOUT_FILENO
    };
    let modes = match terminal {
        libc::STDIN_FILENO => tcgetattr(stdin.as_fd()),
        _ => tcgetattr(std::io::stdout().as_fd()),
    };
    let Ok(modes) = modes else { return };
    let taken = Taken {
        terminal,
        modes: modes.into(),
        sequences: sequences.as_bytes().to_vec(),
    };
    // The one before stays where a signal may be looking at it: a few bytes for each return from the shell.
    TAKEN.store(Box::into_raw(Box::new(taken)), Ordering::Release);
}

/// The terminal was given back.
pub fn given_back() {
    TAKEN.store(ptr::null_mut(), Ordering::Release);
}

extern "C" fn end(number: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    ENDS.store(true, Ordering::SeqCst);
    for _ in 0..PATIENCE {
        if !TAKES.load(Ordering::SeqCst) {
            break;
        }
        // Waits a millisecond, by a call that a signal handler may make.
        let _ = poll(&mut [], 1_u16);
    }
    let taken = TAKEN.swap(ptr::null_mut(), Ordering::AcqRel);
    // SAFETY: what was stored there is never freed.
    if let Some(taken) = unsafe { taken.as_ref() } {
        give_back(taken);
    }
    let Ok(deadly) = Signal::try_from(number) else {
        return;
    };
    let before = BEFORE
        .get()
        .and_then(|before| before.iter().find(|(other, _)| *other == deadly));
    if let Some((_, SigHandler::SigAction(before))) =
        before.map(|(deadly, action)| (deadly, action.handler()))
    {
        before(number, info, context);
    }
    // SAFETY: the default, for which no code of ours runs.
    let _ = unsafe { signal(deadly, SigHandler::SigDfl) };
    // SAFETY: the system hands over what it knows of the signal.
    let is_of_this_code = unsafe { info.as_ref() }.is_some_and(|info| info.si_code > 0);
    let returns_to_fault = matches!(
        deadly,
        Signal::SIGSEGV | Signal::SIGBUS | Signal::SIGILL | Signal::SIGFPE
    );
    // A fault happens once more, with its address for whoever looks at the core; what was sent is sent once more.
    if !(is_of_this_code && returns_to_fault) {
        let _ = raise(deadly);
    }
}

fn give_back(taken: &Taken) {
    // SAFETY: standard output is open for as long as the dashboard has the terminal.
    let stdout = unsafe { BorrowedFd::borrow_raw(libc::STDOUT_FILENO) };
    if poll(&mut [PollFd::new(stdout, PollFlags::POLLOUT)], PATIENCE) == Ok(1) {
        let _ = nix::unistd::write(stdout, &taken.sequences);
    }
    // SAFETY: the modes are a copy of what the system gave.
    unsafe {
        libc::tcsetattr(taken.terminal, libc::TCSANOW, &raw const taken.modes);
    }
}
