//! One run from its folder: lock it, prepare, train, log the end, start the next in the queue.

mod attempt;
mod context;
mod dataset;
pub(crate) mod number_format;
mod rank;
mod resume;
mod setup;
mod weights_file;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use warmstart_runs::launcher::{self, Programs, slurm};
use warmstart_runs::queue::Queue;
use warmstart_runs::run::{RunDir, RunInfo, RunLock};
use warmstart_schema::identity::{Handle, Job};
use warmstart_schema::state::{Outcome, RunState};

use self::attempt::attempt;
pub use self::context::Options;
use self::context::doing;
pub use self::rank::take_part;
use crate::heartbeat::Heartbeat;
use crate::interrupt::Interrupt;
use crate::worker_log;

/// Dashboards look at the lock by taking it for a moment; an owner holds it for longer than this.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);
/// The longest that Slurm may take from its notice to the end of a job.
const MAX_NOTICE: Duration = Duration::from_hours(1);
const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// The pause before a question that Slurm did not answer is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(10);

/// Trains the run in `folder` until it ends or is interrupted. False when it failed.
pub fn run(folder: &Path, options: Options, interrupt: &Interrupt) -> Result<bool> {
    let run = RunDir::new(folder);
    let info = run
        .info()
        .with_context(doing("reading", &run, "run.json"))?;
    let lock = run.lock_within(LOCK_PATIENCE);
    let Some(lock) = lock.with_context(doing("locking", &run, "run.lock"))? else {
        return Err(anyhow!(
            "another worker is training run {}: stop it first, or look at it in the dashboard",
            info.id
        ));
    };
    // Another start of the same job may have taken the run while this one waited for the lock.
    let (mut info, mut before) = recorded(&run)?;
    if is_finished(&before) {
        return leave_finished(&run, &info, lock);
    }
    let me = launcher::current();
    if let Some(job) = me.job() {
        if slurm::is_stopped(&run) {
            worker_log::line("this run was stopped; resume it to continue");
            leave_job(&run, &info, job, lock)?;
            return Ok(true);
        }
        if let Some(why) = slurm::refusal(&run, &info, &before, job) {
            return Err(anyhow!(why));
        }
        // An earlier start may have trained on, and even finished, before it fell silent.
        (info, before) = recorded(&run)?;
        if is_finished(&before) {
            return leave_finished(&run, &info, lock);
        }
    }
    let info = RunInfo {
        worker: Some(me.clone()),
        ..info
    };
    run.write_info(&info)
        .with_context(doing("writing", &run, "run.json"))?;
    let heartbeat = Heartbeat::start(&run, me.job());
    let succeeded = attempt(&run, &info, &before, options, interrupt)?;
    drop(heartbeat);
    if let Some(job) = me.job() {
        leave_job(&run, &info, job, lock)?;
        return Ok(succeeded);
    }
    drop(lock);
    if !has_monitor() {
        start_next(&run, &info);
    }
    Ok(succeeded)
}

/// What `run.json` and the log say now.
fn recorded(run: &RunDir) -> Result<(RunInfo, RunState)> {
    let info = run.info().with_context(doing("reading", run, "run.json"))?;
    let state = run
        .state()
        .with_context(doing("reading", run, "events.jsonl"))?;
    Ok((info, state))
}

/// Whether nothing is left to train, which worker.log then says.
fn is_finished(state: &RunState) -> bool {
    let is_finished =
        matches!(state.outcome, Some(Outcome::Finished { .. })) && !state.awaits_change;
    if is_finished {
        worker_log::line("this run is finished; there is nothing to resume");
    }
    is_finished
}

/// Ends a worker whose run is finished. If an earlier start of its job was killed before it gave the run back, this start does.
fn leave_finished(run: &RunDir, info: &RunInfo, lock: RunLock) -> Result<bool> {
    let owner = info.worker.as_ref().and_then(Handle::job);
    let own = launcher::current().job();
    if let Some(me) = own.filter(|me| owner.is_some_and(|owner| owner.is_same_job(*me))) {
        leave_job(run, info, me, lock)?;
    }
    Ok(true)
}

