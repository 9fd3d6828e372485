//! The ranks of a run: they meet, sum numbers in a fixed order, and do what rank 0 decides.

use std::fmt;
use std::io::{self, ErrorKind, stdin, stdout};
use std::ops::Range;
use std::os::fd::{AsFd, OwnedFd};
use std::process::Command;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use tch::{Kind, Tensor};
use warmstart_schema::event::Failure;
use warmstart_schema::exit::Exit;
use warmstart_schema::state::Outcome;

use super::link::{Decision, FailureReporter, Link, Message};
use super::memory::{Memory, Shape};
use super::nccl::{Library, Nccl, any_is_closed};
use super::process::Process;
use super::shard::shard;
use crate::failure::UserError;
use crate::interrupt::{Flow, Interrupt};
use crate::model;

/// Longer than a process takes from its last word to its end.
const LAST_WORDS: Duration = Duration::from_secs(2);
const HELP: &str = "if the machine's memory was full (`dmesg` says so), lower train.batch_size or train.devices; \
     resuming continues from the last checkpoint";
/// How often rank 0 looks for a request to stop while the others load.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// How long NCCL may take to connect the GPUs.
const CONNECTING: Duration = Duration::from_mins(2);
/// Bytes of a float32 number, and of a float64 number.
const FLOAT: usize = 4;
const DOUBLE: usize = 8;
/// The most float64 numbers that are summed at once.
const MOST_DOUBLES: usize = 64;

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
}

/// The error of a rank when rank 0 has ended, which logs why.
#[derive(Debug)]
pub struct RankZeroExited;

impl fmt::Display for RankZeroExited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the process that leads this one has ended")
    }
}

impl std::error::Error for RankZeroExited {}

impl Group {
    /// All ranks of a group, which sums up to `numbers` float32 numbers at once.
    pub fn connected(size: usize, numbers: usize) -> Result<Vec<Self>> {
        let stride = (numbers * FLOAT + MOST_DOUBLES * DOUBLE) as u64;
        let shape = Shape { size, stride };
        let memory = Memory::new(shape)?;
        let (mut links, mut others) = (Vec::new(), Vec::new());
        for rank in 1..size {
            let (link, other) = Link::pair()?;
            links.push(link);
            others.push(Self {
                rank,
                shape,
                memory: memory.share()?,
                links: vec![other],
                processes: Vec::new(),
                nccl: None,
            });
        }
        let first = Self {
            rank: 0,
            shape,
            memory,
            links,
            processes: Vec::new(),
            nccl: None,
        };
        others.insert(0, first);
        Ok(others)
    }

    /// Starts all other ranks as processes, by the command that `command` makes for a rank. They begin with `parts`.
    pub(crate) fn start(
        size: usize,
        numbers: usize,
        parts: [&[u8]; 3],
        command: impl Fn(usize) -> Command,
    ) -> Result<Self> {
        let mut ranks = Self::connected(size, numbers)?.into_iter();
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
        let group = Self {
            rank,
            shape,
            memory,
            links: vec![link],
            processes: Vec::new(),
            nccl: None,
        };
        Ok((group, parts))
    }

    /// Connects the GPUs of all ranks by NCCL, under a name that rank 0 has made. `gpu` is that of this rank.
    pub(crate) fn connect(
        &mut self,
        library: Library,
        id: &[u8],
        gpu: Option<usize>,
    ) -> Result<()> {
        let (id, size, rank) = (id.to_vec(), self.size(), self.rank);
        let (sender, joined) = channel();
        // It waits for the others, and one that has ended never comes.
        thread::spawn(move || sender.send(library.join(&id, size, rank, gpu)));
        let sockets = || -> Result<Vec<OwnedFd>> {
            Ok(self
                .links
                .iter()
                .map(Link::socket)
                .collect::<io::Result<_>>()?)
        };
        let others = sockets()?;
        let deadline = Instant::now() + CONNECTING;
        let communicator = loop {
            match joined.recv_timeout(LOOK_AGAIN) {
                Ok(communicator) => break communicator.context("connecting the GPUs by NCCL")?,
                Err(RecvTimeoutError::Timeout) if Instant::now() < deadline => {}
                Err(RecvTimeoutError::Disconnected) => {
                    bail!("NCCL's thread ended without an answer")
                }
                Err(RecvTimeoutError::Timeout) => {
                    return Err(UserError::input(
                        format!(
                            "NCCL has not connected {size} GPUs in {} s",
                            CONNECTING.as_secs()
                        ),
                        "set WARMSTART_NCCL=off to exchange gradients through the machine's memory",
                    ));
                }
            }
            for index in 0..others.len() {
                if any_is_closed(&others[index..=index], 0) {
                    return Err(self.lost(index, &ErrorKind::UnexpectedEof.into()));
                }
            }
        };
        let watched = if self.is_first() { others } else { Vec::new() };
        self.nccl = Some(Nccl::new(communicator, watched));
        Ok(())
    }

