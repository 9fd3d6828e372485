//! Another program in the foreground: it gets the terminal as the shell left it, keys and signals of the keyboard included,
//! and the dashboard gets it back however the program ends.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal, kill, killpg};
use nix::sys::termios::{SetArg, Termios, tcgetattr, tcsetattr};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpgrp, getpid, getsid, tcsetpgrp};

use crate::effect::Ended;

/// Runs it and waits for it. The terminal must be in the state that the shell left it in, and nobody may read its keys.
pub fn run(command: &mut Command) -> io::Result<Ended> {
    let terminal = File::options().read(true).write(true).open("/dev/tty")?;
    let modes = tcgetattr(&terminal)?;
    // A group of its own, so that ^C in it does not end the dashboard too.
    let child = command
        .process_group(0)
        .stdin(terminal.try_clone()?)
        .spawn()?;
    let child = Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other)?);
    let ended = follow(&terminal, child, &modes);
    let taken = give(&terminal, getpgrp());
    // What it did to the terminal's modes ends with it.
    let restored = tcsetattr(&terminal, SetArg::TCSADRAIN, &modes);
    let ended = ended?;
    taken?;
    restored?;
    Ok(ended)
}

/// Waits for the end. A program that is stopped by ^Z stops the dashboard with it, until the shell continues both.
fn follow(terminal: &File, child: Pid, modes: &Termios) -> nix::Result<Ended> {
    give(terminal, child)?;
    // It may have asked for the terminal before it had it.
    let _ = killpg(child, Signal::SIGCONT);
    loop {
        match waitpid(child, Some(WaitPidFlag::WUNTRACED)) {
            Ok(WaitStatus::Exited(_, code)) => return Ok(Ended::Exited(code)),
            Ok(WaitStatus::Signaled(_, signal, _)) => return Ok(Ended::Killed(signal)),
            Ok(WaitStatus::Stopped(..)) => {
                let its_modes = tcgetattr(terminal)?;
                give(terminal, getpgrp())?;
                tcsetattr(terminal, SetArg::TCSADRAIN, modes)?;
                // The leader of a session has no shell above it that could continue it.
                if getsid(None)? != getpid() {
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

/// Gives the terminal to a group of processes.
fn give(terminal: &File, group: Pid) -> nix::Result<()> {
    // Whoever changes this from the background is stopped by a signal unless it is held back.
    let mut held = SigSet::empty();
    held.add(Signal::SIGTTOU);
    let before = held.thread_swap_mask(nix::sys::signal::SigmaskHow::SIG_BLOCK)?;
    let given = tcsetpgrp(terminal.as_fd(), group);
    before.thread_set_mask()?;
    given
}
