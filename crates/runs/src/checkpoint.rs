//! Checkpoints. Each is a new folder: written aside, synced, hashed, renamed, read back. Reading takes the newest intact one.
//! This module sees bytes only; the engine knows the tensors in them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use warmstart_schema::experiment::NumberFormat;
use warmstart_schema::policy::{Plateau, Progress};
use warmstart_schema::preparation::Preparation;

use crate::run::{Names, RunDir};
use crate::storage::{Durable, Storage};

/// Version of the checkpoint's files; a reader refuses any other.
const FORMAT: u32 = 1;
const MANIFEST: &str = "manifest.json";
/// The model's tensors.
pub const MODEL: &str = "model.safetensors";
/// The optimizer's tensors.
pub const OPTIMIZER: &str = "optimizer.safetensors";
const STATE: &str = "state.json";
/// Disk space that must stay free after a save.
pub const HEADROOM: u64 = 64 << 20;

/// The state of training apart from tensors. Together with the seed it determines all further steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Optimizer steps done.
    pub step: u64,
    /// Epochs finished, validation included.
    pub epoch: u32,
    /// Batches done of the unfinished epoch.
    pub batch: u32,
    /// Sums over those batches.
    pub sums: Sums,
    pub progress: Progress,
    #[serde(default)]
    pub plateau: Plateau,
    /// Step of the best checkpoint, while it exists.
    pub best_step: Option<u64>,
    /// Whether early stopping ended training.
    pub stopped_early: bool,
    /// Seconds spent training.
    pub train_time: f64,
    // Renaming the key would make older checkpoints unreadable.
    #[serde(rename = "machine")]
    pub conditions: Conditions,
    /// Why this state may differ from that of an unbroken run, collected over all attempts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_exact: Vec<String>,
    #[serde(default)]
    pub skipped: Skipped,
    /// How images are preprocessed; absent in checkpoints of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preparation: Option<Preparation>,
}

/// Skipped steps, whose loss or gradients were not finite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Skipped {
    /// Number of skipped steps in the whole run; they count as done.
    pub steps: u64,
    /// Length of the current streak of skipped steps.
    pub in_a_row: u32,
}

/// Sums over the batches of an epoch so far. The device sums in float64, so saving loses nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sums {
    /// Sum of the loss of every image.
    pub loss: f64,
    /// The sum of every metric of the engine, by its name.
    #[serde(flatten)]
    pub metrics: BTreeMap<String, f64>,
    /// Number of images in those batches.
    pub images: u32,
}

impl Default for Sums {
    /// Earlier versions expect `correct` in every checkpoint.
    fn default() -> Self {
        Self {
            loss: 0.0,
            metrics: [(Self::CORRECT.to_owned(), 0.0)].into(),
            images: 0,
        }
    }
}

impl Sums {
    /// The sum of correctly classified images.
    pub const CORRECT: &'static str = "correct";

    /// Mean loss.
    pub fn mean_loss(&self) -> f64 {
        self.loss / f64::from(self.images.max(1))
    }

    /// Mean of a metric; NaN for one that the worker of these sums did not know.
    pub fn mean(&self, metric: &str) -> f64 {
        self.sum(metric) / f64::from(self.images.max(1))
    }

    /// Sum of a metric; 0 before the first image.
    pub fn sum(&self, metric: &str) -> f64 {
        let unknown = if self.images == 0 { 0.0 } else { f64::NAN };
        self.metrics.get(metric).copied().unwrap_or(unknown)
    }

    /// Accuracy, from 0 to 1.
    pub fn accuracy(&self) -> f64 {
        self.mean(Self::CORRECT)
    }
}

