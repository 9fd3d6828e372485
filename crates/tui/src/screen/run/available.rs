//! Commands on charts and on the log.

use crate::command::{Command, LogCommand};
use crate::model::{Model, Screen};

pub(crate) fn chart(model: &Model) -> Option<String> {
    let none = model
        .run()
        .is_none_or(|run| run.state.epochs.is_empty() && run.state.batches.is_empty());
    none.then(|| "there are no figures yet".to_owned())
}

pub(crate) fn log(model: &Model, command: LogCommand) -> Option<String> {
    let Screen::Run(view) = &model.open else {
        return Some("no log is open".to_owned());
    };
    let searches_again = matches!(command, LogCommand::Before | LogCommand::After);
    (searches_again && view.searched.is_none()).then(|| {
        let find = model.key_hint(Command::Log(LogCommand::Find), "starts a search");
        format!("nothing is searched for yet{find}")
    })
}
