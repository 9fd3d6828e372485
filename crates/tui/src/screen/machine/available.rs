//! Commands on the queue.

use crate::command::{Command, QueueCommand};
use crate::model::Model;
use warmstart_runs::queue::MOST_SLOTS;
use warmstart_schema::state::Status;

pub(crate) fn refusal(model: &Model, command: QueueCommand) -> Option<String> {
    let queue = model.runs.queue();
    let place = || {
        let run = model.run().ok_or("nothing is selected")?;
        queue
            .position(&run.id)
            .ok_or_else(|| format!("{} does not wait in the queue", run.label()))
    };
    let waits_elsewhere = || {
        let run = model.run();
        run.is_some_and(|run| run.status() == Status::Waiting)
    };
    match command {
        QueueCommand::Up if waits_elsewhere() => None,
        QueueCommand::Down if waits_elsewhere() => {
            let up = Command::Queue(QueueCommand::Up);
            let up = model.key_hint(up, "asks for the first place of your jobs");
            Some(format!("the cluster decides the order{up}"))
        }
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
