//! Messages between rank 0 and another rank, over a pair of sockets. The end of a process closes its socket.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::failure::UserError;

/// What ranks say to each other.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Message {
    /// This rank is at the next meeting point.
    Arrived,
    /// What all do next, from rank 0.
    Decision(Decision),
    /// Lines for the log, which rank 0 writes.
    Lines(Vec<String>),
    /// This rank ends because of an error.
    Failed(UserError),
}

/// What all ranks do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decision {
    Proceed,
    Save,
    Stop,
}

/// One end of the connection of rank 0 and another rank.
#[derive(Debug)]
pub(super) struct Link(UnixStream);

impl Link {
    pub(super) fn pair() -> io::Result<(Self, Self)> {
        let (one, other) = UnixStream::pair()?;
        Ok((Self(one), Self(other)))
    }

    pub(super) fn of(socket: OwnedFd) -> Self {
        Self(socket.into())
    }

    pub(super) fn into_socket(self) -> OwnedFd {
        self.0.into()
    }

    /// A second handle of the socket, to see whether the other process has ended.
    pub(super) fn socket(&self) -> io::Result<OwnedFd> {
        Ok(self.0.try_clone()?.into())
    }

    pub(super) fn failure_reporter(&self) -> io::Result<FailureReporter> {
        Ok(FailureReporter(Self(self.0.try_clone()?)))
    }

    pub(super) fn send(&mut self, message: &Message) -> io::Result<()> {
        let text = serde_json::to_vec(message)?;
        let length = u32::try_from(text.len()).map_err(io::Error::other)?;
        let frame = [&length.to_le_bytes()[..], &text].concat();
        self.0.write_all(&frame)
    }

    /// Waits for a message. An error when the other process has ended.
    pub(super) fn receive(&mut self) -> io::Result<Message> {
        self.receive_rest([0; 4], 0)
    }

    /// As [`Self::receive`], but `None` if no message begins within `patience`. Waits at most that long, except for the rest of
    /// a message that has begun.
    pub(super) fn receive_within(&mut self, patience: Duration) -> io::Result<Option<Message>> {
        let mut length = [0; 4];
        self.0.set_read_timeout(Some(patience))?;
        let begun = self.0.read(&mut length[..1]);
        self.0.set_read_timeout(None)?;
        match begun {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(known) => self.receive_rest(length, known).map(Some),
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                ) =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Waits for the rest of a message. The first `known` bytes of its length are here.
    fn receive_rest(&mut self, mut length: [u8; 4], known: usize) -> io::Result<Message> {
        self.0.read_exact(&mut length[known..])?;
        let mut text = vec![0; u32::from_le_bytes(length) as usize];
        self.0.read_exact(&mut text)?;
        Ok(serde_json::from_slice(&text)?)
    }
}

/// Tells rank 0 why this rank fails, even after the rank itself is dropped.
#[derive(Debug)]
pub(crate) struct FailureReporter(Link);

impl FailureReporter {
    /// Rank 0 may be gone as well; then nobody needs to know.
    pub(crate) fn fail(&mut self, error: &anyhow::Error) {
        let _ = self.0.send(&Message::Failed(UserError::of(error)));
    }
}
