//! Commands that launch, stop and resume runs.

use warmstart_runs::store::ExperimentFile;
use warmstart_schema::state::Status;

use crate::command::{Command, QueueCommand, TrainingCommand};
use crate::format;
use crate::model::{Extension, Model, Screen};

pub(super) fn refusal(model: &Model, command: TrainingCommand) -> Option<String> {
    match command {
        TrainingCommand::Launch => launchable(model).err(),
        TrainingCommand::LaunchAll => model.files().is_empty().then(|| {
            unread(model).unwrap_or_else(|| "there is no experiment to launch".to_owned())
        }),
        TrainingCommand::Stop => stop_refusal(model, false),
        TrainingCommand::StopNow => stop_refusal(model, true),
        TrainingCommand::Resume => resume_refusal(model),
    }
}

fn stop_refusal(model: &Model, now: bool) -> Option<String> {
    let run = match model.targets()[..] {
        [] => return Some(format!("nothing to stop: {}", no_run(model))),
        [run] => run,
        // The question lists the ones that can be stopped.
        _ => return None,
    };
    match run.status() {
        Status::Stopping if now => None,
        Status::Stopping => {
            let now = model.key_hint(
                Command::Training(TrainingCommand::StopNow),
                "stops it without saving",
            );
            Some(format!("{} is stopping already{now}", run.label()))
        }
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
        return Some(format!("nothing to resume: {}", no_run(model)));
    };
    match run.status() {
        Status::Finished => Extension::of(run).err(),
        status if status.is_resumable() => None,
        // Its group has decided that it continues.
        Status::Paused if run.round().is_none() => None,
        // Nothing runs that would start it at its end: resuming starts the queue.
        Status::Queued(_) if model.live().next().is_none() => {
            let paused = model.runs.queue().paused.as_ref();
            paused.map(|reason| {
                let resume =
                    model.key_hint(Command::Queue(QueueCommand::Pause), "resumes the queue");
                format!("the queue is paused: {reason}{resume}")
            })
        }
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
    match &file.loaded {
        Ok(_) => Ok(file),
        Err(problems) => {
            let first = problems.first().map_or(String::new(), format::problem);
            Err(format!("{} has a mistake: {first}", file.file_name()))
        }
    }
}

/// The experiment file that keys act on.
pub(crate) fn experiment_file(model: &Model) -> Result<&ExperimentFile, String> {
    match &model.open {
        Screen::Experiments(_) => match model.selected_entry() {
            Some(entry) => entry.file.ok_or_else(|| {
                if let Some(why) = unread(model) {
                    return why;
                }
                let resume = if resume_refusal(model).is_none() {
                    model.key_hint(
                        Command::Training(TrainingCommand::Resume),
                        "resumes its run",
                    )
                } else {
                    String::new()
                };
                format!("{} has no experiment file here{resume}", entry.label())
            }),
            None => Err("nothing is selected".to_owned()),
        },
        Screen::Run(_) | Screen::Compare(_) | Screen::Machine(_) | Screen::Dataset(_) => {
            let run = model.run().ok_or("no run is selected")?;
            let stem = run.stem().ok_or("this run's experiment is not known")?;
            model.runs.file_of(run, model.files()).ok_or_else(|| {
                unread(model).unwrap_or_else(|| {
                    format!("the file of {stem} is not in the experiments folder")
                })
            })
        }
    }
}

/// Why the experiment files are not known; `None` if the folder was read.
fn unread(model: &Model) -> Option<String> {
    match &model.catalogue {
        Some(catalogue) => catalogue.error.clone(),
        None => Some("the folder of experiments is not read yet".to_owned()),
    }
}

/// Why no run is selected.
fn no_run(model: &Model) -> String {
    model.selected_entry().map_or_else(
        || "nothing is selected".to_owned(),
        |entry| {
            if entry.file.is_some_and(|file| model.has_run(file)) {
                format!("all runs of {} are archived", entry.label())
            } else {
                format!("{} has no run yet", entry.label())
            }
        },
    )
}
