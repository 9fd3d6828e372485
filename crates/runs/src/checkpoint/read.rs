//! Finding and reading checkpoints. Every byte is checked against the manifest.

use std::io;
use std::path::Path;

use rustix::io::Errno;

use super::format::{
    Content, Entry, Error, FORMAT, MANIFEST, MODEL, Manifest, OPTIMIZER, STATE, Version,
};
use super::state::State;
use crate::run::{RunDir, reason};
use crate::storage::Storage;

/// Whether the error is EIO: the disk cannot read the data.
pub(super) fn is_read_failure(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::IO.raw_os_error())
}

/// Turns the error of listing a run's checkpoints into [`Error`].
pub(super) fn unlisted(run: &RunDir) -> impl Fn(io::Error) -> Error {
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
    let step_of = |name: &String| {
        let step = name.strip_prefix("step-")?.parse().ok()?;
        // `step-12` may be a copy that a person made of `step-00000012`.
        run.checkpoint(step).ends_with(name).then_some(step)
    };
    let mut steps: Vec<u64> = names.iter().filter_map(step_of).collect();
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
        return Err(Error::NoneReadable { reasons });
    }
    let unread = |source| Error::Io {
        doing: "reading names.json beside",
        path: run.checkpoints(),
        source,
    };
    match run.names(storage).map_err(unread)?.last {
        Some(step) => Err(missing(storage, run, "names.json knows", step)),
        None => Ok((None, reasons)),
    }
}

/// The error for a missing checkpoint that the log or `names.json` names.
pub fn missing(storage: &impl Storage, run: &RunDir, named_by: &'static str, step: u64) -> Error {
    let path = run.checkpoints();
    let found = match storage.exists(&path) {
        Ok(true) => "holds none",
        Ok(false) => "is not there",
        Err(_) => "cannot be read",
    };
    Error::Missing {
        named_by,
        step,
        path,
        found,
    }
}

/// How often [`best`] reads again while the run's worker replaces checkpoints.
const AGAIN: usize = 10;

/// The best checkpoint, as the newest one names it; none for a run that has not saved yet. Reads the newest whole: only an
/// intact one names the best. The caller needs no lock: if a worker removes what is being read, the newer ones are read.
pub fn best(storage: &impl Storage, run: &RunDir) -> Result<Option<Content>, Error> {
    let listed = || steps(storage, run).map_err(unlisted(run));
    for _ in 0..AGAIN {
        let before = listed()?;
        let found = best_of_listed(storage, run);
        if found.is_ok() || listed()? == before {
            return found;
        }
    }
    best_of_listed(storage, run)
}

fn best_of_listed(storage: &impl Storage, run: &RunDir) -> Result<Option<Content>, Error> {
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

/// The error of reading one of a checkpoint's files as [`Error`].
pub(super) fn unreadable(
    storage: &impl Storage,
    folder: &Path,
    name: &str,
    source: io::Error,
) -> Error {
    let path = folder.to_path_buf();
    let is_missing = source.kind() == io::ErrorKind::NotFound;
    let source = match is_missing.then(|| storage.exists(folder)) {
        Some(Ok(true)) => {
            let what = format!("{name} is missing");
            return Error::Damaged { path, what };
        }
        Some(Err(error)) => error,
        Some(Ok(false)) | None => source,
    };
    Error::Io {
        doing: "reading",
        path,
        source,
    }
}

/// As [`read`]: the checkpoint of a step, in a folder of any name.
pub(super) fn read_step(
    storage: &impl Storage,
    folder: &Path,
    step: u64,
) -> Result<Content, Error> {
    let damaged = |what: String| Error::Damaged {
        path: folder.to_path_buf(),
        what,
    };
    let bytes = |name: &str| {
        storage
            .read(&folder.join(name))
            .map_err(|error| unreadable(storage, folder, name, error))
    };
    let text = bytes(MANIFEST)?;
    let unparsed =
        |name: &str, error: serde_json::Error| damaged(format!("{name}: {}", reason(&error)));
    let not_a_manifest = |error| unparsed(MANIFEST, error);
    // The manifest of another version may have other fields, so its format is read alone first.
    let Version { format } = serde_json::from_slice(&text).map_err(not_a_manifest)?;
    if format != FORMAT {
        return Err(Error::Format {
            path: folder.to_path_buf(),
            found: format,
        });
    }
    let manifest: Manifest = serde_json::from_slice(&text).map_err(not_a_manifest)?;
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
            Err(damaged(format!("{name} {}", found.difference(expected))))
        }
    };
    let state: State =
        serde_json::from_slice(&file(STATE)?).map_err(|error| unparsed(STATE, error))?;
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
