//! A cache of the logs of runs at rest, so that a list need not read ten thousand of them. An entry is used only if it matches
//! the files as they are now.

mod blocks;
mod shared;

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::run::{RunId, RunInfo};
use serde::{Deserialize, Serialize};
use warmstart_schema::event::{Epoch, now};
use warmstart_schema::experiment::Experiment;
use warmstart_schema::state::RunState;

use self::blocks::{Block, Blocks, Index, MAX_BYTES};
use self::shared::Shared;

/// Below the folder of all runs; no run can have this name.
const FILE: &str = ".summaries";
/// With fewer new runs and fewer bytes of logs, reading them again is cheaper than writing the cache.
const WORTH_RUNS: usize = 200;
const WORTH_BYTES: u64 = 8 << 20;
/// File systems' clocks tick in milliseconds: a file that changed less than this many seconds ago may change again within a tick.
pub(super) const SETTLED: f64 = 1.5;

/// The stamp of a file or folder; none if it cannot be looked at, for instance because it is not there.
pub(super) type Stamp = Option<FileStamp>;

/// Differs once a file is replaced or written. Times are seconds and nanoseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileStamp {
    inode: u64,
    modified: (i64, i64),
    /// When the inode changed, which no archive restores.
    changed: (i64, i64),
    bytes: u64,
}

impl FileStamp {
    /// Seconds since the last change, which is known by the second.
    pub(super) fn age(&self) -> f64 {
        now() - self.modified.0.max(self.changed.0) as f64
    }
}

pub(super) fn stamp(path: &Path) -> Stamp {
    let meta = fs::metadata(path).ok()?;
    Some(FileStamp {
        inode: meta.ino(),
        modified: (meta.mtime(), meta.mtime_nsec()),
        changed: (meta.ctime(), meta.ctime_nsec()),
        bytes: meta.len(),
    })
}

/// The summary of one run, and the stamps of the two files that it was made from.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Summary {
    pub info_stamp: Stamp,
    pub log_stamp: Stamp,
    pub info: Result<RunInfo, String>,
    pub experiment: Option<Arc<Experiment>>,
    pub state: RunState,
}

/// The part of a block after its epochs, which come first and without field names because they are most of it. Values that other
/// runs share are numbers here.
#[derive(Serialize, Deserialize)]
struct Kept {
    info_stamp: Stamp,
    log_stamp: Stamp,
    info: Result<RunInfo, String>,
    experiment: Option<u32>,
    model: Option<u32>,
    state: RunState,
}

/// A run that the next file is to hold.
#[derive(Debug)]
struct Row {
    id: RunId,
    block: Block,
    /// None if the block is in the file that was opened.
    fresh: Option<Fresh>,
}

/// A block that was made from a log.
#[derive(Debug)]
struct Fresh {
    bytes: Vec<u8>,
    /// The length of the log in bytes.
    log_bytes: u64,
}

/// The summaries of the file, and those made while other logs are read.
#[derive(Debug, Default)]
pub(super) struct Summaries {
    path: PathBuf,
    kept: Blocks,
    /// Where the file has each run's block.
    places: HashMap<RunId, Block>,
    shared: Shared,
    /// In the order in which runs were looked at, the newest first.
    rows: Vec<Row>,
    /// Bytes of the rows' blocks.
    bytes: u64,
    /// The most bytes of the file.
    limit: u64,
    /// Whether a row did not fit.
    is_full: bool,
    /// Seconds without a change after which a file counts as settled.
    settled: f64,
}

impl Summaries {
    /// The summaries of the runs below `root`; none if they are damaged or from another program.
    pub(super) fn open(root: &Path) -> Self {
        let path = root.join(FILE);
        let (kept, index) = Blocks::open(&path, &header()).unwrap_or_default();
        let Index { shared, runs } = index;
        Self {
            path,
            kept,
            places: runs.into_iter().collect(),
            shared: Shared::new(shared),
            limit: MAX_BYTES,
            settled: SETTLED,
            ..Self::default()
        }
    }

    /// The summary of a run, if its files match. The next file holds it too.
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
        self.push(id, place, None);
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

    /// Stores a summary for the next start.
    pub(super) fn add(&mut self, id: &RunId, summary: &Summary) {
        if !self.is_full
            && self.is_settled(summary.info_stamp)
            && self.is_settled(summary.log_stamp)
            && let Some(bytes) = self.encode(summary)
            && let Some(block) = Block::of(&bytes)
        {
            let log_bytes = summary.log_stamp.map_or(0, |stamp| stamp.bytes);
            self.push(id, block, Some(Fresh { bytes, log_bytes }));
        }
    }

