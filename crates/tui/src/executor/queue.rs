//! Changes the queue.

use std::path::Path;

use warmstart_runs::queue::Failed;

use crate::effect::QueueChange;
use crate::format::plural;
use warmstart_runs::actions::waiting;

/// Applies a change. Returns a message, or `None` if the screen shows the change.
pub(super) fn change(checkpoints: &Path, change: &QueueChange) -> anyhow::Result<Option<String>> {
    Ok(Some(match change {
        QueueChange::Move { run, to } => {
            waiting::shift(checkpoints, run, *to)?;
            return Ok(None);
        }
        QueueChange::PutFirst { run, label } => {
            waiting::put_first(checkpoints, run)?;
            format!("{label} is the first of your jobs that waits")
        }
        QueueChange::Remove { run, label } => {
            waiting::remove(checkpoints, run)?;
            format!("{label} is out of the queue")
        }
        QueueChange::Pause => {
            waiting::pause(checkpoints)?;
            "the queue is paused; running runs continue".to_owned()
        }
        QueueChange::Resume => {
            all_started(waiting::unpause(checkpoints)?)?;
            "the queue is resumed".to_owned()
        }
        QueueChange::Slots(slots) => {
            all_started(waiting::set_slots(checkpoints, *slots)?)?;
            format!(
                "a device takes {} at a time",
                plural(usize::try_from(*slots).unwrap_or(usize::MAX), "run")
            )
        }
    }))
}

/// The first failure to start a run, as an error.
pub(super) fn all_started(failed: Vec<Failed>) -> anyhow::Result<()> {
    match failed.into_iter().next() {
        Some(first) => anyhow::bail!("{first}"),
        None => Ok(()),
    }
}
