//! Applies the keys of the queue.

use warmstart_runs::queue::Move;

use crate::command::QueueCommand;
use crate::effect::{Effect, QueueChange};
use crate::model::{Model, Popup};
use warmstart_schema::state::Status;

pub(crate) fn run_command(model: &mut Model, command: QueueCommand) -> Vec<Effect> {
    let queue = model.runs.queue();
    let run = model
        .run()
        .map(|run| (run.id.clone(), run.label().to_owned()));
    let is_of_a_cluster = model
        .run()
        .is_some_and(|run| run.status() == Status::Waiting);
    let change = match (command, run) {
        (QueueCommand::Up, Some((run, label))) if is_of_a_cluster => {
            QueueChange::PutFirst { run, label }
        }
        (QueueCommand::Up, Some((run, _))) => QueueChange::Move { run, to: Move::Up },
        (QueueCommand::Down, Some((run, _))) => QueueChange::Move {
            run,
            to: Move::Down,
        },
        (QueueCommand::Remove, Some((run, label))) => {
            let lines = vec![format!("Take {label} ({run}) out of the queue?")];
            let effects = vec![Effect::Queue(QueueChange::Remove { run, label })];
            model.popup = Some(Popup::Question { lines, effects });
            return Vec::new();
        }
        (QueueCommand::Pause, _) if queue.paused.is_some() => QueueChange::Resume,
        (QueueCommand::Pause, _) => QueueChange::Pause,
        (QueueCommand::MoreSlots, _) => QueueChange::Slots(queue.slots.saturating_add(1)),
        (QueueCommand::FewerSlots, _) => QueueChange::Slots(queue.slots.saturating_sub(1)),
        (QueueCommand::Up | QueueCommand::Down | QueueCommand::Remove, None) => return Vec::new(),
    };
    vec![Effect::Queue(change)]
}
