//! Checkpoints: each a new folder, written aside, synced, hashed, renamed. Reading takes the newest that is whole.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use warmstart_schema::policy::Progress;
use warmstart_schema::run::{Names, RunDir, sync_dir};

/// Version of the checkpoint's files; a reader refuses another.
const FORMAT: u32 = 1;
const MANIFEST: &str = "manifest.json";
pub const MODEL: &str = "model.safetensors";
pub const OPTIMIZER: &str = "optimizer.safetensors";
const STATE: &str = "state.json";
/// Newest checkpoints that are kept, beside the best one.
const KEEP: usize = 2;
/// Room that must stay free on the disk after a save.
const HEADROOM: u64 = 64 << 20;

/// Where training stands, apart from tensors. With the seed it decides everything that follows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Optimizer steps done.
    pub step: u64,
    /// Epochs finished, validation included.
    pub epoch: u32,
    /// Batches done of the epoch after that.
    pub batch: u32,
    /// Sums over those batches.
    pub sums: Sums,
    pub progress: Progress,
    /// Step of the best checkpoint, while it exists.
    pub best_step: Option<u64>,
    /// Whether early stopping has spoken.
    pub stopped_early: bool,
    /// Seconds spent training.
    pub train_time: f64,
    /// What a bitwise equal continuation depends on.
    pub machine: Machine,
}

/// Sums over the batches of an epoch so far; float64 holds them exactly as the device does.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Sums {
    /// Of the loss of every image.
    pub loss: f64,
    /// Images whose class was right.
    pub correct: f64,
    pub images: u32,
}

/// What results depend on beside the experiment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    pub device: String,
    pub device_name: String,
    pub threads: u32,
    pub libtorch: String,
    /// SHA-256 of the resolved experiment.
    pub experiment: String,
    /// SHA-256 over names and sizes of a folder's pictures; empty for published datasets.
    #[serde(default)]
    pub pictures: String,
}

impl Machine {
    /// Why a continuation under `self` may differ from one under `other`, in words; empty when it cannot.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut reasons = Vec::new();
        let mut compare = |what: &str, then: &str, now: &str| {
            if then != now {
                reasons.push(format!("{what} was {then}, is {now}"));
            }
        };
        compare("the device", &other.device, &self.device);
        compare("the device's model", &other.device_name, &self.device_name);
        compare("the number of threads", &other.threads.to_string(), &self.threads.to_string());
        compare("libtorch", &other.libtorch, &self.libtorch);
        if other.experiment != self.experiment {
            reasons.push("the experiment was changed".to_owned());
        }
        if other.pictures != self.pictures {
            reasons.push("pictures were added, removed or replaced".to_owned());
        }
        reasons
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    format: u32,
    step: u64,
    files: BTreeMap<String, Entry>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    bytes: u64,
    sha256: String,
}

/// A checkpoint's content.
#[derive(Debug, Clone, PartialEq)]
pub struct Content {
    pub state: State,
    /// The model's tensors as a safetensors file.
    pub model: Vec<u8>,
    /// The optimizer's tensors likewise.
    pub optimizer: Vec<u8>,
}

/// Writes a checkpoint, reads it back, makes it `last` (and `best`), and only then removes older ones. Returns its bytes. On
/// an error nothing of it remains and the older ones do.
pub fn save(run: &RunDir, content: &Content) -> Result<u64> {
    let step = content.state.step;
    let folder = run.checkpoints();
    let context = || format!("saving checkpoint {}", run.checkpoint(step).display());
    if !folder.is_dir() {
        fs::create_dir(&folder).and_then(|()| sync_dir(run.path())).with_context(context)?;
    }
    let files = files(content)?;
    let bytes = files.iter().map(|(_, bytes)| bytes.len() as u64).sum();
    check_room(&folder, bytes).with_context(context)?;
    let aside = folder.join(format!(".step-{step:08}.new"));
    let commit = || -> Result<()> {
        write_folder(&aside, &files)?;
        let target = run.checkpoint(step);
        if target.exists() {
            // A resumed run passes the same steps again, and what it finds here is equal or damaged.
            fs::remove_dir_all(&target)?;
        }
        fs::rename(&aside, &target)?;
        sync_dir(&folder)?;
        read(&target).map(drop).context("reading it back")
    };
    commit()
        .inspect_err(|_| {
            // The error that led here is the one to report.
            let _ = fs::remove_dir_all(&aside);
        })
        .with_context(context)?;
    let names = Names { last: Some(step), best: content.state.best_step };
    run.write_names(names).with_context(context)?;
    remove_old(run, names).with_context(context)?;
    Ok(bytes)
}

