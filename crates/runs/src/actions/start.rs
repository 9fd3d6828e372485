//! Starts the runs of the queue that can start, and says why others could not.

use std::io;
use std::path::Path;

use super::folder::unwritable;
use crate::failure::Failure;
use crate::launcher::Programs;
use crate::queue::{Failed, Queue, Task};
use crate::run::RunId;
use crate::worker::{does_not_start, programs};

/// Starts what can start, after a worker died and could not do so. Returns the failures; the runs that did not start have them in
/// their logs too.
pub fn advance(root: &Path) -> anyhow::Result<Vec<Failed>> {
    let failed = advance_queue(root, &programs()?)?;
    for one in &failed {
        one.log(root).map_err(|error| unwritable(root, &error))?;
    }
    Ok(failed)
}

/// Starts what can start, and `id` unless it must wait.
pub(super) fn begin(root: &Path, id: &RunId, programs: &Programs) -> anyhow::Result<()> {
    let failed = start(root, programs, std::slice::from_ref(id))?;
    match failed.into_iter().next() {
        Some(Failed { error, .. }) => Err(not_started(programs, error)),
        None => Ok(()),
    }
}

/// The error of a run that did not start: the failure of its launcher, or that the worker does not start.
pub(super) fn not_started(programs: &Programs, error: io::Error) -> anyhow::Error {
    match error.downcast::<Failure>() {
        Ok(failure) => failure.into(),
        Err(error) => does_not_start(&programs.worker, &error).into(),
    }
}

/// Starts what can start. Returns the failures of the runs `own`; others have theirs in their logs.
pub(super) fn start(
    root: &Path,
    programs: &Programs,
    own: &[RunId],
) -> anyhow::Result<Vec<Failed>> {
    let is_own = |failed: &Failed| failed.task == Task::Start && own.contains(&failed.run);
    let (own, others): (Vec<_>, Vec<_>) =
        advance_queue(root, programs)?.into_iter().partition(is_own);
    for other in &others {
        other.log(root).map_err(|error| unwritable(root, &error))?;
    }
    Ok(own)
}

fn advance_queue(root: &Path, programs: &Programs) -> anyhow::Result<Vec<Failed>> {
    let advance = Queue::new(root)
        .advance(programs, None)
        .map_err(|error| unwritable(root, &error))?;
    for (_, started) in advance.started {
        started.reap();
    }
    Ok(advance.failed)
}
