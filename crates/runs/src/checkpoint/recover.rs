//! Ending interrupted saves, and putting checkpoints aside before a run starts over.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use super::format::Error;
use super::read::{is_read_failure, read_step, unlisted};
use crate::run::RunDir;
use crate::storage::Storage;

/// A folder of `run` that holds a checkpoint under another name: `new` until it is in place, `old` while another replaces it.
pub(super) fn temporary(run: &RunDir, step: u64, suffix: &str) -> PathBuf {
    run.checkpoints().join(format!(".step-{step:08}.{suffix}"))
}

/// Ends interrupted saves. If a checkpoint is missing or damaged and an intact copy of it lies aside, the copy becomes the
/// checkpoint. Removes all other copies, except one that the disk cannot read now while no intact checkpoint is in its place. The
/// caller must hold the run's lock.
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

/// As [`recover()`], for the step that is saved next: then no copy of it stays.
pub(super) fn clear_step(storage: &impl Storage, run: &RunDir, step: u64) -> Result<(), Error> {
    recover_step(storage, run, step)?;
    remove(storage, run, step, &copies(storage, run, step)?)
}

fn recover_step(storage: &impl Storage, run: &RunDir, step: u64) -> Result<(), Error> {
    let found = copies(storage, run, step)?;
    if found.is_empty() {
        return Ok(());
    }
    let target = run.checkpoint(step);
    let mut unreadable = Vec::new();
    let mut is_intact = condition(storage, &target, step)? == Condition::Intact;
    if !is_intact {
        for copy in found {
            match condition(storage, &copy, step)? {
                Condition::Intact => {
                    promote(storage, &copy, &target).map_err(failed(run, step))?;
                    is_intact = true;
                    break;
                }
                Condition::Unreadable => unreadable.push(copy),
                Condition::Lost => {}
            }
        }
    }
    // The checkpoint must be durable under its name before its copies go.
    storage
        .sync_dir(&run.checkpoints())
        .map_err(failed(run, step))?;
    let mut left = copies(storage, run, step)?;
    if !is_intact {
        // One of them may be all that is left of the step, and a server may only be gone for a while.
        left.retain(|copy| !unreadable.contains(copy));
    }
    remove(storage, run, step, &left)
}

/// The copies of a step that lie aside. `old` comes first: it was a checkpoint, `new` perhaps never.
fn copies(storage: &impl Storage, run: &RunDir, step: u64) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    for copy in ["old", "new"].map(|suffix| temporary(run, step, suffix)) {
        if storage.exists(&copy).map_err(failed(run, step))? {
            found.push(copy);
        }
    }
    Ok(found)
}

fn remove(
    storage: &impl Storage,
    run: &RunDir,
    step: u64,
    copies: &[PathBuf],
) -> Result<(), Error> {
    copies
        .iter()
        .try_for_each(|copy| storage.remove_dir(copy))
        .map_err(failed(run, step))
}

fn failed(run: &RunDir, step: u64) -> impl Fn(io::Error) -> Error {
    let path = run.checkpoint(step);
    move |source| Error::Io {
        doing: "recovering",
        path: path.clone(),
        source,
    }
}

/// What a folder holds of a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Condition {
    Intact,
    /// It is missing, or is not what was saved.
    Lost,
    /// The disk cannot read it now.
    Unreadable,
}

/// The condition of the checkpoint of that step in `folder`. It is an error if that cannot be found out.
fn condition(storage: &impl Storage, folder: &Path, step: u64) -> Result<Condition, Error> {
    match read_step(storage, folder, step) {
        Ok(_) => Ok(Condition::Intact),
        Err(Error::Damaged { .. }) => Ok(Condition::Lost),
        Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Ok(Condition::Lost)
        }
        Err(Error::Io { source, .. }) if is_read_failure(&source) => Ok(Condition::Unreadable),
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
    if storage.exists(target)? {
        storage.remove_dir(target)?;
    }
    storage.rename(copy, target)
}

/// Moves all checkpoints of a run aside before it starts over; removes nothing. Returns the folder's name, none if there was no
/// checkpoint. The caller must hold the run's lock.
pub fn put_aside(storage: &impl Storage, run: &RunDir) -> io::Result<Option<String>> {
    let has_some = storage.exists(&run.checkpoints())?;
    // Remove it first, so that it never names a missing checkpoint.
    match storage.remove_file(&run.path().join("names.json")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    if !has_some {
        // A dangling link would block new checkpoints.
        let _ = storage.remove_file(&run.checkpoints());
        return Ok(None);
    }
    let mut number = 1_u32;
    let mut name = format!("ckpt.before-{number}");
    while storage.exists(&run.path().join(&name))? {
        number += 1;
        name = format!("ckpt.before-{number}");
    }
    storage.rename(&run.checkpoints(), &run.path().join(&name))?;
    storage.sync_dir(run.path())?;
    Ok(Some(name))
}
