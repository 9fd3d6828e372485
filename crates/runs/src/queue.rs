//! The queue of runs: a file under a lock that outlives every dashboard. Every process that adds a run and every worker that ends
//! starts what can start. A device takes one run at a time, or as many as the user allows.

mod entry;

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::event_log::append;
use crate::failure::{Failure, Kind};
use crate::halving;
use crate::launcher::{self, Handle, Programs, Started};
use crate::run::{RunDir, RunId};
use crate::storage::{Disk, replace};
use warmstart_schema::event::{Event, FailureKind};
use warmstart_schema::text;

pub use self::entry::Entry;
use self::entry::{most_on_a_device, must_wait};

/// The most runs that a device may take at a time.
pub const MOST_SLOTS: u32 = 64;

/// A worker that was started and may still run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Active {
    #[serde(flatten)]
    pub entry: Entry,
    /// What was started: the worker's monitor, or the job of Slurm that starts the worker.
    pub worker: Handle,
    /// When it was started, in milliseconds since the Unix epoch; 0 in files of earlier versions.
    #[serde(default)]
    pub since: u64,
}

/// The queue's content at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    pub waiting: Vec<Entry>,
    pub active: Vec<Active>,
    /// Why the queue is paused; none if it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<String>,
    /// How many runs a device takes at a time.
    #[serde(default = "one")]
    pub slots: u32,
    /// The runs of each group that is halved, in the order of its file, until its last round is decided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub halving: Vec<Vec<RunId>>,
}

fn one() -> u32 {
    1
}

impl Default for Content {
    fn default() -> Self {
        Self {
            waiting: Vec::new(),
            active: Vec::new(),
            paused: None,
            slots: one(),
            halving: Vec::new(),
        }
    }
}

/// Where to move a waiting run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    Up,
    Down,
    First,
    /// To this position, from 1; a number past the end means the last.
    To(usize),
}

/// The result of adding a run to the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a run that is not in the queue does not start"]
pub enum Push {
    /// It was added at the end.
    Queued,
    /// It waits already, at this position, from 1.
    Waits(usize),
    /// It was started already.
    Started,
    /// It ended, but its process has not exited yet.
    Exiting,
}

impl Content {
    /// The content with texts that can be shown. The file may be a copy from anywhere.
    #[must_use]
    pub(crate) fn sanitized(mut self) -> Self {
        let active = self.active.iter_mut().map(|active| &mut active.entry);
        for entry in self.waiting.iter_mut().chain(active) {
            (entry.stem, entry.slot) = (text::line(&entry.stem, 80), text::line(&entry.slot, 40));
            entry.after = entry.after.take().map(|after| text::line(&after, 80));
        }
        self.paused = self.paused.take().map(|reason| text::line(&reason, 200));
        self
    }

    /// Position of a waiting run, from 1.
    pub fn position(&self, run: &RunId) -> Option<usize> {
        self.waiting
            .iter()
            .position(|entry| entry.run == *run)
            .map(|index| index + 1)
    }

    /// Takes out the runs that can start now, in order: this process may start it, each of its devices has room, and the runs that
    /// it comes after have ended.
    fn take_startable(&mut self, may_start: impl Fn(&Entry) -> bool) -> Vec<Entry> {
        let mut startable: Vec<Entry> = Vec::new();
        if self.paused.is_some() {
            return startable;
        }
        let mut waiting: Vec<Entry> = Vec::new();
        let all = std::mem::take(&mut self.waiting);
        for (index, entry) in all.iter().enumerate() {
            let active = self.active.iter().map(|active| &active.entry);
            let running: Vec<&Entry> = active.chain(&startable).collect();
            let is_full = launcher::is_limited(&entry.slot)
                && most_on_a_device(entry, &running) >= self.slots.max(1) as usize;
            let left = || waiting.iter().chain(&all[index..]).collect::<Vec<_>>();
            let is_blocked = is_full
                || !may_start(entry)
                || running.iter().any(|other| entry.comes_after(other))
                || must_wait(entry, &left());
            if is_blocked {
                waiting.push(entry.clone());
            } else {
                startable.push(entry.clone());
            }
        }
        self.waiting = waiting;
        startable
    }

    /// Whether a waiting run waits for the end of a run that it starts from.
    pub(crate) fn waits_for_base(&self, entry: &Entry) -> bool {
        let mut active = self.active.iter().map(|active| &active.entry);
        let waiting: Vec<&Entry> = self.waiting.iter().collect();
        active.any(|other| entry.comes_after(other)) || must_wait(entry, &waiting)
    }

