//! Commands on images of a dataset and on predictions.

use warmstart_runs::store::Run;
use warmstart_schema::look::Split;
use warmstart_schema::state::Status;

use crate::command::{Command, DatasetCommand, TrainingCommand};
use crate::effect::DatasetSource;
use crate::model::{DatasetPane, DatasetView, Kind, Model, Opened, Screen};

pub(crate) fn refusal(model: &Model, command: DatasetCommand) -> Option<String> {
    let view = view(model)?;
    match command {
        DatasetCommand::View
        | DatasetCommand::Part
        | DatasetCommand::Number
        | DatasetCommand::Random => not_read(view),
        DatasetCommand::Augment | DatasetCommand::AsItIs => {
            not_read(view).or_else(|| not_augmented(model, view, command))
        }
    }
}

pub(crate) fn prediction_refusal(model: &Model) -> Option<String> {
    let view = view(model);
    view.and_then(not_read)
        .or_else(|| no_model_run(model))
        .or_else(|| {
            let view = view?;
            let shown =
                view.pane != DatasetPane::Classes && view.picture(view.position, None).is_some();
            (!shown).then(|| format!("no picture is shown{}", shows_one(model)))
        })
}

fn view(model: &Model) -> Option<&DatasetView> {
    match &model.open {
        Screen::Dataset(view) => Some(view),
        _ => None,
    }
}

fn not_read(view: &DatasetView) -> Option<String> {
    match &view.state {
        Opened::Yes(_) => None,
        Opened::NotYet => Some("the dataset is still being read".to_owned()),
        Opened::No(_) => Some("there is nothing to see of this dataset".to_owned()),
    }
}

/// Which key shows one picture.
fn shows_one(model: &Model) -> String {
    model.key_hint(Command::Dataset(DatasetCommand::View), "shows one")
}

fn not_augmented(model: &Model, view: &DatasetView, command: DatasetCommand) -> Option<String> {
    if command == DatasetCommand::AsItIs {
        return view
            .epoch
            .is_none()
            .then(|| "the picture is shown as it is".to_owned());
    }
    let is_identity = view.facts().is_none_or(|facts| facts.augment.is_identity());
    if is_identity {
        Some("this experiment augments nothing: its `augment` is not set".to_owned())
    } else if view.part != Split::Train {
        let part = model.key_hint(Command::Dataset(DatasetCommand::Part), "shows them");
        Some(format!("only training images are augmented{part}"))
    } else {
        (view.pane != DatasetPane::One)
            .then(|| format!("one picture is augmented at a time{}", shows_one(model)))
    }
}

/// Why no run can predict here.
fn no_model_run(model: &Model) -> Option<String> {
    match model_run(model) {
        None => {
            let launch = Command::Training(TrainingCommand::Launch);
            let launch = model.key_hint(launch, "launches one from the experiments");
            Some(format!("no run to ask what it sees{launch}"))
        }
        Some(run) if run.state.checkpoint.is_none() => no_checkpoint(model, run),
        Some(_) => None,
    }
}

/// What a run without a known checkpoint lacks, and the next step if there is one.
fn no_checkpoint(model: &Model, run: &Run) -> Option<String> {
    let next = match run.status() {
        Status::Unreadable => {
            let trouble = run.trouble(model.now)?;
            return Some(format!("{} {}", run.label(), trouble.what));
        }
        status if status.is_live() || matches!(status, Status::Queued(_)) => {
            "; let it train for an epoch".to_owned()
        }
        status if status.is_resumable() => {
            let resume = Command::Training(TrainingCommand::Resume);
            let is_here = model.keys.label(model.context_beneath(), resume).is_some();
            let what = if is_here {
                "resumes it"
            } else {
                "resumes it from the experiments"
            };
            model.key_hint(resume, what)
        }
        _ => String::new(),
    };
    Some(format!("{} has no checkpoint yet{next}", run.label()))
}

/// The run that predicts.
pub(crate) fn model_run(model: &Model) -> Option<&Run> {
    match &model.open {
        Screen::Dataset(view) => model.runs.get(view.run.as_ref()?),
        _ => model.run(),
    }
}

/// The source of the dataset that would open here.
pub(crate) fn source(model: &Model) -> Result<(DatasetSource, String), String> {
    // The row of a run means the pictures of that run: its file may name others by now.
    if let (Screen::Experiments(_), Some(entry)) = (&model.open, model.selected_entry())
        && entry.kind == Kind::Experiment
    {
        match entry.file.map(|file| (file, &file.loaded)) {
            Some((file, Ok(_))) => {
                return Ok((
                    DatasetSource::File(file.path.clone()),
                    entry.label().to_owned(),
                ));
            }
            Some((file, Err(_))) => {
                let open = model.key_hint(Command::Open, "shows it");
                return Err(format!("{} has a mistake{open}", file.file_name()));
            }
            None => {}
        }
    }
    let run = model.run().ok_or("nothing is selected")?;
    Ok((DatasetSource::Run(run.id.clone()), run.label().to_owned()))
}