/// What a bitwise equal continuation needs: device, threads, libtorch, and the hashes of experiment and pictures.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Conditions {
    /// `cpu` or `cuda:0`.
    pub device: String,
    /// The model of the device.
    pub device_name: String,
    /// Threads of libtorch.
    pub threads: u32,
    /// The number format of convolutions and matrix products; absent in checkpoints of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<NumberFormat>,
    /// The version of libtorch.
    pub libtorch: String,
    /// The revision of warmstart's kernels; 0 in checkpoints of versions without any.
    #[serde(default)]
    pub kernels: u32,
    /// SHA-256 of the resolved experiment.
    pub experiment: String,
    /// SHA-256 over the names and sizes of a folder's images; empty for published datasets.
    #[serde(default)]
    pub pictures: String,
}

impl Conditions {
    /// Why a continuation under `self` may differ from one under `before`; empty if it cannot. [`crate::change::consequences`]
    /// adds the reasons that follow from a changed experiment.
    pub fn differences(&self, before: &Self) -> Vec<String> {
        let mut reasons = Vec::new();
        let mut compare = |what: &str, then: &str, now: &str| {
            if then != now {
                reasons.push(format!("{what} was {then}, is {now}"));
            }
        };
        compare("the device", &before.device, &self.device);
        compare("the device's model", &before.device_name, &self.device_name);
        compare(
            "the number of threads",
            &before.threads.to_string(),
            &self.threads.to_string(),
        );
        compare("libtorch", &before.libtorch, &self.libtorch);
        // A GPU does not use them.
        if self.device == "cpu" {
            compare(
                "the revision of warmstart's kernels",
                &before.kernels.to_string(),
                &self.kernels.to_string(),
            );
        }
        if let (Some(then), Some(now)) = (before.precision, self.precision) {
            compare("the number format", then.as_str(), now.as_str());
        }
        // If the images could not be listed, they cannot be compared.
        if before.pictures != self.pictures && !self.pictures.is_empty() {
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

impl Entry {
    fn of(bytes: &[u8]) -> Self {
        Self {
            bytes: bytes.len() as u64,
            sha256: format!("{:x}", Sha256::digest(bytes)),
        }
    }
}

/// The content of a checkpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct Content {
    pub state: State,
    /// The model's tensors as a safetensors file.
    pub model: Vec<u8>,
    /// The optimizer's tensors as a safetensors file.
    pub optimizer: Vec<u8>,
}

/// Why a checkpoint could not be saved or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{doing} checkpoint {}", path.display())]
    Io {
        doing: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("checkpoint {} is damaged: {what}", path.display())]
    Damaged { path: PathBuf, what: String },
    #[error(
        "checkpoint {} has format {found}; this version reads format {FORMAT}: use the version that wrote it",
        path.display()
    )]
    Format { path: PathBuf, found: u32 },
    #[error("none of the {} checkpoints of this run is readable: {}", reasons.len(), reasons.join("; "))]
    None { reasons: Vec<String> },
    #[error("the run's checkpoints are gone: {named_by} of step {step}, and {} {found}", path.display())]
    Gone {
        named_by: &'static str,
        step: u64,
        path: PathBuf,
        found: &'static str,
    },
}

/// Writes a checkpoint, reads it back, makes it `last` (and `best`), and then removes older ones except the `keep` newest and the
/// best of each. Returns its bytes. On an error the older ones remain, and the one of this step, if there was one.
pub fn save(
    storage: &impl Storage,
    run: &RunDir,
    content: &Content,
    keep: usize,
) -> Result<u64, Error> {
    let step = content.state.step;
    let failed = |source| Error::Io {
        doing: "saving",
        path: run.checkpoint(step),
        source,
    };
    let folder = run.checkpoints();
    if !storage.exists(&folder) {
        storage.create_dir(&folder).map_err(failed)?;
    }
    // A process may have created the folder and died before its name was durable.
    storage.sync_dir(run.path()).map_err(failed)?;
    let files = files(content).map_err(failed)?;
    let bytes = files.iter().map(|(_, bytes)| bytes.len() as u64).sum();
    check_room(storage, &folder, bytes).map_err(failed)?;
    recover_step(storage, run, step)?;
    commit_folder(storage, run, step, &files)?;
    let names = Names {
        last: Some(step),
        best: content.state.best_step,
    };
    run.write_names(storage, names).map_err(failed)?;
    // Ignore errors: the next save tries again to remove it.
    let _ = remove_old(storage, run, names, keep);
    Ok(bytes)
}

