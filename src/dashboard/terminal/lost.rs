//! Noticing a lost terminal: crossterm 0.29 spins on one instead of saying so (crossterm issue 793).

use std::fs::File;
use std::io::{IsTerminal, stdin};
use std::os::fd::AsFd;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::sync::mpsc::UnboundedSender;

use crate::dashboard::message::Message;

/// Sends [`Message::Leave`] when the terminal that keys come from hangs up.
pub fn watch(messages: UnboundedSender<Message>) {
    std::thread::spawn(move || {
        let is_lost = if stdin().is_terminal() {
            wait(&stdin())
        } else {
            // crossterm reads keys from here when stdin is something else.
            File::open("/dev/tty").is_ok_and(|tty| wait(&tty))
        };
        if is_lost {
            // Nobody listens any more only while leaving.
            let _ = messages.send(Message::Leave);
        }
    });
}

/// Waits for a hangup, for as long as it takes; false where it cannot be waited for.
fn wait(terminal: &impl AsFd) -> bool {
    loop {
        let mut watched = [PollFd::new(terminal.as_fd(), PollFlags::empty())];
        match poll(&mut watched, PollTimeout::NONE) {
            Ok(_) => {
                let seen = watched[0].revents().unwrap_or(PollFlags::empty());
                if seen.intersects(PollFlags::POLLHUP | PollFlags::POLLERR) {
                    return true;
                }
                if seen.contains(PollFlags::POLLNVAL) {
                    return false;
                }
            }
            Err(nix::errno::Errno::EINTR) => {}
            Err(_) => return false,
        }
    }
}
