//! Whether a run uses its machine well, and whether its progress is saved.

use warmstart_schema::event::{Epoch, Level, Phase};
use warmstart_schema::state::{Liveness, Status};

use super::{Action, Alert, Hint, alert};
use crate::format::{bytes, duration};
use warmstart_runs::store::Run;

/// From this share of the training time on, from 0 to 1, waiting for images slows training down.
const WAITS: f64 = 0.3;
/// A GPU that is busy for less than this percentage of the time could do more, and the number of samples that show it.
const BUSY: (f64, usize) = (40.0, 15);
/// Seconds without a checkpoint after which to warn.
const UNSAFE: f64 = 40.0 * 60.0;
/// The disk must have room for this many checkpoints, and at least for this many bytes.
const ROOM: (u64, u64) = (3, 1_000_000_000);

fn trains(run: &Run) -> bool {
    matches!(
        run.status(),
        Status::Active(Phase::Training | Phase::Validating | Phase::Saving)
    )
}

/// A device that waits: for images, if steps waited for them; else for more work.
pub(super) fn idle(run: &Run, _: f64, _: Hint<'_>) -> Option<Alert> {
    if !trains(run) {
        return None;
    }
    let wait = newest_epoch(run)
        .and_then(|epoch| epoch.data_wait)
        .filter(|wait| *wait >= WAITS);
    if let Some(wait) = wait {
        let text = format!(
            "the device is idle {:.0} % of the step, waiting for pictures: store them nearer to input.resize, or give the run \
             more threads",
            wait * 100.0
        );
        return alert(Level::Warning, text);
    }
    let (busy, least) = BUSY;
    let samples = &run.state.samples;
    // While data is loaded, a GPU has nothing to do.
    let began = training_began(run)?;
    let recent: Vec<f64> = samples[samples.len().saturating_sub(least)..]
        .iter()
        .filter(|sample| sample.t >= began)
        .filter_map(|sample| sample.system.gpu)
        .collect();
    let mean = recent.iter().sum::<f64>() / recent.len().max(1) as f64;
    (recent.len() == least && mean < busy).then(|| {
        let idle = 100.0 - mean;
        let help = "a larger train.batch_size gives it more to do at once";
        alert(
            Level::Warning,
            format!("the GPU is idle {idle:.0} % of the time: {help}"),
        )
    })?
}

/// The step that the newest attempt began at.
fn first_step(run: &Run) -> u64 {
    let attempt = run.state.attempt.as_ref();
    attempt
        .and_then(|attempt| attempt.resumed_from)
        .unwrap_or(0)
}

/// The newest epoch, if the newest attempt has ended it: an earlier one may have had fewer threads, or another machine.
fn newest_epoch(run: &Run) -> Option<&Epoch> {
    // After a start over, earlier epochs stay until there is a new one. Their moments do not.
    let reached = run.state.moments.last()?.step;
    let epoch = run.state.epochs.last()?;
    (epoch.step > first_step(run) && epoch.step <= reached).then_some(epoch)
}

/// When the newest attempt logged its first step, in seconds since the Unix epoch; none before.
fn training_began(run: &Run) -> Option<f64> {
    let resumed = first_step(run);
    let mut moments = run.state.moments.iter();
    moments
        .find(|moment| moment.step > resumed)
        .map(|moment| moment.t)
}

/// Training progress that no checkpoint holds. `now` is in seconds since the Unix epoch.
pub(super) fn unsaved(run: &Run, now: f64, hint: Hint<'_>) -> Option<Alert> {
    if !trains(run) {
        return None;
    }
    // The time between two attempts was no training.
    let began = training_began(run)?;
    let saved = run
        .state
        .checkpoint
        .as_ref()
        .map_or(began, |(t, _)| t.max(began));
    let age = now - saved;
    (age >= UNSAFE).then(|| {
        let stop = hint(Action::Stop, "saves and stops");
        let text = format!(
            "no checkpoint for {}: a crash would lose that work{stop}; train.checkpoint.every_minutes saves more often",
            duration(age)
        );
        alert(Level::Warning, text)
    })?
}

/// A worker that makes progress without a heartbeat.
pub(super) fn heartbeat_lost(run: &Run, _: f64, hint: Hint<'_>) -> Option<Alert> {
    let is_running = run.status().is_live() && run.liveness == Liveness::HeartbeatLost;
    is_running.then(|| {
        let help = "a hang would look like a long step until the run is stopped and resumed";
        let keys = hint(Action::Stop, "stops it") + &hint(Action::Resume, "then resumes it");
        alert(
            Level::Warning,
            format!("it makes progress, but its heartbeat has stopped: {help}{keys}"),
        )
    })?
}

/// A disk that may lack the room for the next checkpoint.
pub(super) fn nearly_full(run: &Run, _: f64, _: Hint<'_>) -> Option<Alert> {
    let free = run
        .state
        .system
        .as_ref()
        .and_then(|system| system.disk_free)
        .filter(|_| run.status().is_live())?;
    let (checkpoints, least) = ROOM;
    let one = run
        .state
        .checkpoint
        .as_ref()
        .map_or(0, |(_, checkpoint)| checkpoint.bytes);
    (free < least.max(one.saturating_mul(checkpoints))).then(|| {
        let help = "delete runs that are no longer needed, or the next checkpoint may not fit";
        alert(
            Level::Warning,
            format!("the disk is nearly full, {} are left: {help}", bytes(free)),
        )
    })?
}