/// A folder of `run` that holds a checkpoint under another name: `new` until it is in place, `old` while another replaces it.
fn aside(run: &RunDir, step: u64, suffix: &str) -> PathBuf {
    run.checkpoints().join(format!(".step-{step:08}.{suffix}"))
}

/// Writes the folder of a checkpoint and reads it back. A resumed run repeats steps, so it may replace a checkpoint: one that is
/// damaged, or that was saved before the epoch's end. On an error that one is back in its place, or aside for [`recover`].
fn commit_folder(
    storage: &impl Storage,
    run: &RunDir,
    step: u64,
    files: &[(&str, Vec<u8>)],
) -> Result<(), Error> {
    let (new, target, old) = (
        aside(run, step, "new"),
        run.checkpoint(step),
        aside(run, step, "old"),
    );
    let failed = |source| Error::Io {
        doing: "saving",
        path: target.clone(),
        source,
    };
    let placed = write_folder(storage, &new, files)
        .and_then(|()| put_in_place(storage, &new, &target, &old));
    let replaced = placed.map_err(|error| {
        if !storage.exists(&old) {
            // Report the first error.
            let _ = storage.remove_dir(&new);
        }
        failed(error)
    })?;
    let verified = storage
        .sync_dir(&run.checkpoints())
        .map_err(failed)
        .and_then(|()| read(storage, &target).map(drop));
    // Ignore errors of a removal: `recover` repeats it.
    match (&verified, replaced) {
        (Ok(()), None) => {}
        (Ok(()), Some(replaced)) => {
            let _ = storage.remove_dir(&replaced);
        }
        (Err(_), None) => {
            let _ = storage.remove_dir(&target);
        }
        (Err(_), Some(replaced)) => {
            if put_back(storage, &replaced, &target, &new).is_ok() {
                let _ = storage.remove_dir(&new);
            }
        }
    }
    verified
}

/// Renames `new` to `target`. Returns the path of the folder that this replaced: `new`, or `old` on a file system that cannot
/// swap folders. On an error `target` is unchanged, or `old` exists.
fn put_in_place(
    storage: &impl Storage,
    new: &Path,
    target: &Path,
    old: &Path,
) -> io::Result<Option<PathBuf>> {
    if !storage.exists(target) {
        return storage.rename(new, target).map(|()| None);
    }
    match storage.exchange(new, target) {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
        exchanged => return exchanged.map(|()| Some(new.to_path_buf())),
    }
    storage.rename(target, old)?;
    // `old` must be durable before the other takes its name.
    sync_parent(storage, old)
        .and_then(|()| storage.rename(new, target))
        .inspect_err(|_| {
            let _ = storage.rename(old, target);
        })?;
    Ok(Some(old.to_path_buf()))
}

/// Undoes [`put_in_place`], which returned `replaced`. Afterwards `new` is the folder that was in place.
fn put_back(storage: &impl Storage, replaced: &Path, target: &Path, new: &Path) -> io::Result<()> {
    if replaced == new {
        storage.exchange(new, target)?;
    } else {
        storage.rename(target, new)?;
        storage.rename(replaced, target)?;
    }
    sync_parent(storage, target)
}

fn sync_parent(storage: &impl Storage, path: &Path) -> io::Result<()> {
    storage.sync_dir(path.parent().unwrap_or(Path::new("/")))
}

