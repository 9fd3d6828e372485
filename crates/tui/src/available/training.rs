//! Commands that launch, stop and resume runs.

use warmstart_runs::store::ExperimentFile;
use warmstart_schema::state::Status;

use crate::command::TrainingCommand;
use crate::model::{Extension, Model, Screen};

pub(super) fn refusal(model: &Model, command: TrainingCommand) -> Option<String> {
    match command {
        TrainingCommand::Launch => launchable(model).err(),
        TrainingCommand::LaunchAll => model
            .groups
            .is_empty()
            .then(|| "there is no experiment to launch".to_owned()),
        // The question lists the ones that can be stopped.
        TrainingCommand::Stop | TrainingCommand::StopNow if model.targets().len() > 1 => None,
        TrainingCommand::Stop => stop_refusal(model, false),
        TrainingCommand::StopNow => stop_refusal(model, true),
        TrainingCommand::Resume => resume_refusal(model),
    }
}

fn stop_refusal(model: &Model, now: bool) -> Option<String> {
    let Some(run) = model.run() else {
        return Some("nothing to stop: no run yet".to_owned());
    };
    match run.status() {
        Status::Stopping if now => None,
        Status::Stopping => Some(format!(
            "{} is stopping already; S stops it without saving",
            run.label()
        )),
        status if status.is_live() || matches!(status, Status::Queued(_)) => None,
        status => Some(format!(
            "nothing to stop: {} is {}",
            run.label(),
            status.as_str()
        )),
    }
}

fn resume_refusal(model: &Model) -> Option<String> {
    let Some(run) = model.run() else {
        return Some("nothing to resume: no run yet".to_owned());
    };
    match run.status() {
        Status::Finished => Extension::of(run).err(),
        status if status.is_resumable() => None,
        Status::Queued(_) if model.live().next().is_none() => None,
        Status::Unreadable => run
            .trouble(model.now)
            .map(|trouble| format!("{} {}", run.label(), trouble.what)),
        status => Some(format!(
            "nothing to resume: {} is {}",
            run.label(),
            status.as_str()
        )),
    }
}

/// The experiment that a launch would start here.
pub(crate) fn launchable(model: &Model) -> Result<&ExperimentFile, String> {
    let file = experiment_file(model)?;
    match file.loaded {
        Ok(_) => Ok(file),
        Err(_) => Err(format!("{}.yaml has a mistake; enter shows it", file.stem)),
    }
}

/// The experiment file that keys act on.
pub(crate) fn experiment_file(model: &Model) -> Result<&ExperimentFile, String> {
    match &model.open {
        Screen::Experiments(_) => match model.selected_entry() {
            Some(entry) => entry.file.ok_or_else(|| {
                format!(
                    "{} has no experiment file here; u resumes its run",
                    entry.label()
                )
            }),
            None => Err("nothing is selected".to_owned()),
        },
        Screen::Run(_) | Screen::Compare(_) | Screen::Machine(_) | Screen::Dataset(_) => {
            let run = model.run().ok_or("this run's experiment is not known")?;
            let stem = run.stem().ok_or("this run's experiment is not known")?;
            let files = model
                .catalogue
                .as_ref()
                .map_or(&[][..], |catalogue| &catalogue.files);
            model
                .runs
                .file_of(run, files)
                .ok_or_else(|| format!("{stem}.yaml is not in the experiments folder"))
        }
    }
}