    /// The run that gets the device before a waiting run: an earlier one that waits only for a device, or else a started one. None
    /// if the device has room for both.
    pub(crate) fn goes_before(&self, entry: &Entry) -> Option<&Entry> {
        if !launcher::is_limited(&entry.slot) {
            return None;
        }
        let active: Vec<&Entry> = self.active.iter().map(|active| &active.entry).collect();
        let mut earlier = self
            .waiting
            .iter()
            .take_while(|other| other.run != entry.run);
        let next =
            earlier.find(|other| other.shares_device_with(entry) && !self.waits_for_base(other));
        let is_full = most_on_a_device(entry, &active) >= self.slots.max(1) as usize;
        let started = active
            .iter()
            .copied()
            .find(|other| is_full && other.shares_device_with(entry));
        next.or(started)
    }

    /// Moves a waiting run; false if it does not wait.
    fn shift(&mut self, run: &RunId, to: Move) -> bool {
        let Some(from) = self.waiting.iter().position(|entry| entry.run == *run) else {
            return false;
        };
        let to = match to {
            Move::Up => from.saturating_sub(1),
            Move::Down => (from + 1).min(self.waiting.len() - 1),
            Move::First => 0,
            Move::To(place) => place.saturating_sub(1).min(self.waiting.len() - 1),
        };
        let entry = self.waiting.remove(from);
        self.waiting.insert(to, entry);
        true
    }
}

/// The queue of the runs below one folder.
#[derive(Debug, Clone)]
pub struct Queue {
    root: PathBuf,
}

/// The result of starting the next runs.
#[derive(Debug, Default)]
pub struct Advance {
    pub started: Vec<(RunId, Started)>,
    /// The runs that could not be started, or whose halving could not be logged.
    pub failed: Vec<Failed>,
}

/// What could not be done with a run of the queue.
#[derive(Debug)]
pub struct Failed {
    pub run: RunId,
    pub task: Task,
    pub error: io::Error,
}

/// What the queue does with a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    Start,
    /// Log what a round of halving decided.
    Halve,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { run, task, error } = self;
        match task {
            Task::Start => write!(f, "cannot start run {run}: {error}"),
            Task::Halve => write!(f, "the decision about run {run} cannot be logged: {error}"),
        }
    }
}

impl Failed {
    /// Logs in the run that it did not start, so that it does not leave the queue unseen.
    pub(crate) fn log(&self, root: &Path) -> io::Result<()> {
        let dir = RunDir::of(root, &self.run);
        if self.task != Task::Start || !dir.path().try_exists()? {
            return Ok(());
        }
        let Some(_lock) = dir.lock()? else {
            return Ok(());
        };
        let (cause, help) = match Failure::within(&self.error) {
            Some(Failure { what, help, .. }) => (what.clone(), help.clone()),
            None => (self.error.to_string(), None),
        };
        let doctor = || "run `warmstart doctor` for details; then resume the run".to_owned();
        append(
            &dir,
            &Event::Failed {
                kind: FailureKind::NotStarted,
                error: format!("the worker did not start: {cause}"),
                help: help.unwrap_or_else(doctor),
            },
        )
    }
}

impl Queue {
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The content, read without the lock: writers replace the whole file. An error carries a [`Failure`].
    pub fn content(&self) -> io::Result<Content> {
        let path = self.file();
        let unreadable = |kind: Kind, error: io::Error, help: &str| {
            let what = format!("the queue cannot be read: {error}: {}", path.display());
            io::Error::new(error.kind(), Failure::new(kind, what).help(help))
        };
        match fs::read(&path) {
            Ok(bytes) => match serde_json::from_slice::<Content>(&bytes) {
                Ok(content) => Ok(content.sanitized()),
                Err(error) => {
                    let error = io::Error::new(io::ErrorKind::InvalidData, error);
                    let help =
                        "remove this file to start with an empty queue; the runs are unchanged";
                    Err(unreadable(Kind::Input, error, help))
                }
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Content::default()),
            Err(error) => {
                let help = "correct its permissions, or repair the disk";
                Err(unreadable(Kind::Disk, error, help))
            }
        }
    }

    /// Adds a run at the end; one that waits or was started stays where it is.
    pub fn push(&self, entry: Entry) -> io::Result<Push> {
        self.push_again(entry, None, || Ok(()))
    }

    /// Adds a run at the end once more, after it ended at `ended_at`, in seconds since the Unix epoch. First calls `ready`, while
    /// no other process can add or start the run; if that fails, the run is not added.
    pub fn push_again<E: From<io::Error>>(
        &self,
        entry: Entry,
        ended_at: Option<f64>,
        ready: impl FnOnce() -> Result<(), E>,
    ) -> Result<Push, E> {
        self.change(|content| {
            if let Some(place) = content.position(&entry.run) {
                return Ok(Push::Waits(place));
            }
            let started = content
                .active
                .iter()
                .find(|active| active.entry.run == entry.run && self.is_running(active));
            if let Some(started) = started {
                let is_over = ended_at.is_some_and(|at| started.since as f64 <= at * 1000.0);
                return Ok(if is_over {
                    Push::Exiting
                } else {
                    Push::Started
                });
            }
            ready()?;
            content.waiting.push(entry);
            Ok(Push::Queued)
        })?
    }

