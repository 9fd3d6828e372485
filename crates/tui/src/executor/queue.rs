//! Changes the queue.

use std::path::Path;

use tokio::sync::mpsc::UnboundedSender;

use super::failures::none_failed;
use crate::effect::QueueChange;
use crate::format::plural;
use crate::message::Message;
use warmstart_runs::actions::waiting;

/// Applies a change. Returns a message, or `None` if the screen shows the change.
pub(super) fn change(
    checkpoints: &Path,
    change: &QueueChange,
    messages: &UnboundedSender<Message>,
) -> anyhow::Result<Option<String>> {
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
            none_failed(&waiting::unpause(checkpoints)?, messages)?;
            "the queue is resumed".to_owned()
        }
        QueueChange::Slots(slots) => {
            none_failed(&waiting::set_slots(checkpoints, *slots)?, messages)?;
            format!(
                "a device takes {} at a time",
                plural(usize::try_from(*slots).unwrap_or(usize::MAX), "run")
            )
        }
    }))
}
