//! A run in the queue: which devices it needs, and which runs must end before it starts.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::run::{RunId, RunInfo};

/// A run that waits or was started from the queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub run: RunId,
    /// The experiment's file stem.
    pub stem: String,
    /// The devices that it needs: `cpu`, `cuda:N`, `cuda:N-M` for several GPUs, or `slurm` for a job.
    pub slot: String,
    /// The experiment whose runs must end first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// The full path of the experiment; absent in files of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// The full path of the experiment whose runs must end first; absent in files of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_file: Option<PathBuf>,
}

impl Entry {
    /// Of a run that needs these devices, after the runs of another experiment if it is named.
    pub fn of(info: &RunInfo, slot: String, after: Option<String>) -> Self {
        Self {
            run: info.id.clone(),
            stem: info.stem.clone(),
            slot,
            file: info.file.clone(),
            after_file: info.init_file.clone().filter(|_| after.is_some()),
            after,
        }
    }

    /// Whether both runs need the same device.
    pub fn shares_device_with(&self, other: &Self) -> bool {
        match (gpus(&self.slot), gpus(&other.slot)) {
            (Some(ours), Some(theirs)) => {
                ours.start() <= theirs.end() && theirs.start() <= ours.end()
            }
            _ => self.slot == other.slot,
        }
    }

    /// Whether this run waits for the other's end. Full paths, if both are known, distinguish files of one stem.
    pub fn comes_after(&self, other: &Self) -> bool {
        match (&self.after_file, &other.file) {
            (Some(after), Some(file)) => after == file,
            _ => self.after.as_ref() == Some(&other.stem),
        }
    }
}

/// The GPUs of a slot; none if it is not one of GPUs.
fn gpus(slot: &str) -> Option<RangeInclusive<u32>> {
    let numbers = slot.strip_prefix("cuda:")?;
    let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
    Some(first.parse().ok()?..=last.parse().ok()?)
}

/// How many of these runs are on the device of `entry` that has the most.
pub(super) fn most_on_a_device(entry: &Entry, running: &[&Entry]) -> usize {
    let Some(wanted) = gpus(&entry.slot) else {
        let same = running.iter().filter(|other| other.slot == entry.slot);
        return same.count();
    };
    let others: Vec<RangeInclusive<u32>> = running
        .iter()
        .filter_map(|other| gpus(&other.slot))
        .collect();
    // The count rises only where a run begins, so a range of any length takes no longer.
    let begins = others.iter().map(|other| *other.start());
    begins
        .filter(|gpu| wanted.contains(gpu))
        .chain([*wanted.start()])
        .map(|gpu| others.iter().filter(|other| other.contains(&gpu)).count())
        .max()
        .unwrap_or(0)
}

/// Whether a run must wait for one of these waiting runs. One that waits for `entry` in turn does not count: in a circle, no run
/// would ever start.
pub(super) fn must_wait(entry: &Entry, waiting: &[&Entry]) -> bool {
    waiting
        .iter()
        .any(|other| entry.comes_after(other) && !waits_for(other, entry, waiting))
}

/// Whether `one` comes after `other`, directly or through waiting runs between them.
fn waits_for(one: &Entry, other: &Entry, waiting: &[&Entry]) -> bool {
    let mut seen = vec![false; waiting.len()];
    let mut open = vec![one];
    while let Some(next) = open.pop() {
        if next.comes_after(other) {
            return true;
        }
        for (between, seen) in waiting.iter().zip(&mut seen) {
            if !*seen && next.comes_after(between) {
                *seen = true;
                open.push(between);
            }
        }
    }
    false
}