fn files(content: &Content) -> io::Result<Vec<(&'static str, Vec<u8>)>> {
    let state = serde_json::to_vec_pretty(&content.state)?;
    let payload = [
        (MODEL, content.model.as_slice()),
        (OPTIMIZER, &content.optimizer),
        (STATE, &state),
    ];
    let listed = payload
        .iter()
        .map(|(name, bytes)| ((*name).to_owned(), Entry::of(bytes)))
        .collect();
    let manifest = Manifest {
        format: FORMAT,
        step: content.state.step,
        files: listed,
    };
    let mut files: Vec<_> = payload
        .iter()
        .map(|(name, bytes)| (*name, bytes.to_vec()))
        .collect();
    files.push((MANIFEST, serde_json::to_vec_pretty(&manifest)?));
    Ok(files)
}

fn write_folder(
    storage: &impl Storage,
    folder: &Path,
    files: &[(&str, Vec<u8>)],
) -> io::Result<()> {
    storage.create_dir(folder)?;
    for (name, bytes) in files {
        let mut file = storage.create(&folder.join(name))?;
        file.write_all(bytes)?;
        file.sync()?;
    }
    storage.sync_dir(folder)
}

fn check_room(storage: &impl Storage, folder: &Path, bytes: u64) -> io::Result<()> {
    let free = storage.free(folder)?;
    if free < bytes + HEADROOM {
        let message = format!(
            "{} MiB free on the disk of {}, {} MiB needed. Free space, or lower train.checkpoint.keep",
            free >> 20,
            folder.display(),
            (bytes + HEADROOM) >> 20
        );
        return Err(io::Error::new(io::ErrorKind::StorageFull, message));
    }
    Ok(())
}

/// Removes all checkpoints except the newest ones and the best of each. If the newest turns out damaged, the one before it still
/// finds its own best.
fn remove_old(storage: &impl Storage, run: &RunDir, names: Names, keep: usize) -> io::Result<()> {
    let steps = steps(storage, run)?;
    let (old, kept) = steps.split_at(steps.len().saturating_sub(keep));
    let best_of = |step: &u64| -> Option<u64> {
        let state = storage.read(&run.checkpoint(*step).join(STATE)).ok()?;
        serde_json::from_slice::<State>(&state).ok()?.best_step
    };
    let needed: Vec<u64> = kept.iter().filter_map(best_of).chain(names.best).collect();
    old.iter()
        .filter(|step| !needed.contains(step))
        .try_for_each(|step| storage.remove_dir(&run.checkpoint(*step)))
}

/// Ends interrupted saves. If a checkpoint is missing or damaged and an intact copy of it lies aside, the copy becomes the
/// checkpoint. Removes all other copies. The caller must hold the run's lock.
pub fn recover(storage: &impl Storage, run: &RunDir) -> Result<(), Error> {
    let names = storage.names(&run.checkpoints()).map_err(unlisted(run))?;
    let steps: BTreeSet<u64> = names
        .iter()
        .filter_map(|name| name.strip_prefix(".step-")?.split('.').next()?.parse().ok())
        .collect();
    steps
        .into_iter()
        .try_for_each(|step| recover_step(storage, run, step))
}

fn recover_step(storage: &impl Storage, run: &RunDir, step: u64) -> Result<(), Error> {
    // `old` was a checkpoint, `new` perhaps never.
    let mut copies = ["old", "new"]
        .map(|suffix| aside(run, step, suffix))
        .to_vec();
    copies.retain(|copy| storage.exists(copy));
    if copies.is_empty() {
        return Ok(());
    }
    let target = run.checkpoint(step);
    let failed = |source| Error::Io {
        doing: "recovering",
        path: target.clone(),
        source,
    };
    if !is_intact(storage, &target, step)? {
        for copy in &copies {
            if is_intact(storage, copy, step)? {
                promote(storage, copy, &target).map_err(failed)?;
                break;
            }
        }
    }
    // The checkpoint must be durable under its name before its copies go.
    storage.sync_dir(&run.checkpoints()).map_err(failed)?;
    copies.retain(|copy| storage.exists(copy));
    copies
        .iter()
        .try_for_each(|copy| storage.remove_dir(copy))
        .map_err(failed)
}

