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
use super::memory::{Memory, Shape};
use super::nccl::Nccl;
use super::process::Process;
use super::shard::shard;

/// Longer than a process takes from its last word to its end.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How often a rank that waits looks whether it still has to.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// A process's place among those that train a run together.
#[derive(Debug)]
pub struct Group {
    rank: usize,
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

impl Group {
    /// All ranks of a group, which sums up to `numbers` float32 numbers at once.
    pub fn all_ranks(size: usize, numbers: usize) -> Result<Vec<Self>> {
        let shape = Shape::new(size, numbers);
        let memory = Memory::new(shape)?;
        let (mut links, mut ranks) = (Vec::new(), Vec::new());
        for rank in 1..size {
            let (link, other) = Link::pair()?;
            links.push(link);
            ranks.push(Self::new(rank, shape, memory.share()?, vec![other]));
        }
        ranks.insert(0, Self::new(0, shape, memory, links));
        Ok(ranks)
    }

    fn new(rank: usize, shape: Shape, memory: Memory, links: Vec<Link>) -> Self {
        Self {
            rank,
            shape,
            memory,
            links,
            processes: Vec::new(),
            nccl: None,
            is_broken: false,
        }
    }

    /// Starts all other ranks as processes, by the command that `command` makes for a rank. They begin with `parts`.
    pub(crate) fn start(
        size: usize,
        numbers: usize,
        parts: [&[u8]; 3],
        command: impl Fn(usize) -> Command,
    ) -> Result<Self> {
        let mut ranks = Self::all_ranks(size, numbers)?.into_iter();
        let mut first = ranks.next().context("a group without rank 0")?;
        first.memory.keep_parts(parts)?;
        for mut other in ranks {
            let rank = other.rank;
            let link = other.links.pop().context("a rank without a link")?;
            let process = Process::start(command(rank), link, other.memory.share()?);
            first
                .processes
                .push(process.with_context(|| format!("starting rank {rank} of the run"))?);
        }
        Ok(first)
    }

    /// This process as a rank that [`Self::start`] has started, and what it begins with.
    pub(crate) fn join(rank: usize) -> Result<(Self, [Vec<u8>; 3])> {
        let link = Link::of(stdin().as_fd().try_clone_to_owned()?);
        let (memory, shape) = Memory::of(stdout().as_fd().try_clone_to_owned()?)?;
        // What a library prints does not belong into the memory.
        nix::unistd::dup2_stdout(io::stderr())?;
        let parts = memory.parts()?;
        Ok((Self::new(rank, shape, memory, vec![link]), parts))
    }

    /// What can tell rank 0 of a failure when this value is gone.
    pub(crate) fn failure_reporter(&self) -> Result<FailureReporter> {
        let link = self.links.first().context("a rank without a link")?;
        Ok(link.failure_reporter()?)
    }

    pub fn rank(&self) -> usize {
        self.rank
    }

    /// The number of ranks.
    pub fn size(&self) -> usize {
        self.shape.size
    }

    pub fn is_first(&self) -> bool {
        self.rank == 0
    }

    /// The places of this rank's images in a batch.
    pub fn shard(&self, images: usize) -> Range<usize> {
        shard(images, self.rank, self.size())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let mut nccl = self.nccl.take();
        if let Some(nccl) = &mut nccl {
            // The watch would take the ranks' end for a failure.
            nccl.stop_watching();
        }
        let leaves = nccl.is_some() && !self.is_broken && !thread::panicking() && self.all_leave();
        // Without a link a process ends by itself. It may wait for one while NCCL waits for it, so links close first.
        self.links.clear();
        let deadline = Instant::now() + LAST_WORDS;
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
                let _ = process.ended_by(deadline);
            }
            // Ends those that are left, so that NCCL waits for none of them.
            self.processes.clear();
        });
    }
}

#[cfg(test)]
mod tests;
