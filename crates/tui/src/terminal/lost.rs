//! The terminal that keys come from, and detecting its loss.

use std::fs::File;
use std::io::{IsTerminal, Stdin, stdin};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::sync::mpsc::UnboundedSender;

use crate::message::Message;

/// How long leaving may take, including pending work. Anything slower hangs with the terminal.
const LEAVING: Duration = Duration::from_secs(3);

/// The terminal that keys come from.
#[derive(Debug)]
pub(super) enum Line {
    /// Opened again, so that non-blocking reads do not affect other processes.
    Opened(File),
    Stdin(Stdin),
}

impl Line {
    /// The terminal of standard input, else the controlling terminal, if any.
    pub(super) fn open() -> Option<Self> {
        let is_stdin = stdin().is_terminal();
        let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        let opened = File::options()
            .read(true)
            .custom_flags(flags.bits())
            .open(if is_stdin {
                "/proc/self/fd/0"
            } else {
                "/dev/tty"
            });
        match opened {
            Ok(terminal) => Some(Self::Opened(terminal)),
            // It belongs to another user, as after `su`.
            Err(_) => is_stdin.then(|| Self::Stdin(stdin())),
        }
    }

    /// Whether the terminal has hung up.
    pub(super) fn is_lost(&self) -> bool {
        self.hangs_up(PollTimeout::ZERO)
    }

    /// Waits for a hangup; false on a timeout or an error.
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
            Self::Opened(terminal) => terminal.as_fd(),
        }
    }
}

/// Sends [`Message::Leave`] when the terminal hangs up, and ends the program if leaving takes too
/// long.
pub(crate) fn watch(messages: UnboundedSender<Message>) {
    std::thread::spawn(move || {
        if Line::open().is_some_and(|line| line.hangs_up(PollTimeout::NONE)) {
            // The receiver is gone only while leaving.
            let _ = messages.send(Message::Leave);
            std::thread::sleep(LEAVING);
            // The loop hangs with the terminal and may never return.
            std::process::exit(0);
        }
    });
}