/// Whether `folder` holds a whole checkpoint of that step. It is an error if that cannot be found out.
fn is_intact(storage: &impl Storage, folder: &Path, step: u64) -> Result<bool, Error> {
    match read_step(storage, folder, step) {
        Ok(_) => Ok(true),
        Err(Error::Damaged { .. }) => Ok(false),
        Err(Error::Io { source, .. })
            if source.kind() == io::ErrorKind::NotFound || is_read_failure(&source) =>
        {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// Renames an intact copy to `target`, which is missing or damaged.
fn promote(storage: &impl Storage, copy: &Path, target: &Path) -> io::Result<()> {
    // The process that wrote the files may have died before it synced them.
    for name in storage.names(copy)? {
        storage.sync_file(&copy.join(name))?;
    }
    storage.sync_dir(copy)?;
    if storage.exists(target) {
        storage.remove_dir(target)?;
    }
    storage.rename(copy, target)
}

/// Whether the error is EIO: the disk cannot read the data.
fn is_read_failure(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::IO.raw_os_error())
}

fn unlisted(run: &RunDir) -> impl Fn(io::Error) -> Error {
    let path = run.checkpoints();
    move |source| Error::Io {
        doing: "listing",
        path: path.clone(),
        source,
    }
}

/// Steps of all checkpoints, ascending.
pub fn steps(storage: &impl Storage, run: &RunDir) -> io::Result<Vec<u64>> {
    let names = storage.names(&run.checkpoints())?;
    let mut steps: Vec<u64> = names
        .iter()
        .filter_map(|name| name.strip_prefix("step-")?.parse().ok())
        .collect();
    steps.sort_unstable();
    Ok(steps)
}

/// The newest intact checkpoint, and why newer ones were skipped, a missing one that `names.json` names included; none for a run
/// that has not saved yet. It is an error if none is intact, if `names.json` names one and there is none at all, or if the cause
/// is outside the checkpoints: starting over would lose the run.
pub fn newest(
    storage: &impl Storage,
    run: &RunDir,
) -> Result<(Option<Content>, Vec<String>), Error> {
    let mut reasons = Vec::new();
    let steps = steps(storage, run).map_err(unlisted(run))?;
    // An unreadable `names.json` says nothing about the checkpoints that are here.
    let named = run.names(storage).ok().and_then(|names| names.last);
    if let (Some(named), Some(&newest)) = (named, steps.last())
        && named > newest
    {
        reasons.push(format!(
            "checkpoint {named}, which names.json names, is missing"
        ));
    }
    for step in steps.into_iter().rev() {
        match read(storage, &run.checkpoint(step)) {
            Ok(content) => return Ok((Some(content), reasons)),
            Err(error @ (Error::Damaged { .. } | Error::Format { .. })) => {
                reasons.push(error.to_string());
            }
            Err(Error::Io { source, .. }) if is_read_failure(&source) => {
                reasons.push(format!("cannot read checkpoint {step}: {source}"));
            }
            Err(error) => return Err(error),
        }
    }
    if !reasons.is_empty() {
        return Err(Error::None { reasons });
    }
    let unread = |source| Error::Io {
        doing: "reading names.json beside",
        path: run.checkpoints(),
        source,
    };
    match run.names(storage).map_err(unread)?.last {
        Some(step) => Err(gone(storage, run, "names.json knows", step)),
        None => Ok((None, reasons)),
    }
}

/// The error for a missing checkpoint that the log or `names.json` names.
pub fn gone(storage: &impl Storage, run: &RunDir, named_by: &'static str, step: u64) -> Error {
    let path = run.checkpoints();
    let found = if storage.exists(&path) {
        "holds none"
    } else {
        "is not there"
    };
    Error::Gone {
        named_by,
        step,
        path,
        found,
    }
}

/// Moves all checkpoints of a run aside before it starts over; removes nothing. Returns the folder's name, none if there was no
/// checkpoint. The caller must hold the run's lock.
pub fn put_aside(storage: &impl Storage, run: &RunDir) -> io::Result<Option<String>> {
    // Remove it first, so that it never names a missing checkpoint.
    match storage.remove_file(&run.path().join("names.json")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    if !storage.exists(&run.checkpoints()) {
        // A dangling link would block new checkpoints.
        let _ = storage.remove_file(&run.checkpoints());
        return Ok(None);
    }
    let mut candidates = (1_u32..).map(|number| format!("ckpt.before-{number}"));
    let name = candidates.find(|name| !storage.exists(&run.path().join(name)));
    let name = name.ok_or(io::ErrorKind::AlreadyExists)?;
    storage.rename(&run.checkpoints(), &run.path().join(&name))?;
    storage.sync_dir(run.path())?;
    Ok(Some(name))
}

/// The best checkpoint, as the newest one names it; none for a run that has not saved yet. Reads the newest whole: only an
/// intact one names the best.
pub fn best(storage: &impl Storage, run: &RunDir) -> Result<Option<Content>, Error> {
    let (newest, _) = newest(storage, run)?;
    match newest.as_ref().and_then(|newest| {
        newest
            .state
            .best_step
            .filter(|step| *step != newest.state.step)
    }) {
        Some(step) => read(storage, &run.checkpoint(step)).map(Some),
        None => Ok(newest),
    }
}

/// Reads a checkpoint and checks every byte of it against its manifest.
pub fn read(storage: &impl Storage, folder: &Path) -> Result<Content, Error> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let step = name
        .strip_prefix("step-")
        .and_then(|step| step.parse().ok());
    let step = step.ok_or_else(|| Error::Damaged {
        path: folder.to_path_buf(),
        what: "its folder is not named step-N".to_owned(),
    })?;
    read_step(storage, folder, step)
}

/// As [`read`]: the checkpoint of a step, in a folder of any name.
fn read_step(storage: &impl Storage, folder: &Path, step: u64) -> Result<Content, Error> {
    let damaged = |what: String| Error::Damaged {
        path: folder.to_path_buf(),
        what,
    };
    let bytes = |name: &str| match storage.read(&folder.join(name)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && storage.exists(folder) => {
            Err(damaged(format!("{name} is missing")))
        }
        other => other.map_err(|source| Error::Io {
            doing: "reading",
            path: folder.to_path_buf(),
            source,
        }),
    };
    let manifest: Manifest = serde_json::from_slice(&bytes(MANIFEST)?)
        .map_err(|error| damaged(format!("{MANIFEST}: {error}")))?;
    if manifest.format != FORMAT {
        return Err(Error::Format {
            path: folder.to_path_buf(),
            found: manifest.format,
        });
    }
    let file = |name: &str| {
        let expected = manifest
            .files
            .get(name)
            .ok_or_else(|| damaged(format!("{MANIFEST} does not list {name}")))?;
        let bytes = bytes(name)?;
        let found = Entry::of(&bytes);
        if found == *expected {
            Ok(bytes)
        } else {
            Err(damaged(format!(
                "{name} differs from what was saved: {found:?} instead of {expected:?}"
            )))
        }
    };
    let state: State = serde_json::from_slice(&file(STATE)?)
        .map_err(|error| damaged(format!("{STATE}: {error}")))?;
    if state.step != step || manifest.step != step {
        return Err(damaged(format!(
            "folder, {STATE} and {MANIFEST} name different steps: {step}, {} and {}",
            state.step, manifest.step
        )));
    }
    Ok(Content {
        state,
        model: file(MODEL)?,
        optimizer: file(OPTIMIZER)?,
    })
}