    /// What can tell rank 0 of a failure when this value is gone.
    pub(crate) fn voice(&self) -> Result<FailureReporter> {
        let link = self.links.first().context("a rank without a link")?;
        Ok(link.voice()?)
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

    /// Waits until all ranks have read what they begin with, unless a stop is requested first.
    pub(crate) fn wait_for_all(&mut self, interrupt: &Interrupt) -> Result<Flow> {
        for index in 0..self.links.len() {
            loop {
                match self.links[index].receive_within(LOOK_AGAIN) {
                    Ok(Some(Message::Arrived)) => break,
                    Ok(Some(message)) => return Err(self.unexpected(index, message)),
                    Ok(None) if interrupt.is_requested() => return Ok(Flow::Interrupted),
                    Ok(None) => {}
                    Err(error) => return Err(self.lost(index, &error)),
                }
            }
        }
        self.memory.forget_parts()?;
        self.send_to_all(Decision::Proceed)?;
        Ok(Flow::Done)
    }

    /// Waits until all ranks are here.
    pub fn barrier(&mut self) -> Result<()> {
        if !self.is_first() {
            self.send_to(0, &Message::Arrived)?;
            return self.receive_decision().map(drop);
        }
        for index in 0..self.links.len() {
            match self.receive_from(index)? {
                Message::Arrived => {}
                message => return Err(self.unexpected(index, message)),
            }
        }
        self.send_to_all(Decision::Proceed)
    }

    /// What rank 0 decides; what the others want does not count.
    pub fn decision(&mut self, next: Decision) -> Result<Decision> {
        if !self.is_first() {
            return self.receive_decision();
        }
        self.send_to_all(next)?;
        Ok(next)
    }

    /// The lines of all ranks on rank 0, none on the others.
    pub fn gather(&mut self, lines: Vec<String>) -> Result<Vec<String>> {
        if !self.is_first() {
            self.send_to(0, &Message::Lines(lines))?;
            return Ok(Vec::new());
        }
        let mut all = lines;
        for index in 0..self.links.len() {
            match self.receive_from(index)? {
                Message::Lines(lines) => all.extend(lines),
                message => return Err(self.unexpected(index, message)),
            }
        }
        Ok(all)
    }

    /// Asks all ranks to end an evaluation.
    pub fn ask_to_end(&self) -> Result<()> {
        self.memory.raise_flag()
    }

    /// Whether rank 0 has asked to end an evaluation.
    pub fn is_asked_to_end(&self) -> Result<bool> {
        self.memory.is_flag_raised()
    }

    /// The sums over all ranks of float32 numbers `[n]`, and of float64 numbers. All ranks get all sums.
    pub fn all_reduce_sum(
        &mut self,
        floats: &Tensor,
        doubles: &[f64],
    ) -> Result<(Tensor, Vec<f64>)> {
        if self.nccl.is_none() || floats.numel() == 0 {
            return self.sum_in_memory(floats, doubles);
        }
        // All meet before the GPUs wait for each other, so that a rank that has ended is noticed here.
        let none = floats.f_narrow(0, 0, 0)?;
        let (_, doubles) = self.sum_in_memory(&none, doubles)?;
        self.sum_by_nccl(floats)?;
        Ok((floats.shallow_clone(), doubles))
    }

    /// Replaces numbers by their sums, where all ranks do so at the same time.
    pub(super) fn sum_by_nccl(&self, floats: &Tensor) -> Result<()> {
        let nccl = self.nccl.as_ref().context("NCCL is not connected")?;
        nccl.sum(floats)
    }

    /// Adds in the order of the ranks, so that the bits are the same each time. Each rank adds one part of the numbers.
    fn sum_in_memory(&mut self, floats: &Tensor, doubles: &[f64]) -> Result<(Tensor, Vec<f64>)> {
        let (rank, size) = (self.rank, self.size());
        let count = floats.numel();
        ensure!(
            floats.kind() == Kind::Float && doubles.len() <= MOST_DOUBLES,
            "cannot sum {:?} and {} doubles",
            floats.kind(),
            doubles.len()
        );
        let end = (count * FLOAT) as u64;
        ensure!(
            end + (doubles.len() * DOUBLE) as u64 <= self.shape.stride,
            "there is no room for {count} numbers"
        );
        let own = self.shape.place(rank);
        self.memory.write(own, &model::bytes(floats)?)?;
        let bytes: Vec<u8> = doubles.iter().flat_map(|one| one.to_le_bytes()).collect();
        self.memory.write(own + end, &bytes)?;
        self.barrier()?;
        let from = |rank: usize| count * rank / size;
        let (begin, length) = (from(rank), from(rank + 1) - from(rank));
        let at = (begin * FLOAT) as u64;
        let mut total: Option<Tensor> = None;
        for rank in 0..size {
            let part = self.numbers(self.shape.place(rank) + at, length)?;
            total = Some(match total {
                None => part,
                Some(mut total) => total.f_add_(&part)?,
            });
        }
        let result = self.shape.place(size);
        if let Some(total) = total {
            self.memory.write(result + at, &model::bytes(&total)?)?;
        }
        let mut sums = vec![0.0; doubles.len()];
        for rank in 0..size {
            let bytes = self
                .memory
                .read(self.shape.place(rank) + end, doubles.len() * DOUBLE)?;
            for (sum, one) in sums.iter_mut().zip(bytes.as_chunks::<DOUBLE>().0) {
                *sum += f64::from_le_bytes(*one);
            }
        }
        self.barrier()?;
        Ok((self.numbers(result, count)?, sums))
    }

    /// The float32 numbers `[n]` of rank 0, on the CPU. All ranks give as many.
    pub fn broadcast(&mut self, floats: &Tensor) -> Result<Tensor> {
        let place = self.shape.place(0);
        if self.is_first() {
            self.memory.write(place, &model::bytes(floats)?)?;
        }
        self.barrier()?;
        let numbers = self.numbers(place, floats.numel())?;
        // Nobody writes there before all have read.
        self.barrier()?;
        Ok(numbers)
    }

    fn numbers(&self, at: u64, count: usize) -> Result<Tensor> {
        let bytes = self.memory.read(at, count * FLOAT)?;
        Ok(Tensor::f_from_data_size(
            &bytes,
            &[i64::try_from(count)?],
            Kind::Float,
        )?)
    }

    /// Tells all other ranks.
    fn send_to_all(&mut self, next: Decision) -> Result<()> {
        for index in 0..self.links.len() {
            self.send_to(index, &Message::Decision(next))?;
        }
        Ok(())
    }

    /// What rank 0 tells.
    fn receive_decision(&mut self) -> Result<Decision> {
        match self.receive_from(0)? {
            Message::Decision(next) => Ok(next),
            message => Err(self.unexpected(0, message)),
        }
    }

    fn send_to(&mut self, index: usize, message: &Message) -> Result<()> {
        let said = self.links[index].send(message);
        said.map_err(|error| self.lost(index, &error))
    }

    fn receive_from(&mut self, index: usize) -> Result<Message> {
        let heard = self.links[index].receive();
        heard.map_err(|error| self.lost(index, &error))
    }

    /// The error of a message that is not the next one.
    fn unexpected(&self, index: usize, message: Message) -> anyhow::Error {
        match message {
            Message::Failed(blame) => self.failed(index, blame),
            message => anyhow!("the processes of the run are out of step: {message:?}"),
        }
    }

    /// The error of another rank, as its own one.
    fn failed(&self, index: usize, blame: UserError) -> anyhow::Error {
        let name = self.name(index);
        UserError {
            error: format!("{name}: {}", blame.error),
            ..blame
        }
        .into()
    }

    /// The error of a process that is not there any more: why it says it failed, or how it ended.
    fn lost(&mut self, index: usize, error: &io::Error) -> anyhow::Error {
        if !self.is_first() {
            return RankZeroExited.into();
        }
        while let Ok(Some(message)) = self.links[index].receive_within(LAST_WORDS) {
            if let Message::Failed(blame) = message {
                return self.failed(index, blame);
            }
        }
        let name = self.name(index);
        let deadline = Instant::now() + LAST_WORDS;
        let ended = self.processes.get_mut(index);
        let Some(status) = ended.and_then(|process| process.ended_by(deadline)) else {
            return anyhow!("{name} cannot be reached: {error}");
        };
        let (kind, how) = match Exit::of(status, false).outcome(true, false) {
            Outcome::Failed { kind, error, .. } => (kind, error),
            _ => (Failure::Killed, status.to_string()),
        };
        UserError {
            kind,
            error: format!("{name}: {how}"),
            help: HELP.to_owned(),
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

impl Drop for Group {
    fn drop(&mut self) {
        // The watch would take the ranks' end for a failure.
        self.nccl = None;
        // Without a link a process ends by itself.
        self.links.clear();
        let deadline = Instant::now() + LAST_WORDS;
        for process in &mut self.processes {
            let _ = process.ended_by(deadline);
        }
    }
}

#[cfg(test)]
mod tests {
    use tch::Device;
    use warmstart_schema::seed::SplitMix64;

    use super::*;

    /// Has each rank do this in a thread of its own; the answers in their order.
    fn in_threads<T: Send>(
        size: usize,
        numbers: usize,
        work: impl Fn(&mut Group) -> T + Sync,
    ) -> Vec<T> {
        let group = Group::connected(size, numbers).unwrap();
        thread::scope(|scope| {
            let work = &work;
            let ranks: Vec<_> = group
                .into_iter()
                .map(|mut rank| scope.spawn(move || work(&mut rank)))
                .collect();
            ranks.into_iter().map(|rank| rank.join().unwrap()).collect()
        })
    }

    /// Numbers of so different sizes that the order in which they are added shows.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "float32 numbers are wanted"
    )]
    fn row(rank: usize, count: usize) -> Vec<f32> {
        let mut random = SplitMix64::new(rank as u64 + 1);
        (0..count)
            .map(|_| {
                let size = 10_f64.powf(8.0 * random.uniform());
                ((random.uniform() - 0.5) * size) as f32
            })
            .collect()
    }

    fn bits(tensor: &Tensor) -> Vec<u32> {
        let numbers = Vec::<f32>::try_from(tensor).unwrap();
        numbers.into_iter().map(f32::to_bits).collect()
    }

    #[test]
    fn sums_are_added_in_rank_order_whichever_rank_arrives_first() {
        const COUNTS: [usize; 6] = [1000, 1, 0, 7, 2, 999];
        for size in [2, 3, 5] {
            let all = in_threads(size, 1000, |group| {
                let rank = group.rank();
                let mut random = SplitMix64::new(100 + rank as u64);
                COUNTS.map(|count| {
                    thread::sleep(Duration::from_millis(random.below(4)));
                    let doubles: Vec<f64> = row(rank, count.min(9))
                        .into_iter()
                        .map(|one| f64::from(one) / 3.0)
                        .collect();
                    let (floats, doubles) = group
                        .all_reduce_sum(&Tensor::from_slice(&row(rank, count)), &doubles)
                        .unwrap();
                    let of_first = group.broadcast(&Tensor::from_slice(&row(rank, 3))).unwrap();
                    assert_eq!(bits(&of_first), bits(&Tensor::from_slice(&row(0, 3))));
                    let doubles = doubles.into_iter().map(f64::to_bits);
                    (bits(&floats), doubles.collect::<Vec<_>>())
                })
            });
            for (index, count) in COUNTS.into_iter().enumerate() {
                let in_order = |ranks: &mut dyn Iterator<Item = usize>| {
                    let rows: Vec<_> = ranks.map(|rank| row(rank, count)).collect();
                    let sum = |at: usize| rows.iter().map(|row| row[at]).reduce(|a, b| a + b);
                    let sums = (0..count).map(|at| sum(at).unwrap().to_bits());
                    sums.collect::<Vec<_>>()
                };
                let expected = in_order(&mut (0..size));
                if size > 2 && count > 100 {
                    assert_ne!(expected, in_order(&mut (0..size).rev()));
                }
                let double = |at: usize| {
                    let numbers = (0..size).map(|rank| f64::from(row(rank, count)[at]) / 3.0);
                    numbers.fold(0.0, |a, b| a + b).to_bits()
                };
                let doubles: Vec<u64> = (0..count.min(9)).map(double).collect();
                for (rank, found) in all.iter().enumerate() {
                    let (floats, sums) = &found[index];
                    assert!(
                        *floats == expected,
                        "{count} numbers, rank {rank} of {size}"
                    );
                    assert!(*sums == doubles, "{count} numbers, rank {rank} of {size}");
                }
            }
        }
    }

    #[test]
    fn rank_0_decides_and_gathers_lines() {
        let all = in_threads(3, 1, |group| {
            let rank = group.rank();
            let wish = [Decision::Save, Decision::Stop, Decision::Proceed][rank];
            let agreed = group.decision(wish).unwrap();
            if group.is_first() {
                group.ask_to_end().unwrap();
            }
            group.barrier().unwrap();
            let lines = group.gather(vec![format!("of {rank}")]).unwrap();
            (agreed, group.is_asked_to_end().unwrap(), lines)
        });
        let none = Vec::<String>::new;
        let lines = ["of 0", "of 1", "of 2"].map(str::to_owned).to_vec();
        assert_eq!(
            all,
            [
                (Decision::Save, true, lines),
                (Decision::Save, true, none()),
                (Decision::Save, true, none())
            ]
        );
    }

    #[test]
    fn the_end_of_a_rank_is_an_error_of_all_others_and_says_why() {
        let errors = in_threads(3, 1, |group| {
            if group.rank() == 2 {
                let error = UserError::input("no such picture", "look for it");
                group.voice().unwrap().fail(&error);
                group.links.clear();
                return None;
            }
            let error = group.barrier().unwrap_err();
            group.links.clear();
            Some(error)
        });
        let blame = UserError::of(errors[0].as_ref().unwrap());
        assert_eq!(
            (blame.kind, &*blame.error, &*blame.help),
            (
                Failure::Input,
                "rank 2 of 3: no such picture",
                "look for it"
            )
        );
        assert!(errors[1].as_ref().unwrap().is::<RankZeroExited>());
        assert!(errors[2].is_none());
    }

    #[test]
    fn tensors_come_back_from_a_row_in_their_layout() {
        let kind = (Kind::Float, Device::Cpu);
        let tensors = [
            Tensor::rand([3], kind),
            crate::ffi::channels_last(&Tensor::rand([2, 3, 4, 5], kind)).unwrap(),
            Tensor::rand([], kind),
        ];
        let row = super::super::flat(&tensors).unwrap();
        assert_eq!(row.size(), [3 + 120 + 1]);
        let others = tensors.each_ref().map(Tensor::zeros_like);
        super::super::put_back(&row, &others).unwrap();
        assert_eq!(others, tensors);
        assert_eq!(others[1].stride(), tensors[1].stride());
        assert!(super::super::put_back(&row, &others[..2]).is_err());
    }
}
