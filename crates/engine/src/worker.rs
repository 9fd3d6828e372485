//! One run from its folder: lock it, prepare, train, log the end, start the next in the queue.

mod attempt;
mod context;
mod dataset;
mod resume;
mod setup;
mod weights_file;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use warmstart_runs::event_log::EventReader;
use warmstart_runs::launch::{self, Programs};
use warmstart_runs::process::{Identity, ProcessControl};
use warmstart_runs::queue::Queue;
use warmstart_runs::run::{RunDir, RunInfo, RunLock};
use warmstart_schema::state::{Outcome, RunState};

use self::attempt::attempt;
pub use self::context::Options;
use self::context::doing;
use crate::heartbeat::Heartbeat;
use crate::interrupt::Interrupt;
use crate::report::log;

/// Dashboards look at the lock by taking it for a moment; an owner holds it for longer than this.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);

/// Carries out the run in `folder` until it ends or is interrupted. False when it failed.
pub fn run(folder: &Path, options: Options, interrupt: &Interrupt) -> Result<bool> {
    let run = RunDir::new(folder);
    let info = run
        .info()
        .with_context(|| format!("{} is not a run folder", folder.display()))?;
    let Some(lock) = take(&run)? else {
        return Err(anyhow!(
            "another worker has run {}: stop it first, or look at it in the dashboard",
            info.id
        ));
    };
    let before = history(&run)?;
    if matches!(before.outcome, Some(Outcome::Finished { .. })) && !before.awaits_change {
        log::line("this run is finished; there is nothing to resume");
        return Ok(true);
    }
    let info = RunInfo {
        worker: Some(Identity::current()),
        ..info
    };
    run.write_info(&info)
        .with_context(doing("writing", &run, "run.json"))?;
    let heartbeat = Heartbeat::start(&run);
    let succeeded = attempt(&run, &info, &before, options, interrupt)?;
    drop(heartbeat);
    drop(lock);
    if !has_monitor() {
        start_next(&run, &info);
    }
    Ok(succeeded)
}

/// Whether a monitor waits for this process to end, and then starts the next run.
fn has_monitor() -> bool {
    let monitor = std::env::var(launch::MONITORED_BY)
        .ok()
        .and_then(|pid| pid.parse::<u32>().ok());
    monitor.is_some_and(|pid| pid == std::os::unix::process::parent_id())
}

fn take(run: &RunDir) -> Result<Option<RunLock>> {
    let deadline = Instant::now() + LOCK_PATIENCE;
    loop {
        match run.lock().with_context(doing("locking", run, "run.lock"))? {
            None if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(20)),
            other => return Ok(other),
        }
    }
}

/// The state after the earlier attempts.
fn history(run: &RunDir) -> Result<RunState> {
    let (mut reader, mut state) = (EventReader::new(run.events()), RunState::default());
    loop {
        let poll = reader
            .poll()
            .with_context(doing("reading", run, "events.jsonl"))?;
        poll.records
            .into_iter()
            .for_each(|record| state.apply(record));
        if !poll.more {
            return Ok(state);
        }
    }
}

/// Starts what waits in the queue now that this run's place is free.
fn start_next(run: &RunDir, info: &RunInfo) {
    let Some(root) = run.path().parent() else {
        return;
    };
    let next = Programs::find()
        .map_err(|_| std::io::Error::other("the training program is no longer where it was"))
        .and_then(|programs| Queue::new(root).advance(&programs, Some(&info.id)));
    match next {
        Ok(advance) => {
            for (run, error) in advance.failed {
                log::line(&format!("run {run} could not be started: {error}"));
            }
        }
        Err(error) => log::line(&format!("the queue could not be read: {error}")),
    }
}