/// Ends a worker that Slurm started. If training was interrupted and no user stopped the run, Slurm interrupted it: for another
/// job, or because its time is up. Then this process waits to be killed: Slurm starts no job again that ends by itself.
fn leave_job(run: &RunDir, info: &RunInfo, me: Job, lock: RunLock) -> Result<()> {
    let state = run
        .state()
        .with_context(doing("reading", run, "events.jsonl"))?;
    let is_interrupted = matches!(state.outcome, Some(Outcome::Stopped));
    let lock = if is_interrupted && !slurm::is_stopped(run) {
        // The next start of the job takes the run.
        drop(lock);
        if wait_for_slurm(run, me, &state) == Waited::TooLong {
            worker_log::line(
                "Slurm has not ended this job within an hour; resume the run to continue",
            );
            return Ok(());
        }
        let lock = run
            .lock_within(LOCK_PATIENCE)
            .with_context(doing("locking", run, "run.lock"))?;
        let Some(lock) = lock else {
            // Another start of the job has it.
            return Ok(());
        };
        lock
    } else {
        lock
    };
    slurm::release(run).with_context(doing("writing", run, "run.json"))?;
    drop(lock);
    if slurm::can_submit() {
        start_next(run, info);
    }
    Ok(())
}

/// How the wait for Slurm ended, if Slurm did not kill this process.
#[derive(Debug, PartialEq, Eq)]
enum Waited {
    UserStopped,
    /// [`MAX_NOTICE`] has passed.
    TooLong,
}

/// Asks Slurm to start a job again whose time is up. Then waits for Slurm to kill this process.
fn wait_for_slurm(run: &RunDir, me: Job, state: &RunState) -> Waited {
    worker_log::line("saved; waiting for Slurm to end this job and to start it again");
    // Slurm does not requeue a job at its time limit, so this asks it to. A job without progress would repeat for ever.
    let mut ask_at = has_progressed(state).then(Instant::now);
    let began = Instant::now();
    while began.elapsed() < MAX_NOTICE {
        if slurm::is_stopped(run) {
            return Waited::UserStopped;
        }
        if ask_at.is_some_and(|at| at <= Instant::now()) {
            let answer = slurm::requeue_at_limit(me);
            ask_at = answer.is_none().then(|| Instant::now() + ASK_AGAIN);
            if let Some(Err(why)) = answer {
                worker_log::line(&format!(
                    "Slurm does not start this job again at its time limit: {why}"
                ));
            }
        }
        std::thread::sleep(POLL_INTERVAL);
    }
    Waited::TooLong
}

/// Whether this attempt has done steps that a checkpoint holds.
fn has_progressed(state: &RunState) -> bool {
    let begun = state
        .attempt
        .as_ref()
        .and_then(|attempt| attempt.resumed_from);
    let saved = state.checkpoint.as_ref();
    saved.is_some_and(|(_, checkpoint)| checkpoint.step > begun.unwrap_or(0))
}

/// Whether a monitor waits for this process to end, and then starts the next run.
fn has_monitor() -> bool {
    let monitor = std::env::var(launcher::MONITORED_BY)
        .ok()
        .and_then(|pid| pid.parse::<u32>().ok());
    monitor.is_some_and(|pid| pid == std::os::unix::process::parent_id())
}

/// Starts what waits in the queue now that this run's place is free.
fn start_next(run: &RunDir, info: &RunInfo) {
    let Some(root) = run.path().parent() else {
        return;
    };
    let programs = match Programs::find() {
        Ok(programs) => programs,
        Err(places) => {
            let places: Vec<String> = places
                .iter()
                .map(|place| place.display().to_string())
                .collect();
            let text = format!(
                "the queue waits for a dashboard: the programs are no longer at {}",
                places.join(", ")
            );
            return worker_log::line(&text);
        }
    };
    for failure in Queue::new(root).start_next(&programs, &info.id) {
        worker_log::line(&failure);
    }
}
