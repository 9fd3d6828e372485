//! Commands on the list of experiments and runs.

use warmstart_runs::run::RunId;
use warmstart_runs::trash;

use crate::command::{Command, ListCommand, TrainingCommand};
use crate::model::{Kind, Model, Screen, Target};

pub(crate) fn refusal(model: &Model, command: ListCommand) -> Option<String> {
    let no_run = || {
        model
            .targets()
            .is_empty()
            .then(|| "there is no run here".to_owned())
    };
    match command {
        ListCommand::Mark | ListCommand::Tag | ListCommand::Note | ListCommand::Archive => no_run(),
        ListCommand::MarkAll => (0..)
            .map_while(|index| model.entry(index))
            .all(|entry| entry.run.is_none())
            .then(|| "there is no run here to mark".to_owned()),
        ListCommand::Delete => no_run().or_else(|| deletion_refusal(model)),
        ListCommand::Undo => model
            .undo
            .is_empty()
            .then(|| "there is nothing to undo".to_owned()),
        ListCommand::Expand => expandable(model).err(),
        ListCommand::Flat | ListCommand::Archived | ListCommand::Columns | ListCommand::New => None,
    }
}

/// Why the runs cannot be deleted, and the key that helps.
fn deletion_refusal(model: &Model) -> Option<String> {
    let obstacle = trash::obstacle(&model.runs, &target_ids(model))?;
    let hint = obstacle.stop.map_or_else(String::new, |(_, effect)| {
        model.key_hint(Command::Training(TrainingCommand::Stop), effect)
    });
    Some(obstacle.what + &hint)
}

/// The marked runs, or the selected one.
pub(crate) fn target_ids(model: &Model) -> Vec<RunId> {
    model
        .targets()
        .into_iter()
        .map(|run| run.id.clone())
        .collect()
}

/// The file of the selected experiment, if it has runs.
pub(crate) fn expandable(model: &Model) -> Result<std::path::PathBuf, String> {
    let entry = model
        .selected_entry()
        .filter(|entry| entry.kind != Kind::Run);
    let file = entry.as_ref().and_then(|entry| entry.file);
    let file = file.ok_or_else(|| match (&model.open, model.selected_entry()) {
        (Screen::Experiments(list), _) if list.flat => {
            let show = Command::List(ListCommand::Flat);
            let show = model.key_hint(show, "shows experiments, each with its runs");
            format!("this is the list of all runs{show}")
        }
        (_, Some(_)) => {
            "this run has no experiment file here, so no other run is below it".to_owned()
        }
        (_, None) => "nothing is selected".to_owned(),
    })?;
    if !model.has_run(file) {
        return Err(format!("{} has no run yet", file.label()));
    }
    Ok(file.path.clone())
}

/// The experiment to compare: the file, or the experiment that the run was launched with.
pub(crate) fn difference_target(model: &Model) -> Option<Target> {
    let run = || model.run().map(|run| Target::Run(run.id.clone()));
    match (&model.open, model.selected_entry()) {
        (Screen::Experiments(_), Some(entry)) if entry.kind == Kind::Experiment => entry
            .file
            .map(|file| Target::Experiment(file.path.clone()))
            .or_else(run),
        _ => run(),
    }
}
