//! What can be done to the queue beside putting runs into it: its order, its pace, and whether it moves at all.

use std::io;
use std::path::Path;

use crate::queue::{Move, Queue};
use crate::run::{RunDir, RunId};

use super::{discard_if_never_started, start, unwritable};
use crate::failure::{Failure, Kind};
use crate::worker::programs;

/// Why the queue rests when nobody gave another reason.
pub const BY_HAND: &str = "by hand";

/// Moves a waiting run; returns its place then, from 1.
pub fn shift(root: &Path, run: &RunId, to: Move) -> anyhow::Result<usize> {
    let queue = Queue::new(root);
    if !queue
        .shift(run, to)
        .map_err(|error| unwritable(root, &error))?
    {
        return Err(not_waiting(run).into());
    }
    // Started in this very moment, it has no place any more.
    queue
        .content()?
        .position(run)
        .ok_or_else(|| not_waiting(run).into())
}

/// Takes a waiting run out; its folder goes too if it had never started.
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

/// Starts nothing more until [`go_on`]; what runs goes on.
pub fn pause(root: &Path) -> anyhow::Result<()> {
    Queue::new(root)
        .pause(BY_HAND)
        .map_err(|error| unwritable(root, &error).into())
}

/// Lets the queue move again, and starts what can start. Says what could not be started.
pub fn go_on(root: &Path) -> anyhow::Result<Vec<(RunId, io::Error)>> {
    let programs = programs()?;
    Queue::new(root)
        .unpause()
        .map_err(|error| unwritable(root, &error))?;
    start(root, &programs)
}

/// How many runs a device takes at a time from now on, and starts what can start. Fewer stop nothing that runs.
pub fn set_slots(root: &Path, slots: u32) -> anyhow::Result<Vec<(RunId, io::Error)>> {
    let programs = programs()?;
    Queue::new(root)
        .set_slots(slots)
        .map_err(|error| unwritable(root, &error))?;
    start(root, &programs)
}

fn not_waiting(run: &RunId) -> Failure {
    Failure::new(Kind::Input, format!("run {run} does not wait in the queue")).help(format!(
        "`warmstart queue` lists what does; `warmstart stop {run}` stops a run that was started"
    ))
}
