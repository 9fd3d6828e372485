//! Runs another program in the foreground. It gets the terminal in the shell's state, with keys and
//! keyboard signals. The dashboard gets the terminal back however the program ends.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal, kill, killpg};
use nix::sys::termios::{SetArg, Termios, tcgetattr, tcsetattr};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpgrp, tcsetpgrp};

use crate::effect::Ended;

/// The terminal to give to a program. `su -c` starts a session that has none.
pub(super) fn controlling_terminal() -> io::Result<File> {
    File::options().read(true).write(true).open("/dev/tty")
}

/// Runs a program and waits for it. The terminal must be in the shell's state, and nobody else may
/// read keys.
pub(super) fn run(command: &mut Command, terminal: &File) -> io::Result<Ended> {
    let modes = tcgetattr(terminal)?;
    // Use a new process group, so that ^C does not end the dashboard too.
    let child = command
        .process_group(0)
        .stdin(terminal.try_clone()?)
        .spawn()?;
    let child = Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other)?);
    let ended = follow(terminal, child, &modes);
    let taken = give(terminal, getpgrp());
    // Undo changes of the terminal's modes.
    let restored = tcsetattr(terminal, SetArg::TCSADRAIN, &modes);
    let ended = ended?;
    taken?;
    restored?;
    Ok(ended)
}

/// Waits for the end. If ^Z stops the program, the dashboard stops too until the shell continues
/// both. Without a shell that could, the program continues at once.
fn follow(terminal: &File, child: Pid, modes: &Termios) -> nix::Result<Ended> {
    give(terminal, child)?;
    // The child may have been stopped because it used the terminal too early.
    let _ = killpg(child, Signal::SIGCONT);
    loop {
        match waitpid(child, Some(WaitPidFlag::WUNTRACED)) {
            Ok(WaitStatus::Exited(_, code)) => return Ok(Ended::Exited(code)),
            Ok(WaitStatus::Signaled(_, signal, _)) => return Ok(Ended::Killed(signal)),
            Ok(WaitStatus::Stopped(..)) => {
                let its_modes = tcgetattr(terminal)?;
                give(terminal, getpgrp())?;
                tcsetattr(terminal, SetArg::TCSADRAIN, modes)?;
                if super::can_be_continued() {
                    kill(Pid::from_raw(0), Signal::SIGSTOP)?;
                }
                tcsetattr(terminal, SetArg::TCSADRAIN, &its_modes)?;
                give(terminal, child)?;
                killpg(child, Signal::SIGCONT)?;
            }
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Makes a process group the terminal's foreground group.
fn give(terminal: &File, group: Pid) -> nix::Result<()> {
    // A background process that does this gets a signal that stops it, so block the signal.
    let mut held = SigSet::empty();
    held.add(Signal::SIGTTOU);
    let before = held.thread_swap_mask(nix::sys::signal::SigmaskHow::SIG_BLOCK)?;
    let given = tcsetpgrp(terminal.as_fd(), group);
    before.thread_set_mask()?;
    given
}