fn files(content: &Content) -> Result<Vec<(&'static str, Vec<u8>)>> {
    let state = serde_json::to_vec_pretty(&content.state)?;
    let payload = [(MODEL, content.model.as_slice()), (OPTIMIZER, &content.optimizer), (STATE, &state)];
    let entry = |bytes: &[u8]| Entry { bytes: bytes.len() as u64, sha256: format!("{:x}", Sha256::digest(bytes)) };
    let listed = payload.iter().map(|(name, bytes)| ((*name).to_owned(), entry(bytes))).collect();
    let manifest = Manifest { format: FORMAT, step: content.state.step, files: listed };
    let mut files: Vec<_> = payload.iter().map(|(name, bytes)| (*name, bytes.to_vec())).collect();
    files.push((MANIFEST, serde_json::to_vec_pretty(&manifest)?));
    Ok(files)
}

fn write_folder(folder: &Path, files: &[(&str, Vec<u8>)]) -> io::Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir(folder)?;
    for (name, bytes) in files {
        let mut file = File::create_new(folder.join(name))?;
        file.write_all(bytes)?;
        file.sync_all()?;
    }
    sync_dir(folder)
}

fn check_room(folder: &Path, bytes: u64) -> io::Result<()> {
    let stat = nix::sys::statvfs::statvfs(folder)?;
    #[expect(clippy::useless_conversion, reason = "the fields are narrower on macOS")]
    let free = u64::from(stat.blocks_available()).saturating_mul(u64::from(stat.fragment_size()));
    if free < bytes + HEADROOM {
        let message = format!("{} MB free on the disk, {} MB needed", free >> 20, (bytes + HEADROOM) >> 20);
        return Err(io::Error::new(io::ErrorKind::StorageFull, message));
    }
    Ok(())
}

/// Removes all checkpoints but the newest ones and the best of each: should the newest turn out damaged, the one before
/// it must still find its own best.
fn remove_old(run: &RunDir, names: Names) -> io::Result<()> {
    let steps = steps(run)?;
    let (old, kept) = steps.split_at(steps.len().saturating_sub(KEEP));
    let best_of = |step: &u64| -> Option<u64> {
        let state = fs::read(run.checkpoint(*step).join(STATE)).ok()?;
        serde_json::from_slice::<State>(&state).ok()?.best_step
    };
    let needed: Vec<u64> = kept.iter().filter_map(best_of).chain(names.best).collect();
    old.iter().filter(|step| !needed.contains(step)).try_for_each(|step| fs::remove_dir_all(run.checkpoint(*step)))
}

/// Removes what an interrupted save left behind. Only for the holder of the run's lock.
pub fn remove_unfinished(run: &RunDir) -> io::Result<()> {
    for entry in read_dir(&run.checkpoints())? {
        if entry.file_name().to_string_lossy().ends_with(".new") {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// Steps of all checkpoints, ascending.
pub fn steps(run: &RunDir) -> io::Result<Vec<u64>> {
    let step = |entry: &fs::DirEntry| entry.file_name().to_str()?.strip_prefix("step-")?.parse().ok();
    let mut steps: Vec<u64> = read_dir(&run.checkpoints())?.iter().filter_map(step).collect();
    steps.sort_unstable();
    Ok(steps)
}

fn read_dir(folder: &Path) -> io::Result<Vec<fs::DirEntry>> {
    match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        other => other?.collect(),
    }
}

/// The newest checkpoint that is whole, and why newer ones were passed over.
pub fn newest(run: &RunDir) -> Result<(Option<Content>, Vec<String>)> {
    let mut skipped = Vec::new();
    for step in steps(run)?.into_iter().rev() {
        match read(&run.checkpoint(step)) {
            Ok(content) => return Ok((Some(content), skipped)),
            Err(error) => skipped.push(format!("checkpoint {step} is damaged and was passed over: {error:#}")),
        }
    }
    Ok((None, skipped))
}

/// Reads a checkpoint and checks every byte of it against its manifest.
pub fn read(folder: &Path) -> Result<Content> {
    let context = || format!("reading checkpoint {}", folder.display());
    let manifest = fs::read(folder.join(MANIFEST)).with_context(context)?;
    let manifest: Manifest = serde_json::from_slice(&manifest).with_context(context)?;
    if manifest.format != FORMAT {
        bail!(
            "{}: format {}; this version reads format {FORMAT}: use the version that wrote it",
            context(),
            manifest.format
        );
    }
    let file = |name: &str| -> Result<Vec<u8>> {
        let expected = manifest.files.get(name).with_context(|| format!("the manifest does not list {name}"))?;
        let bytes = fs::read(folder.join(name)).with_context(|| name.to_owned())?;
        let found = Entry { bytes: bytes.len() as u64, sha256: format!("{:x}", Sha256::digest(&bytes)) };
        ensure!(found == *expected, "{name} is not what was saved: {found:?} instead of {expected:?}");
        Ok(bytes)
    };
    let state: State = serde_json::from_slice(&file(STATE).with_context(context)?).with_context(context)?;
    ensure!(state.step == manifest.step, "{}: state and manifest are of different steps", context());
    Ok(Content { state, model: file(MODEL).with_context(context)?, optimizer: file(OPTIMIZER).with_context(context)? })
}
