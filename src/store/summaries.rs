//! What logs of runs at rest tell, kept beside them, so that ten thousand need not be read to show a list. Anything that
//! does not match the files as they are now is not used: a log is always right.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::ops::Range;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use warmstart_schema::event::now;
use warmstart_schema::experiment::Experiment;
use warmstart_schema::run::{RunId, RunInfo};
use warmstart_schema::state::RunState;

/// Below the folder of all runs; no run can have this name.
const FILE: &str = ".summaries";
/// A file larger than this is not read.
const MAX_BYTES: u64 = 1 << 30;
/// Bytes of a block's length and checksum.
const FRAME: usize = 8;
/// Experiments of different content that are shared by the runs that have them.
const MAX_SHARED: usize = 256;
/// With fewer fresh runs and fewer bytes of their logs, reading them again is cheaper than writing all.
const WORTH_RUNS: usize = 200;
const WORTH_BYTES: u64 = 8 << 20;
/// Clocks of file systems tick in milliseconds: what changed less than this many seconds ago may change again within a tick.
const SETTLED: f64 = 1.5;

/// What tells that a file was replaced or written to: inode, modification, change of the inode (which no archive can bring
/// along) and length.
pub type Stamp = Option<(u64, i64, i64, i64, i64, u64)>;

pub fn stamp(path: &Path) -> Stamp {
    let meta = fs::metadata(path).ok()?;
    Some((meta.ino(), meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec(), meta.len()))
}

/// Of one run, as of the two files that it was made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    pub info_stamp: Stamp,
    pub log_stamp: Stamp,
    pub info: Result<RunInfo, String>,
    /// Kept in front of the rest, as bytes of its own.
    #[serde(skip)]
    pub experiment: Option<Arc<Experiment>>,
    pub state: RunState,
}

/// The summaries that were there, and those that are made while the others are read.
#[derive(Debug, Default)]
pub struct Summaries {
    path: PathBuf,
    bytes: Vec<u8>,
    /// Where in `bytes` each run's block lies, frame included.
    blocks: HashMap<RunId, Range<usize>>,
    used: Vec<Range<usize>>,
    /// By their bytes: most runs have the experiment of another, and reading it once will do.
    experiments: HashMap<Vec<u8>, Option<Arc<Experiment>>>,
    fresh: Vec<u8>,
    fresh_runs: usize,
    fresh_logs: u64,
    settled: f64,
}

impl Summaries {
    /// Those of the runs below `root`; none where they are damaged or another program wrote them.
    pub fn open(root: &Path) -> Self {
        let path = root.join(FILE);
        let bytes = read(&path).unwrap_or_default();
        let mut blocks = HashMap::new();
        let mut at = header().len();
        while let Some(block) = block(&bytes, at) {
            at = block.end;
            if let Some(Block { id, .. }) = parts(&bytes[block.clone()]) {
                blocks.insert(id, block);
            }
        }
        Self { path, bytes, blocks, settled: SETTLED, ..Self::default() }
    }

    /// What is kept of a run, if it was made from its files as they are.
    pub fn take(&mut self, id: &RunId, info: Stamp, log: Stamp) -> Option<Summary> {
        let place = self.blocks.remove(id)?;
        let block = parts(&self.bytes[place.clone()])?;
        let summary: Summary = rmp_serde::from_slice(block.summary).ok()?;
        if summary.info_stamp != info || summary.log_stamp != log || info.is_none() {
            return None;
        }
        let experiment = shared(&mut self.experiments, block.experiment)?;
        self.used.push(place);
        Some(Summary { experiment, ..summary })
    }

    /// Keeps what was read of a run for the next time.
    pub fn add(&mut self, id: &RunId, summary: &Summary) {
        if !self.is_settled(summary.info_stamp) || !self.is_settled(summary.log_stamp) {
            return;
        }
        let Some(block) = encoded(id, summary) else { return };
        self.fresh.extend(block);
        self.fresh_runs += 1;
        self.fresh_logs += summary.log_stamp.map_or(0, |stamp| stamp.5);
    }

