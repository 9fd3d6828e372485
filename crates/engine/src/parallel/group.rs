//! The ranks of a run: they meet, sum numbers in a fixed order, and do what rank 0 decides.

mod connect;
mod lost;
mod meet;
mod sums;

use std::io::{self, stdin, stdout};
use std::ops::Range;
use std::os::fd::AsFd;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

pub use self::lost::RankZeroExited;
use super::link::{FailureReporter, Link};
use super::memory::{Memory, Parts, Shape};
use super::nccl::Nccl;
use super::process::Process;
use super::shard::shard;

/// How long to wait for another process to report a failure or to exit. Both take less.
const EXIT_TIMEOUT: Duration = Duration::from_secs(2);
/// How often a rank that waits looks whether it still has to.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// One rank of a run, with its links to the others. Each process holds its own.
#[derive(Debug)]
pub struct Rank {
    /// From 0.
    number: usize,
    shape: Shape,
    memory: Memory,
    /// Of rank 0: one to each other rank, in their order. Of another rank: the one to rank 0.
    links: Vec<Link>,
    /// Of rank 0: the other ranks, where they are processes.
    processes: Vec<Process>,
    /// Where GPUs add up among themselves.
    nccl: Option<Nccl>,
    /// Another rank has ended or is out of step, or a sum has failed.
    is_broken: bool,
}

impl Rank {
    /// The `size` ranks of a run, in their order. They share memory with room to sum at most `max_floats` float32 numbers at once.
    pub fn all(size: usize, max_floats: usize) -> Result<Vec<Self>> {
        let shape = Shape::new(size, max_floats);
        let memory = Memory::new(shape)?;
        let (mut links, mut ranks) = (Vec::new(), Vec::new());
        for number in 1..size {
            let (link, other) = Link::pair()?;
            links.push(link);
            ranks.push(Self::new(number, shape, memory.share()?, vec![other]));
        }
        ranks.insert(0, Self::new(0, shape, memory, links));
        Ok(ranks)
    }

    fn new(number: usize, shape: Shape, memory: Memory, links: Vec<Link>) -> Self {
        Self {
            number,
            shape,
            memory,
            links,
            processes: Vec::new(),
            nccl: None,
            is_broken: false,
        }
    }

    /// Makes this process rank 0, and starts the other ranks as processes that read `parts`. `command` makes the command of a rank
    /// from its number. For `max_floats` see [`Self::all`].
    pub(crate) fn start(
        size: usize,
        max_floats: usize,
        parts: &Parts,
        command: impl Fn(usize) -> Command,
    ) -> Result<Self> {
        let mut ranks = Self::all(size, max_floats)?.into_iter();
        let mut first = ranks.next().context("a run without rank 0")?;
        first.memory.keep_parts(parts)?;
        for mut other in ranks {
            let number = other.number;
            let link = other.links.pop().context("a rank without a link")?;
            let process = Process::start(command(number), link, other.memory.share()?);
            first
                .processes
                .push(process.with_context(|| format!("starting rank {number} of the run"))?);
        }
        Ok(first)
    }

    /// Makes this process the rank that [`Self::start`] started it as, and reads what rank 0 has prepared.
    pub(crate) fn join(number: usize) -> Result<(Self, Parts)> {
        let link = Link::of(stdin().as_fd().try_clone_to_owned()?);
        let (memory, shape) = Memory::of(stdout().as_fd().try_clone_to_owned()?)?;
        // What a library prints does not belong into the memory.
        nix::unistd::dup2_stdout(io::stderr())?;
        let parts = memory.parts()?;
        Ok((Self::new(number, shape, memory, vec![link]), parts))
    }

    /// A handle that tells rank 0 of a failure, even after this rank is dropped.
    pub(crate) fn failure_reporter(&self) -> Result<FailureReporter> {
        let link = self.links.first().context("a rank without a link")?;
        Ok(link.failure_reporter()?)
    }

    pub fn number(&self) -> usize {
        self.number
    }

    /// The number of ranks.
    pub fn size(&self) -> usize {
        self.shape.size
    }

    pub fn is_first(&self) -> bool {
        self.number == 0
    }

    /// The places of this rank's images in a batch.
    pub fn shard(&self, images: usize) -> Range<usize> {
        shard(images, self.number, self.size())
    }
}

impl Drop for Rank {
    fn drop(&mut self) {
        let mut nccl = self.nccl.take();
        if let Some(nccl) = &mut nccl {
            // The watch would take the ranks' end for a failure.
            nccl.stop_watching();
        }
        let leaves = nccl.is_some() && !self.is_broken && !thread::panicking() && self.all_leave();
        // A process ends by itself when its link closes. NCCL may wait for that process, so links close first.
        self.links.clear();
        let deadline = Instant::now() + EXIT_TIMEOUT;
        thread::scope(|scope| {
            if let Some(nccl) = nccl {
                scope.spawn(move || {
                    if leaves {
                        nccl.leave();
                    } else {
                        nccl.abort();
                    }
                });
            }
            for process in &mut self.processes {
                let _ = process.wait_until(deadline);
            }
            // Ends those that are left, so that NCCL waits for none of them.
            self.processes.clear();
        });
    }
}

#[cfg(test)]
mod tests;
