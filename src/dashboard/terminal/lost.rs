//! Noticing a lost terminal: crossterm 0.29 spins on one instead of saying so (crossterm issue 793), in whichever thread asks
//! it for keys.

use std::fs::File;
use std::io::{IsTerminal, Stdin, stdin};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::sync::mpsc::UnboundedSender;

use crate::dashboard::message::Message;

/// How long leaving may take, what is under way included. Whatever holds it up longer hangs with the terminal.
const LEAVING: Duration = Duration::from_secs(3);

/// The terminal that keys come from.
#[derive(Debug)]
pub enum Line {
    Stdin(Stdin),
    /// crossterm reads keys from the controlling terminal when standard input is something else.
    Controlling(File),
}

impl Line {
    /// None where there is no terminal.
    pub fn open() -> Option<Self> {
        if stdin().is_terminal() {
            return Some(Self::Stdin(stdin()));
        }
        File::open("/dev/tty").ok().map(Self::Controlling)
    }

    /// Whether it has hung up.
    pub fn is_lost(&self) -> bool {
        self.hangs_up(PollTimeout::ZERO)
    }

    /// Waits for a hangup; false where none came, or it cannot be waited for.
    fn hangs_up(&self, timeout: PollTimeout) -> bool {
        loop {
            let mut watched = [PollFd::new(self.as_fd(), PollFlags::empty())];
            match poll(&mut watched, timeout) {
                Ok(0) => return false,
                Ok(_) => {
                    let seen = watched[0].revents().unwrap_or(PollFlags::empty());
                    if seen.intersects(PollFlags::POLLHUP | PollFlags::POLLERR) {
                        return true;
                    }
                    if seen.contains(PollFlags::POLLNVAL) {
                        return false;
                    }
                }
                Err(Errno::EINTR) => {}
                Err(_) => return false,
            }
        }
    }
}

impl AsFd for Line {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Stdin(stdin) => stdin.as_fd(),
            Self::Controlling(terminal) => terminal.as_fd(),
        }
    }
}

/// Sends [`Message::Leave`] when the terminal that keys come from hangs up, and sees to it that the program ends.
pub fn watch(messages: UnboundedSender<Message>) {
    std::thread::spawn(move || {
        if Line::open().is_some_and(|line| line.hangs_up(PollTimeout::NONE)) {
            // Nobody listens any more only while leaving.
            let _ = messages.send(Message::Leave);
            std::thread::sleep(LEAVING);
            // The loop asked crossterm for a key in the very moment that the terminal went, and will never come back.
            std::process::exit(0);
        }
    });
}