    /// Adds a row if the file has room for it. Each row spares the next start a log, so a full file is better than none. The newest
    /// runs have the room: the next start looks at them first, and reads their blocks one after another.
    fn push(&mut self, id: &RunId, block: Block, fresh: Option<Fresh>) {
        let bytes = self.bytes + u64::from(block.length);
        self.is_full |= bytes > self.limit;
        if !self.is_full {
            let id = id.clone();
            self.rows.push(Row { id, block, fresh });
            self.bytes = bytes;
        }
    }

    fn encode(&mut self, summary: &Summary) -> Option<Vec<u8>> {
        let mut state = summary.state.clone();
        let epochs = std::mem::take(&mut state.epochs);
        // Without names, a field that is left out would shift those after it.
        let may_shift = |epoch: &Epoch| epoch.plain.is_some() || !epoch.further.is_empty();
        let mut bytes = if epochs.iter().any(may_shift) {
            rmp_serde::to_vec_named(&epochs)
        } else {
            rmp_serde::to_vec(&epochs)
        }
        .ok()?;
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
        stamp.is_none_or(|stamp| stamp.age() > self.settled)
    }

    /// Also stores what has just changed.
    #[cfg(test)]
    pub(super) fn settle(&mut self) {
        self.settled = f64::NEG_INFINITY;
    }

    /// Writes the summaries if that is worth it. After an error, the next start reads the logs again.
    pub(super) fn close(mut self) -> io::Result<()> {
        if !self.is_worth_writing() {
            return Ok(());
        }
        let mut index = self.index()?;
        if self.shorten(index.len() as u64) {
            // A file that holds the same runs again is not worth it either.
            if !self.is_worth_writing() {
                return Ok(());
            }
            index = self.index()?;
        }
        // What cannot be removed only takes space.
        let _ = self.remove_unfinished();
        let aside = self
            .path
            .with_file_name(format!("{FILE}.{}.new", std::process::id()));
        self.write(&index, &aside).inspect_err(|_| {
            // Report the first error.
            let _ = fs::remove_file(&aside);
        })
    }

    /// Removes what processes left that were killed while they wrote. A process that writes holds a lock.
    fn remove_unfinished(&self) -> io::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let is_aside = name.starts_with(FILE) && name.ends_with(".new");
            if is_aside && File::open(entry.path())?.try_lock().is_ok() {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    fn is_worth_writing(&self) -> bool {
        let fresh = self.rows.iter().filter_map(|row| row.fresh.as_ref());
        let bytes: u64 = fresh.clone().map(|fresh| fresh.log_bytes).sum();
        fresh.count() >= WORTH_RUNS || bytes >= WORTH_BYTES
    }

    /// Everything before the runs' blocks.
    fn index(&self) -> io::Result<Vec<u8>> {
        let runs = self.rows.iter().map(|row| (row.id.clone(), row.block));
        let index = Index {
            shared: self.shared.live(),
            runs: runs.collect(),
        };
        index.encode(&header())
    }

    /// Drops the oldest runs that do not fit behind an index of so many bytes; false if all fit.
    fn shorten(&mut self, index: u64) -> bool {
        let mut room = self.limit.saturating_sub(index);
        let fits = |row: &&Row| {
            let rest = room.checked_sub(row.block.length.into());
            room = rest.unwrap_or(0);
            rest.is_some()
        };
        let count = self.rows.iter().take_while(fits).count();
        let is_shorter = count < self.rows.len();
        self.rows.truncate(count);
        is_shorter
    }

    /// Writes the file beside its place, and then moves it there.
    fn write(&mut self, index: &[u8], aside: &Path) -> io::Result<()> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(aside)?;
        // Without locks, nobody removes it either.
        let _ = file.try_lock();
        let mut file = BufWriter::new(file);
        file.write_all(index)?;
        for Row { block, fresh, .. } in &self.rows {
            match fresh {
                Some(fresh) => file.write_all(&fresh.bytes)?,
                // If it was damaged since, skip it; its checksum shows that.
                None => match self.kept.read(*block) {
                    Some(bytes) => file.write_all(bytes)?,
                    None => file.write_all(&vec![0; block.length as usize])?,
                },
            }
        }
        let _locked = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        fs::rename(aside, &self.path)
    }
}

/// The first line of the file. It names the program's build by its time and length: another build may read a log differently.
fn header() -> String {
    let build = std::env::current_exe()
        .ok()
        .and_then(|path| stamp(&path))
        .map(|stamp| (stamp.modified, stamp.bytes));
    format!(
        "warmstart {} summaries {build:?}\n",
        env!("CARGO_PKG_VERSION")
    )
}

#[cfg(test)]
mod tests;
