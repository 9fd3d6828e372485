//! Fatal signals, from a fault in this program or from outside. The handler restores the terminal
//! first; then the signal has its default effect.
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

/// Signals that end a program, except those that the dashboard handles as messages.
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
/// Milliseconds to wait for a terminal that accepts no output.
const PATIENCE: u16 = 300;

/// The terminal's state before the dashboard, and the sequences that restore it.
struct Taken {
    terminal: RawFd,
    modes: libc::termios,
    sequences: Vec<u8>,
}

/// Null while the shell or an editor has the terminal.
static TAKEN: AtomicPtr<Taken> = AtomicPtr::new(ptr::null_mut());
/// Whether a thread is entering the terminal now.
static TAKES: AtomicBool = AtomicBool::new(false);
/// Whether a fatal signal arrived.
static ENDS: AtomicBool = AtomicBool::new(false);
/// The previous handlers: Rust's reports the thread whose stack overflowed.
static BEFORE: OnceLock<Vec<(Signal, SigAction)>> = OnceLock::new();

/// From now on, fatal signals restore the terminal.
pub(super) fn watch() {
    BEFORE.get_or_init(|| {
        let ours = SigAction::new(
            SigHandler::SigAction(end),
            SaFlags::SA_SIGINFO | SaFlags::SA_ONSTACK,
            SigSet::empty(),
        );
        let install = |deadly: Signal| {
            // SAFETY: `end` only makes calls that are allowed in a signal handler.
            let before = unsafe { sigaction(deadly, &ours) }.ok()?;
            if matches!(before.handler(), SigHandler::SigIgn) {
                // SAFETY: this restores the previous handler.
                let _ = unsafe { sigaction(deadly, &before) };
            }
            Some((deadly, before))
        };
        DEADLY.into_iter().filter_map(install).collect()
    });
}

/// Enters the terminal with `take`. From then on, a fatal signal writes `sequences` and restores
/// the current modes. A signal on another thread waits for `take`; after such a signal, no terminal
/// is entered.
pub(super) fn taking<T>(sequences: &str, take: impl FnOnce() -> T) -> T {
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
        // This mask came from the system, so setting it cannot fail.
        let _ = before.thread_set_mask();
    }
    taken
}

fn remember(sequences: &str) {
    let stdin = stdin();
    // Raw mode applies to the terminal that keys come from.
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
    // Do not free the previous value: a signal handler may be reading it. It leaks a few bytes per
    // return from the shell.
    TAKEN.store(Box::into_raw(Box::new(taken)), Ordering::Release);
}

/// Records that the terminal was restored.
pub(super) fn given_back() {
    TAKEN.store(ptr::null_mut(), Ordering::Release);
}

extern "C" fn end(number: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    ENDS.store(true, Ordering::SeqCst);
    for _ in 0..PATIENCE {
        if !TAKES.load(Ordering::SeqCst) {
            break;
        }
        // Sleep a millisecond with a call that is allowed in a signal handler.
        let _ = poll(&mut [], 1_u16);
    }
    let taken = TAKEN.swap(ptr::null_mut(), Ordering::AcqRel);
    // SAFETY: a stored value is never freed.
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
    // SAFETY: this sets the default action, which runs no code of ours.
    let _ = unsafe { signal(deadly, SigHandler::SigDfl) };
    // SAFETY: the system passes a valid pointer or null.
    let is_of_this_code = unsafe { info.as_ref() }.is_some_and(|info| info.si_code > 0);
    let returns_to_fault = matches!(
        deadly,
        Signal::SIGSEGV | Signal::SIGBUS | Signal::SIGILL | Signal::SIGFPE
    );
    // A fault repeats when the handler returns, so a core dump has its address. A sent signal must
    // be raised again.
    if !(is_of_this_code && returns_to_fault) {
        let _ = raise(deadly);
    }
}

fn give_back(taken: &Taken) {
    // SAFETY: standard output stays open while the dashboard has the terminal.
    let stdout = unsafe { BorrowedFd::borrow_raw(libc::STDOUT_FILENO) };
    if poll(&mut [PollFd::new(stdout, PollFlags::POLLOUT)], PATIENCE) == Ok(1) {
        let _ = nix::unistd::write(stdout, &taken.sequences);
    }
    // SAFETY: the modes are a copy from the system.
    unsafe {
        libc::tcsetattr(taken.terminal, libc::TCSANOW, &raw const taken.modes);
    }
}