    /// Takes a waiting run out; false if it does not wait.
    pub fn remove(&self, run: &RunId) -> io::Result<bool> {
        self.change(|content| {
            if content.position(run).is_none() {
                return Ok(false);
            }
            // First, because it may fail, and then the run still waits.
            halving::taken_out(&self.root, content, run)?;
            content.waiting.retain(|entry| entry.run != *run);
            Ok(true)
        })?
    }

    /// Makes these runs, in the order of their file, a group that is halved.
    pub fn halve(&self, group: Vec<RunId>) -> io::Result<()> {
        self.change(|content| {
            let is_other = |known: &Vec<RunId>| !known.iter().any(|run| group.contains(run));
            content.halving.retain(is_other);
            content.halving.push(group);
        })
    }

    /// Moves a waiting run; false if it does not wait.
    pub fn shift(&self, run: &RunId, to: Move) -> io::Result<bool> {
        self.change(|content| content.shift(run, to))
    }

    /// Starts no more runs until [`Self::unpause`]; started runs continue.
    pub fn pause(&self, reason: &str) -> io::Result<()> {
        self.change(|content| content.paused = Some(text::line(reason, 200)))
    }

    pub fn unpause(&self) -> io::Result<()> {
        self.change(|content| content.paused = None)
    }

    /// Sets how many runs a device takes at a time, from 1.
    pub fn set_slots(&self, slots: u32) -> io::Result<()> {
        self.change(|content| content.slots = slots.max(1))
    }

    /// Decides the rounds of halving that are due, and starts every run that can start now. `ending` is a run whose worker is about
    /// to exit, and takes no place on its device.
    pub fn advance(&self, programs: &Programs, ending: Option<&RunId>) -> io::Result<Advance> {
        // A worker on a node of a cluster knows nothing of the machine where the other runs are.
        let is_here = launcher::current().local().is_some();
        let is_ours = |entry: &Entry| is_here || !launcher::is_limited(&entry.slot);
        self.change(|content| {
            let mut advance = Advance::default();
            content.active.retain(|active| {
                !is_ours(&active.entry)
                    || (ending != Some(&active.entry.run) && self.is_running(active))
            });
            // A worker elsewhere does not see which runs have a worker here.
            if is_here {
                advance.failed = halving::advance(&self.root, content);
            }
            let startable = content.take_startable(is_ours);
            let runs: Vec<RunDir> = startable
                .iter()
                .map(|entry| RunDir::of(&self.root, &entry.run))
                .collect();
            for (entry, started) in startable.into_iter().zip(launcher::start(programs, &runs)) {
                match started {
                    Ok(started) => {
                        let worker = started.worker.clone();
                        advance.started.push((entry.run.clone(), started));
                        content.active.push(Active {
                            entry,
                            worker,
                            since: milliseconds(),
                        });
                    }
                    Err(error) => advance.failed.push(Failed {
                        run: entry.run,
                        task: Task::Start,
                        error,
                    }),
                }
            }
            advance
        })
    }

    /// Starts what can start after the worker of `ended` is gone or about to exit. Returns a line for each failure.
    pub fn start_next(&self, programs: &Programs, ended: &RunId) -> Vec<String> {
        match self.advance(programs, Some(ended)) {
            Ok(advance) => {
                let mut lines = Vec::new();
                for failed in &advance.failed {
                    lines.push(failed.to_string());
                    if let Err(error) = failed.log(&self.root) {
                        lines.push(format!(
                            "the log of run {} does not say so: {error}",
                            failed.run
                        ));
                    }
                }
                lines
            }
            Err(error) => vec![format!("no further run is started: {error}")],
        }
    }

    /// Whether a started run still occupies its device: a worker may outlive its monitor.
    fn is_running(&self, active: &Active) -> bool {
        let run = RunDir::of(&self.root, &active.entry.run);
        launcher::of_worker(&active.worker).occupies(&run, &active.worker)
    }

    fn file(&self) -> PathBuf {
        self.root.join("queue.json")
    }

    /// Reads, changes and replaces the file under the queue's lock.
    fn change<T>(&self, change: impl FnOnce(&mut Content) -> T) -> io::Result<T> {
        fs::create_dir_all(&self.root)?;
        let lock: File = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(self.root.join("queue.lock"))?;
        lock.lock()?;
        let before = self.content()?;
        let mut content = before.clone();
        let result = change(&mut content);
        if content != before {
            replace(&Disk, &self.file(), &serde_json::to_vec_pretty(&content)?)?;
        }
        Ok(result)
    }
}

fn milliseconds() -> u64 {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
