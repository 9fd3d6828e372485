//! The order of runs, kept in a file under a lock so that it outlives every dashboard: whoever adds a run, and every
//! worker that ends, starts what can start. One run a device at a time.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::launch;
use crate::process::Identity;
use crate::run::{RunDir, RunId};
use crate::storage::{Disk, replace};

/// A run that waits or was started from the queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub run: RunId,
    /// The experiment's file stem.
    pub stem: String,
    /// `cpu` or `cuda:N`: what it occupies.
    pub slot: String,
    /// The experiment whose runs must have ended before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

impl Entry {
    fn comes_after(&self, other: &Self) -> bool {
        self.after.as_ref() == Some(&other.stem)
    }
}

/// A worker that was started and may still run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Active {
    #[serde(flatten)]
    pub entry: Entry,
    pub worker: Identity,
}

/// The queue's content at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Content {
    pub waiting: Vec<Entry>,
    pub active: Vec<Active>,
}

impl Content {
    /// Position of a waiting run, from 1.
    pub fn position(&self, run: &RunId) -> Option<usize> {
        self.waiting.iter().position(|entry| entry.run == *run).map(|index| index + 1)
    }

    /// Takes out what can start now, in order: its slot is free, and what it comes after has ended.
    fn take_startable(&mut self) -> Vec<Entry> {
        let mut startable: Vec<Entry> = Vec::new();
        let mut waiting: Vec<Entry> = Vec::new();
        let all = std::mem::take(&mut self.waiting);
        for entry in &all {
            let running = |other: &Entry| other.slot == entry.slot || entry.comes_after(other);
            let blocked = self.active.iter().any(|active| running(&active.entry)) || startable.iter().any(running)
                // Two that wait for each other would wait for ever.
                || all.iter().any(|other| entry.comes_after(other) && !other.comes_after(entry));
            if blocked { waiting.push(entry.clone()) } else { startable.push(entry.clone()) }
        }
        self.waiting = waiting;
        startable
    }
}

/// The queue of the runs below one folder.
#[derive(Debug, Clone)]
pub struct Queue {
    root: PathBuf,
}

/// What starting the next runs came to.
#[derive(Debug, Default)]
pub struct Advance {
    /// Started workers; whoever holds them must wait for them, or they remain as zombies.
    pub started: Vec<(RunId, std::process::Child)>,
    pub failed: Vec<(RunId, io::Error)>,
}

impl Queue {
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// What waits and what was started, without waiting for the lock: the file is replaced as a whole.
    pub fn content(&self) -> io::Result<Content> {
        match fs::read(self.file()) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
                let message =
                    format!("{}: {error}; remove the file to start with an empty queue", self.file().display());
                io::Error::new(io::ErrorKind::InvalidData, message)
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Content::default()),
            Err(error) => Err(error),
        }
    }

    /// Puts a run at the end; one that waits or runs already stays where it is.
    pub fn push(&self, entry: Entry) -> io::Result<()> {
        self.change(|content| {
            let running = content.active.iter().any(|active| active.entry.run == entry.run && active.worker.is_alive());
            if !running && content.position(&entry.run).is_none() {
                content.waiting.push(entry);
            }
        })
    }

    /// Takes a waiting run out; false when it does not wait.
    pub fn remove(&self, run: &RunId) -> io::Result<bool> {
        self.change(|content| {
            let before = content.waiting.len();
            content.waiting.retain(|entry| entry.run != *run);
            content.waiting.len() < before
        })
    }

    /// Starts every run that can start now. `leaving` is the run whose worker is about to end and no longer counts.
    pub fn advance(&self, worker: &Path, leaving: Option<&RunId>) -> io::Result<Advance> {
        self.change(|content| {
            let mut advance = Advance::default();
            content.active.retain(|active| leaving != Some(&active.entry.run) && active.worker.is_alive());
            for entry in content.take_startable() {
                match launch::spawn(worker, &RunDir::of(&self.root, &entry.run)) {
                    Ok(child) => {
                        let worker = Identity::of(child.id());
                        advance.started.push((entry.run.clone(), child));
                        content.active.push(Active { entry, worker });
                    }
                    Err(error) => advance.failed.push((entry.run, error)),
                }
            }
            advance
        })
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

/// What a run on the device asked for occupies.
pub fn slot(device: &str) -> String {
    let has_gpu = || Path::new("/dev/nvidia0").exists();
    match device {
        "auto" if has_gpu() => "cuda:0".to_owned(),
        "auto" => "cpu".to_owned(),
        "cuda" => "cuda:0".to_owned(),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(run: &str, slot: &str, after: Option<&str>) -> Entry {
        Entry {
            run: run.parse().unwrap(),
            stem: run.to_owned(),
            slot: slot.to_owned(),
            after: after.map(str::to_owned),
        }
    }

    fn names(entries: &[Entry]) -> Vec<&str> {
        entries.iter().map(|entry| entry.stem.as_str()).collect()
    }

    #[test]
    fn one_run_a_slot_in_order() {
        let waiting = vec![entry("a", "cpu", None), entry("b", "cpu", None), entry("c", "cuda:0", None)];
        let mut content = Content { waiting, active: Vec::new() };
        assert_eq!(names(&content.take_startable()), ["a", "c"]);
        assert_eq!(names(&content.waiting), ["b"]);
    }

    #[test]
    fn a_run_waits_for_what_it_starts_from_on_any_slot() {
        let waiting = vec![entry("a", "cuda:0", None), entry("b", "cuda:1", Some("a")), entry("c", "cuda:1", None)];
        let mut content = Content { waiting, active: Vec::new() };
        assert_eq!(names(&content.take_startable()), ["a", "c"]);
        let worker = Identity::current();
        content.active = vec![Active { entry: entry("a", "cuda:0", None), worker }];
        assert!(content.take_startable().is_empty());
        content.active.clear();
        assert_eq!(names(&content.take_startable()), ["b"]);
        // Also when it was put into the queue before that; but two that wait for each other do not wait for ever.
        content.waiting = vec![entry("b", "cpu", Some("a")), entry("a", "cpu", None)];
        assert_eq!(names(&content.take_startable()), ["a"]);
        content.waiting = vec![entry("b", "cpu", Some("a")), entry("a", "cpu", Some("b"))];
        assert_eq!(names(&content.take_startable()), ["b"]);
    }

    #[test]
    fn a_run_stands_in_the_queue_once_and_can_be_taken_out() {
        let folder = tempfile::tempdir().unwrap();
        let queue = Queue::new(folder.path());
        for _ in 0..2 {
            queue.push(entry("a", "cpu", None)).unwrap();
        }
        assert_eq!(queue.content().unwrap().waiting.len(), 1);
        let run = "a".parse().unwrap();
        assert!(queue.remove(&run).unwrap());
        assert!(!queue.remove(&run).unwrap());
    }

    #[test]
    fn the_end_of_one_run_starts_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let queue = Queue::new(folder.path());
        for run in ["a", "b"] {
            fs::create_dir(folder.path().join(run)).unwrap();
            queue.push(entry(run, "cpu", None)).unwrap();
        }
        let worker = Path::new("/bin/true");
        let first = queue.advance(worker, None).unwrap();
        assert_eq!(first.started.len(), 1);
        let a: RunId = "a".parse().unwrap();
        // While the first is leaving it may still be alive, and must not hold up the second.
        let mut second = queue.advance(worker, Some(&a)).unwrap();
        assert_eq!(second.started[0].0.as_str(), "b");
        for (_, child) in second.started.iter_mut().chain(&mut { first.started }) {
            child.wait().unwrap();
        }
    }
}
