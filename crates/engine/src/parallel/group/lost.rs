//! What a rank says when another one has ended.

use std::fmt;
use std::io;
use std::time::Instant;

use anyhow::{Error, anyhow};
use nix::sys::signal::Signal;
use warmstart_schema::event::FailureKind;
use warmstart_schema::exit::Exit;
use warmstart_schema::state::Outcome;

use super::{EXIT_TIMEOUT, Rank};
use crate::failure::UserError;
use crate::parallel::link::Message;
use crate::parallel::process::Process;

/// For SIGKILL, which says nothing of its cause.
const HELP: &str = "if the machine's memory was full (`dmesg` says so), lower train.batch_size or train.devices; \
     resuming continues from the last checkpoint";
const RESUME: &str = "resuming continues from the last checkpoint";

/// The error of a rank when rank 0 has ended, which logs why.
#[derive(Debug)]
pub struct RankZeroExited;

impl fmt::Display for RankZeroExited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the process that leads this one has ended")
    }
}

impl std::error::Error for RankZeroExited {}

impl Rank {
    /// The error of a message that is not the next one.
    pub(super) fn unexpected(&mut self, index: usize, message: Message) -> Error {
        self.is_broken = true;
        match message {
            Message::Failed(blame) => self.failed(index, blame),
            message => anyhow!("the processes of the run are out of step: {message:?}"),
        }
    }

    /// The error of a process that is not there any more: why it says it failed, or how it ended.
    pub(super) fn lost(&mut self, index: usize, error: &io::Error) -> Error {
        self.is_broken = true;
        if !self.is_first() {
            return RankZeroExited.into();
        }
        while let Ok(Some(message)) = self.links[index].receive_within(EXIT_TIMEOUT) {
            if let Message::Failed(blame) = message {
                return self.failed(index, blame);
            }
        }
        let name = self.name(index);
        let deadline = Instant::now() + EXIT_TIMEOUT;
        let ended = self.processes.get_mut(index);
        let Some(status) = ended.and_then(|process| process.wait_until(deadline)) else {
            return anyhow!("{name} cannot be reached: {error}");
        };
        let exit = Exit::of(status, false);
        let (kind, how, mut help) = match exit.outcome(true, false) {
            Outcome::Failed { kind, error, help } => (kind, error, help),
            _ => (FailureKind::Killed, status.to_string(), RESUME.to_owned()),
        };
        if exit.signal == Some(Signal::SIGKILL as i32) {
            HELP.clone_into(&mut help);
        }
        UserError {
            kind,
            error: format!("{name}: {how}"),
            help,
        }
        .into()
    }

    /// The error of another rank, as its own one.
    fn failed(&self, index: usize, blame: UserError) -> Error {
        let name = self.name(index);
        UserError {
            error: format!("{name}: {}", blame.error),
            ..blame
        }
        .into()
    }

    /// A rank by the number of its link.
    fn name(&self, index: usize) -> String {
        let pid = self.processes.get(index).map(Process::id);
        let pid = pid.map_or_else(String::new, |pid| format!(", process {pid}"));
        format!("rank {} of {}{pid}", index + 1, self.size())
    }
}
