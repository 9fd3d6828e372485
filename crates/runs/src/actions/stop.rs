//! Stops runs.

use std::path::Path;

use anyhow::Context as _;
use warmstart_schema::state::Status;

use super::folder::{discard_if_never_started, unwritable};
use crate::failure::{Failure, Kind};
use crate::launcher::{self, Request};
use crate::queue::Queue;
use crate::run::RunDir;
use crate::store::Run;

/// The result of a stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// It only waited. It is out of the queue; its folder is deleted if it had never started.
    Unqueued,
    /// Its worker got the request, and logs when it has saved.
    Asked,
    /// Its worker got the request and was suspended, so it was continued too.
    Continued,
}

/// Takes a waiting run out of the queue, or asks a running one to save and exit (`now`: to exit without saving).
pub fn stop(root: &Path, run: &Run, now: bool) -> anyhow::Result<Stop> {
    let id = &run.id;
    let queue = Queue::new(root);
    let is_suspended = run.status() == Status::Suspended;
    if queue.remove(id).map_err(|error| unwritable(root, &error))? {
        discard_if_never_started(&RunDir::of(root, id));
        return Ok(Stop::Unqueued);
    }
    let active = queue
        .content()
        .map_err(|error| unwritable(root, &error))?
        .active
        .into_iter()
        .find(|active| active.entry.run == *id)
        .map(|active| active.worker)
        // The queue keeps a job as it was sent. If Slurm said its id only later, run.json has it.
        .filter(|worker| worker.job().is_none_or(|job| job.slurm_job.is_some()));
    // Read it again: a worker writes itself into run.json when it takes the run.
    let written = RunDir::of(root, id)
        .info()
        .ok()
        .and_then(|info| info.worker);
    let request = if now { Request::StopNow } else { Request::Stop };
    for worker in active.into_iter().chain(written) {
        launcher::of_worker(&worker)
            .announce(&RunDir::of(root, id))
            .map_err(|error| unwritable(root, &error))?;
        if launcher::ask(&worker, request)
            .with_context(|| format!("cannot ask the worker of run {id} to stop"))?
        {
            return Ok(if is_suspended {
                Stop::Continued
            } else {
                Stop::Asked
            });
        }
    }
    if let Some(host) = run.elsewhere() {
        let what = format!("run {id} is on another machine, {host}");
        return Err(Failure::new(Kind::Input, what)
            .help(format!("stop it there, on {host}: `warmstart stop {id}`"))
            .into());
    }
    if let Some(trouble) = run
        .trouble(0.0)
        .filter(|_| run.status() == Status::Unreadable)
    {
        return Err(
            Failure::new(Kind::Input, format!("run {id} {}", trouble.what))
                .help(trouble.help)
                .into(),
        );
    }
    let what = format!("run {id} is not running (it is {})", run.status().as_str());
    Err(Failure::new(Kind::Input, what)
        .help("only a running or waiting run can be stopped")
        .into())
}
