//! What a user does to the queue besides adding runs: order, limit, pause.

use std::path::Path;

use anyhow::Context as _;

use crate::launcher;
use crate::queue::{Failed, Move, Queue};
use crate::run::{RunDir, RunId};

use super::folder::{discard_if_never_started, unwritable};
use super::start::advance;
use crate::failure::{Failure, Kind};
use crate::worker::programs;

/// Why the queue is paused if nobody gave another reason.
pub const BY_HAND: &str = "by hand";

/// Moves a waiting run; returns its new position, from 1.
pub fn shift(root: &Path, run: &RunId, to: Move) -> anyhow::Result<usize> {
    let queue = Queue::new(root);
    if !queue
        .shift(run, to)
        .map_err(|error| unwritable(root, &error))?
    {
        return Err(not_waiting(run).into());
    }
    queue
        .content()
        .map_err(|error| unwritable(root, &error))?
        .position(run)
        // Another process may just have started it.
        .ok_or_else(|| not_waiting(run).into())
}

/// Asks the cluster that has a run to start it before the user's other jobs.
pub fn put_first(root: &Path, run: &RunId) -> anyhow::Result<()> {
    let info = RunDir::of(root, run).info();
    let info = info.with_context(|| format!("run {run} is not put first"))?;
    let worker = info.worker.ok_or_else(|| not_waiting(run))?;
    let asked = launcher::of_worker(&worker).put_first(&worker);
    asked.map_err(|error| match error.downcast::<Failure>() {
        Ok(failure) => failure.into(),
        Err(error) => anyhow::anyhow!("run {run} is not put first: {error}"),
    })
}

/// Takes a waiting run out; deletes its folder if it had never started.
pub fn remove(root: &Path, run: &RunId) -> anyhow::Result<()> {
    if !Queue::new(root)
        .remove(run)
        .map_err(|error| unwritable(root, &error))?
    {
        return Err(not_waiting(run).into());
    }
    discard_if_never_started(&RunDir::of(root, run));
    Ok(())
}

/// Pauses the queue: no more runs start until [`unpause`]; started runs continue.
pub fn pause(root: &Path) -> anyhow::Result<()> {
    Queue::new(root)
        .pause(BY_HAND)
        .map_err(|error| unwritable(root, &error).into())
}

/// Unpauses the queue, and starts what can start. Returns the failures.
pub fn unpause(root: &Path) -> anyhow::Result<Vec<Failed>> {
    // Without a worker nothing changes.
    programs()?;
    Queue::new(root)
        .unpause()
        .map_err(|error| unwritable(root, &error))?;
    advance(root)
}

/// Sets how many runs a device takes at a time, and starts what can start. A lower number stops no run.
pub fn set_slots(root: &Path, slots: u32) -> anyhow::Result<Vec<Failed>> {
    // Without a worker nothing changes.
    programs()?;
    Queue::new(root)
        .set_slots(slots)
        .map_err(|error| unwritable(root, &error))?;
    advance(root)
}

fn not_waiting(run: &RunId) -> Failure {
    Failure::new(Kind::Input, format!("run {run} does not wait in the queue")).help(format!(
        "`warmstart queue` lists the runs that wait; `warmstart stop {run}` stops a run that was started"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_names_the_run_that_cannot_be_put_first() {
        let root = tempfile::tempdir().unwrap();
        let run: RunId = "gone".parse().unwrap();
        let error = put_first(root.path(), &run).unwrap_err();
        assert!(error.to_string().contains(run.as_str()), "{error:#}");
    }
}
