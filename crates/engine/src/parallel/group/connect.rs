//! Connecting the GPUs of all ranks by NCCL, and leaving it together.

use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::slice;
use std::sync::mpsc::{RecvTimeoutError, SendError, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Error, Result, bail};

use super::{EXIT_TIMEOUT, LOOK_AGAIN, Rank};
use crate::failure::UserError;
use crate::interrupt::{Flow, Interrupt};
use crate::parallel::link::Link;
use crate::parallel::nccl::{Library, Nccl, first_closed};

/// How long NCCL may take.
const LIMIT: Duration = Duration::from_mins(2);
/// When a process ends, NCCL may notice before its link closes, but not by more than this.
const NOTICED_BEFORE: Duration = Duration::from_millis(200);
const HELP: &str = "set WARMSTART_NCCL=off to exchange gradients through the machine's memory";

impl Rank {
    /// Connects the GPUs of all ranks by NCCL, under a unique id that rank 0 has made, unless a stop is requested first. `gpu` is that
    /// of this rank.
    pub(crate) fn connect_gpus(
        &mut self,
        library: Library,
        id: &[u8],
        gpu: Option<usize>,
        interrupt: &Interrupt,
    ) -> Result<Flow> {
        let (id, size, rank) = (id.to_vec(), self.size(), self.number);
        let others: Vec<OwnedFd> = self
            .links
            .iter()
            .map(Link::socket)
            .collect::<io::Result<_>>()?;
        let (sender, joined) = channel();
        // It waits for the others, and one that has ended never comes.
        thread::spawn(move || {
            let communicator = library.join(&id, size, rank, gpu);
            if let Err(SendError(Ok(late))) = sender.send(communicator) {
                // This rank has given up, so the others do not leave with it.
                late.abort();
            }
        });
        let deadline = Instant::now() + LIMIT;
        let communicator = loop {
            match joined.recv_timeout(LOOK_AGAIN) {
                Ok(Ok(communicator)) => break communicator,
                Ok(Err(error)) => return Err(self.refused(&others, &error)),
                Err(RecvTimeoutError::Disconnected) => {
                    bail!("NCCL's thread ended without an answer")
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            if interrupt.is_requested() {
                return Ok(Flow::Interrupted);
            }
            if let Some(index) = first_closed(&others, Duration::ZERO) {
                return Err(self.lost(index, &ErrorKind::UnexpectedEof.into()));
            }
            if Instant::now() >= deadline {
                let limit = LIMIT.as_secs();
                return Err(UserError::input(
                    format!("NCCL has not connected {size} GPUs in {limit} s"),
                    HELP,
                ));
            }
        };
        let watched = if self.is_first() { others } else { Vec::new() };
        self.nccl = Some(Nccl::new(communicator, watched));
        Ok(Flow::Done)
    }

    /// The error of NCCL; where another rank has ended, why that is.
    fn refused(&mut self, others: &[OwnedFd], error: &Error) -> Error {
        if let Some(index) = first_closed(others, NOTICED_BEFORE) {
            return self.lost(index, &ErrorKind::UnexpectedEof.into());
        }
        UserError::input(
            format!("NCCL cannot connect {} GPUs: {error:#}", self.size()),
            HELP,
        )
    }

    /// Whether all ranks leave NCCL, which waits for all. Rank 0 closes the links first, and the others wait for that. A rank that
    /// waits in vain has failed alone: it does not leave but aborts, and can still tell rank 0 why.
    pub(super) fn all_leave(&self) -> bool {
        if self.is_first() {
            return true;
        }
        let Some(Ok(first)) = self.links.first().map(Link::socket) else {
            return false;
        };
        let deadline = Instant::now() + EXIT_TIMEOUT;
        while Instant::now() < deadline {
            if first_closed(slice::from_ref(&first), LOOK_AGAIN).is_some() {
                return true;
            }
        }
        false
    }
}
