//! What keys do to the queue: its order, its pace, and whether it moves at all.

use warmstart_runs::queue::Move;

use crate::effect::{Effect, QueueChange};
use crate::message::QueueCommand;
use crate::model::{Model, Popup};

/// Runs that a device may take at a time at most.
const MOST_SLOTS: u32 = 64;

/// Why a command of the queue can do nothing here and now.
pub fn refusal(model: &Model, command: QueueCommand) -> Option<String> {
    let queue = model.runs.queue();
    let place = || {
        let run = model.run().ok_or("nothing is selected")?;
        queue
            .position(&run.id)
            .ok_or_else(|| format!("{} does not wait in the queue", run.label()))
    };
    match command {
        QueueCommand::Up | QueueCommand::Down => match place() {
            Err(reason) => Some(reason),
            Ok(1) if command == QueueCommand::Up => Some("it is the first that waits".to_owned()),
            Ok(place) if command == QueueCommand::Down && place == queue.waiting.len() => {
                Some("it is the last that waits".to_owned())
            }
            Ok(_) => None,
        },
        QueueCommand::Remove => place().err(),
        QueueCommand::FewerSlots => {
            (queue.slots <= 1).then(|| "a device takes one run at a time".to_owned())
        }
        QueueCommand::MoreSlots => (queue.slots >= MOST_SLOTS)
            .then(|| format!("a device takes {MOST_SLOTS} runs at a time at most")),
        QueueCommand::Pause => None,
    }
}

pub fn change(model: &mut Model, command: QueueCommand) -> Vec<Effect> {
    let queue = model.runs.queue();
    let run = model
        .run()
        .map(|run| (run.id.clone(), run.label().to_owned()));
    let change = match (command, run) {
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
        (QueueCommand::Pause, _) if queue.paused.is_some() => QueueChange::GoOn,
        (QueueCommand::Pause, _) => QueueChange::Pause,
        (QueueCommand::MoreSlots, _) => QueueChange::Slots(queue.slots.saturating_add(1)),
        (QueueCommand::FewerSlots, _) => QueueChange::Slots(queue.slots.saturating_sub(1)),
        (QueueCommand::Up | QueueCommand::Down | QueueCommand::Remove, None) => return Vec::new(),
    };
    vec![Effect::Queue(change)]
}
