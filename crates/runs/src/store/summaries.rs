//! What logs of runs at rest tell, kept beside them, so that ten thousand need not be read to show a list. Anything that
//! does not match the files as they are now is not used: a log is always right.

mod blocks;
mod shared;

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::run::{RunId, RunInfo};
use serde::{Deserialize, Serialize};
use warmstart_schema::event::{Epoch, now};
use warmstart_schema::experiment::Experiment;
use warmstart_schema::state::RunState;

use self::blocks::{Block, Blocks, Index};
use self::shared::Shared;

/// Below the folder of all runs; no run can have this name.
const FILE: &str = ".summaries";
/// With fewer fresh runs and fewer bytes of their logs, reading them again is cheaper than writing all.
const WORTH_RUNS: usize = 200;
const WORTH_BYTES: u64 = 8 << 20;
/// Clocks of file systems tick in milliseconds: what changed less than this many seconds ago may change again within a tick.
const SETTLED: f64 = 1.5;

/// What tells that a file was replaced or written to: inode, modification, change of the inode (which no archive can bring
/// along) and length.
pub(super) type Stamp = Option<(u64, i64, i64, i64, i64, u64)>;

pub(super) fn stamp(path: &Path) -> Stamp {
    let meta = fs::metadata(path).ok()?;
    Some((
        meta.ino(),
        meta.mtime(),
        meta.mtime_nsec(),
        meta.ctime(),
        meta.ctime_nsec(),
        meta.len(),
    ))
}

/// Of one run, as of the two files that it was made from.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Summary {
    pub info_stamp: Stamp,
    pub log_stamp: Stamp,
    pub info: Result<RunInfo, String>,
    pub experiment: Option<Arc<Experiment>>,
    pub state: RunState,
}

/// What a block holds after its epochs, which stand first and without their fields' names: they are most of it. What other
/// runs have too stands here by its number.
#[derive(Serialize, Deserialize)]
struct Kept {
    info_stamp: Stamp,
    log_stamp: Stamp,
    info: Result<RunInfo, String>,
    experiment: Option<u32>,
    model: Option<u32>,
    state: RunState,
}

/// The summaries that were there, and those that are made while the others are read.
#[derive(Debug, Default)]
pub(super) struct Summaries {
    path: PathBuf,
    kept: Blocks,
    places: HashMap<RunId, Block>,
    shared: Shared,
    used: Vec<(RunId, Block)>,
    fresh: Vec<u8>,
    fresh_runs: Vec<(RunId, Block)>,
    fresh_logs: u64,
    settled: f64,
}

impl Summaries {
    /// Those of the runs below `root`; none where they are damaged or another program wrote them.
    pub(super) fn open(root: &Path) -> Self {
        let path = root.join(FILE);
        let (kept, index) = Blocks::open(&path, &header()).unwrap_or_default();
        let Index { shared, runs } = index;
        Self {
            path,
            kept,
            places: runs.into_iter().collect(),
            shared: Shared::new(shared),
            settled: SETTLED,
            ..Self::default()
        }
    }

    /// What is kept of a run, if it was made from its files as they are.
    pub(super) fn take(&mut self, id: &RunId, info: Stamp, log: Stamp) -> Option<Summary> {
        let place = self.places.remove(id)?;
        let mut bytes = self.kept.read(place)?;
        let epochs: Vec<Epoch> = rmp_serde::from_read(&mut bytes).ok()?;
        let kept: Kept = rmp_serde::from_slice(bytes).ok()?;
        if kept.info_stamp != info || kept.log_stamp != log || info.is_none() {
            return None;
        }
        let experiment = kept.experiment.map_or(Some(None), |number| {
            self.shared.experiment(number).map(Some)
        })?;
        let model = kept
            .model
            .map_or(Some(None), |number| self.shared.model(number).map(Some))?;
        self.used.push((id.clone(), place));
        let state = RunState {
            epochs,
            model,
            ..kept.state
        };
        Some(Summary {
            info_stamp: info,
            log_stamp: log,
            info: kept.info,
            experiment,
            state,
        })
    }

    /// Keeps what was read of a run for the next time.
    pub(super) fn add(&mut self, id: &RunId, summary: &Summary) {
        if self.is_settled(summary.info_stamp)
            && self.is_settled(summary.log_stamp)
            && let Some(bytes) = self.encode(summary)
        {
            let Some(block) = Block::of(&bytes, self.fresh.len() as u64) else {
                return;
            };
            self.fresh.extend(bytes);
            self.fresh_runs.push((id.clone(), block));
            self.fresh_logs += summary.log_stamp.map_or(0, |stamp| stamp.5);
        }
    }

    fn encode(&mut self, summary: &Summary) -> Option<Vec<u8>> {
        let mut state = summary.state.clone();
        let epochs = std::mem::take(&mut state.epochs);
        let mut bytes = rmp_serde::to_vec(&epochs).ok()?;
        let kept = Kept {
            info_stamp: summary.info_stamp,
            log_stamp: summary.log_stamp,
            info: summary.info.clone(),
            experiment: self.shared.number(summary.experiment.as_deref())?,
            model: self.shared.number(state.model.take().as_deref())?,
            state,
        };
        rmp_serde::encode::write_named(&mut bytes, &kept).ok()?;
        Some(bytes)
    }

    fn is_settled(&self, stamp: Stamp) -> bool {
        stamp.is_none_or(|(_, modified, _, changed, ..)| {
            now() - modified.max(changed) as f64 > self.settled
        })
    }

    /// Keeps what has just changed too.
    #[cfg(test)]
    pub(super) fn settle(&mut self) {
        self.settled = f64::NEG_INFINITY;
    }

    /// Writes all of them if that is worth it. A folder that cannot be written is read again the next time.
    pub(super) fn close(mut self) -> io::Result<()> {
        if self.fresh_runs.len() < WORTH_RUNS && self.fresh_logs < WORTH_BYTES {
            return Ok(());
        }
        let aside = self
            .path
            .with_file_name(format!("{FILE}.{}.new", std::process::id()));
        let mut write = || {
            let file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&aside)?;
            let mut file = BufWriter::new(file);
            let runs = self.used.iter().chain(&self.fresh_runs).cloned().collect();
            file.write_all(
                &Index {
                    shared: self.shared.live(),
                    runs,
                }
                .encode(&header())?,
            )?;
            for (_, block) in &self.used {
                // Damaged since it was used, it leaves a hole, which is found by its sum.
                let bytes = self
                    .kept
                    .read(*block)
                    .map_or_else(|| vec![0; block.length as usize], <[u8]>::to_vec);
                file.write_all(&bytes)?;
            }
            file.write_all(&self.fresh)?;
            file.into_inner().map_err(io::IntoInnerError::into_error)?;
            fs::rename(&aside, &self.path)
        };
        write().inspect_err(|_| {
            // The first error is the one to report.
            let _ = fs::remove_file(&aside);
        })
    }
}

/// Names the program to the build: another one may understand the same log differently.
fn header() -> String {
    let build = std::env::current_exe()
        .ok()
        .and_then(|path| stamp(&path))
        .map(|stamp| (stamp.1, stamp.2, stamp.5));
    format!(
        "warmstart {} summaries {build:?}\n",
        env!("CARGO_PKG_VERSION")
    )
}

#[cfg(test)]
mod tests;