    fn is_settled(&self, stamp: Stamp) -> bool {
        stamp.is_none_or(|(_, modified, _, changed, ..)| now() - modified.max(changed) as f64 > self.settled)
    }

    /// Keeps what has just changed too.
    #[cfg(test)]
    pub fn settle(&mut self) {
        self.settled = f64::NEG_INFINITY;
    }

    /// Writes all of them if that is worth it. A folder that cannot be written is read again the next time.
    pub fn close(self) -> io::Result<()> {
        if self.fresh_runs < WORTH_RUNS && self.fresh_logs < WORTH_BYTES {
            return Ok(());
        }
        let aside = self.path.with_file_name(format!("{FILE}.{}.new", std::process::id()));
        let write = || {
            let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
            let mut file = BufWriter::new(file);
            file.write_all(header().as_bytes())?;
            for block in &self.used {
                file.write_all(&self.bytes[block.clone()])?;
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

/// What a block holds after its frame: the run's name, its experiment and the rest of its summary, the first two after their
/// lengths.
struct Block<'bytes> {
    id: RunId,
    experiment: &'bytes [u8],
    summary: &'bytes [u8],
}

fn parts(block: &[u8]) -> Option<Block<'_>> {
    let (&length, rest) = block.get(FRAME..)?.split_first()?;
    let (id, rest) = rest.split_at_checked(length.into())?;
    let (length, rest) = rest.split_first_chunk()?;
    let (experiment, summary) = rest.split_at_checked(u32::from_le_bytes(*length).try_into().ok()?)?;
    Some(Block { id: str::from_utf8(id).ok()?.parse().ok()?, experiment, summary })
}

/// A run's block, frame included; none for what is too long.
fn encoded(id: &RunId, summary: &Summary) -> Option<Vec<u8>> {
    let experiment = rmp_serde::to_vec_named(&summary.experiment.as_deref()).ok()?;
    let mut content = vec![u8::try_from(id.as_str().len()).ok()?];
    content.extend(id.as_str().bytes());
    content.extend(u32::try_from(experiment.len()).ok()?.to_le_bytes());
    content.extend(experiment);
    rmp_serde::encode::write_named(&mut content, summary).ok()?;
    let mut block = u32::try_from(content.len()).ok()?.to_le_bytes().to_vec();
    block.extend(crc32fast::hash(&content).to_le_bytes());
    block.append(&mut content);
    Some(block)
}

/// The experiment of these bytes, which runs of the same bytes share; none for bytes that are not one.
#[expect(clippy::option_option, reason = "a run whose experiment cannot be read has none")]
fn shared(known: &mut HashMap<Vec<u8>, Option<Arc<Experiment>>>, bytes: &[u8]) -> Option<Option<Arc<Experiment>>> {
    if let Some(experiment) = known.get(bytes) {
        return Some(experiment.clone());
    }
    let experiment: Option<Experiment> = rmp_serde::from_slice(bytes).ok()?;
    if known.len() >= MAX_SHARED {
        known.clear();
    }
    let experiment = experiment.map(Arc::new);
    known.insert(bytes.to_vec(), experiment.clone());
    Some(experiment)
}

/// Names the program to the build: another one may understand the same log differently.
fn header() -> String {
    let build = std::env::current_exe().ok().and_then(|path| stamp(&path)).map(|stamp| (stamp.1, stamp.2, stamp.5));
    format!("warmstart {} summaries {build:?}\n", env!("CARGO_PKG_VERSION"))
}

fn read(path: &Path) -> Option<Vec<u8>> {
    let file = fs::File::open(path).ok()?;
    let meta = file.metadata().ok()?;
    if !meta.is_file() || meta.len() > MAX_BYTES {
        return None;
    }
    let mut bytes = Vec::with_capacity(usize::try_from(meta.len()).ok()?);
    file.take(MAX_BYTES).read_to_end(&mut bytes).ok()?;
    bytes.starts_with(header().as_bytes()).then_some(bytes)
}

/// The block that begins at `at`, frame included; none at the end or at the first damage.
fn block(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let word = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    let (length, sum) = (usize::try_from(word(at)?).ok()?, word(at + 4)?);
    let end = at.checked_add(FRAME)?.checked_add(length)?;
    (crc32fast::hash(bytes.get(at + FRAME..end)?) == sum).then_some(at..end)
}

#[cfg(test)]
mod tests {
    use warmstart_schema::event::{Event, Record};

    use super::*;

    fn summary(t: f64) -> Summary {
        let event = Event::Test(warmstart_schema::event::Test { epoch: 3, loss: f64::INFINITY, accuracy: 0.1 + t });
        Summary {
            info_stamp: Some((1, 2, 3, 4, 5, 6)),
            log_stamp: None,
            info: Err("torn".to_owned()),
            experiment: None,
            state: RunState::fold([Record { t, event }]),
        }
    }

    fn id(number: usize) -> RunId {
        format!("r{number}").parse().unwrap()
    }

    fn written(root: &Path, runs: usize) {
        let mut summaries = Summaries::open(root);
        (0..runs).for_each(|number| summaries.add(&id(number), &summary(number as f64)));
        summaries.close().unwrap();
    }

    fn take(summaries: &mut Summaries, number: usize) -> Option<Summary> {
        let Summary { info_stamp, log_stamp, .. } = summary(0.0);
        summaries.take(&id(number), info_stamp, log_stamp)
    }

    #[test]
    fn what_is_kept_comes_back_to_the_bit_for_the_same_files_alone() {
        let root = tempfile::tempdir().unwrap();
        written(root.path(), WORTH_RUNS);
        let mut summaries = Summaries::open(root.path());
        assert_eq!(take(&mut summaries, 7), Some(summary(7.0)));
        let log = Some((0, 0, 0, 0, 0, 0));
        assert_eq!(summaries.take(&id(8), summary(8.0).info_stamp, log), None);
        assert_eq!(take(&mut summaries, WORTH_RUNS), None);
    }

    #[test]
    fn what_was_used_is_kept_when_others_join_and_what_is_gone_goes() {
        let root = tempfile::tempdir().unwrap();
        written(root.path(), WORTH_RUNS);
        let mut summaries = Summaries::open(root.path());
        assert!(take(&mut summaries, 7).is_some());
        (1000..1000 + WORTH_RUNS).for_each(|number| summaries.add(&id(number), &summary(1.0)));
        summaries.close().unwrap();
        let mut summaries = Summaries::open(root.path());
        assert!(take(&mut summaries, 7).is_some() && take(&mut summaries, 1000).is_some());
        assert!(take(&mut summaries, 8).is_none());
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
    }

    #[test]
    fn few_short_logs_are_not_worth_a_file() {
        let root = tempfile::tempdir().unwrap();
        written(root.path(), WORTH_RUNS - 1);
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }

    #[test]
    fn damage_anywhere_gives_nothing_that_was_not_written() {
        let root = tempfile::tempdir().unwrap();
        written(root.path(), WORTH_RUNS);
        let path = root.path().join(FILE);
        let whole = fs::read(&path).unwrap();
        let all_as_written = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            let mut summaries = Summaries::open(root.path());
            (0..WORTH_RUNS).all(|number| take(&mut summaries, number).is_none_or(|kept| kept == summary(number as f64)))
        };
        for at in (0..whole.len()).step_by(97) {
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << (at % 8);
            assert!(all_as_written(&damaged), "byte {at}");
            assert!(all_as_written(&whole[..at]), "cut at {at}");
        }
    }

    #[test]
    fn what_has_just_changed_is_not_kept() {
        let root = tempfile::tempdir().unwrap();
        let mut summaries = Summaries::open(root.path());
        summaries.add(&id(1), &Summary { info_stamp: stamp(root.path()), ..summary(1.0) });
        assert!(summaries.fresh.is_empty());
    }
}
