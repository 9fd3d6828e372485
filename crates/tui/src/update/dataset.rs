//! The dataset screen and predictions: what their keys do, and what comes of what was asked.

use tui_input::Input;
use warmstart_schema::look::{Answer, Part};
use warmstart_schema::prediction::Predictions;
use warmstart_schema::state::Status;

use crate::effect::{DatasetSource, Effect};
use crate::message::{Command, Report};
use crate::model::{
    DatasetPane, DatasetView, Grid, Inquiry, Model, Opened, Popup, Prediction, Screen, Seen,
};
use warmstart_runs::failure::Failure;
use warmstart_runs::store::Run;
use warmstart_runs::worker::DatasetResponse;
use warmstart_runs::worker::Subject;

/// Why a command of these can do nothing here.
pub fn refusal(model: &Model, command: Command) -> Option<String> {
    let view = if let Screen::Dataset(view) = &model.open {
        Some(view)
    } else {
        None
    };
    let not_read = view.and_then(|view| match &view.state {
        Opened::Yes(_) => None,
        Opened::NotYet => Some("the dataset is still being read".to_owned()),
        Opened::No(_) => Some("there is nothing to see of this dataset".to_owned()),
    });
    match command {
        Command::Dataset => album(model).err(),
        Command::Predict => not_read.or_else(|| no_model_run(model)).or_else(|| {
            let view = view?;
            let shown =
                view.pane != DatasetPane::Classes && view.picture(view.position, None).is_some();
            (!shown).then(|| "no picture is shown; tab shows one".to_owned())
        }),
        Command::View | Command::Part | Command::Number | Command::Random => not_read,
        Command::Augment | Command::AsItIs => not_read.or_else(|| not_augmented(view?, command)),
        Command::Complete => (!matches!(model.popup, Some(Popup::Inquiry(Inquiry::File { .. }))))
            .then(|| "a number cannot be completed".to_owned()),
        _ => None,
    }
}

fn not_augmented(view: &DatasetView, command: Command) -> Option<String> {
    if command == Command::AsItIs {
        return view
            .epoch
            .is_none()
            .then(|| "the picture is shown as it is".to_owned());
    }
    let is_identity = view.facts().is_none_or(|facts| facts.augment.is_identity());
    if is_identity {
        Some("this experiment augments nothing: its `augment` is not set".to_owned())
    } else if view.part != Part::Train {
        Some("only training images are augmented; t goes on to them".to_owned())
    } else {
        (view.pane != DatasetPane::One)
            .then(|| "one picture is augmented at a time; tab shows one".to_owned())
    }
}

/// Why no run can be asked what it sees.
fn no_model_run(model: &Model) -> Option<String> {
    match model_run(model) {
        None => Some("no run to ask what it sees: r launches one from the experiments".to_owned()),
        Some(run) if run.state.checkpoint.is_none() => {
            let when = match run.status() {
                status if status.is_live() || matches!(status, Status::Queued(_)) => {
                    "let it train for an epoch"
                }
                _ => "u resumes it",
            };
            Some(format!("{} has no checkpoint yet: {when}", run.label()))
        }
        Some(_) => None,
    }
}

/// The run that predicts.
fn model_run(model: &Model) -> Option<&Run> {
    match &model.open {
        Screen::Dataset(view) => model.runs.get(view.run.as_ref()?),
        _ => model.run(),
    }
}

/// Whose dataset would be opened here.
fn album(model: &Model) -> Result<(DatasetSource, String), String> {
    if let (Screen::Experiments(_), Some(entry)) = (&model.open, model.selected_entry()) {
        match entry.file.map(|file| (file, &file.loaded)) {
            Some((file, Ok(_))) => {
                return Ok((
                    DatasetSource::File(file.path.clone()),
                    entry.label().to_owned(),
                ));
            }
            Some((file, Err(_))) => {
                return Err(format!("{}.yaml has a mistake; enter shows it", file.stem));
            }
            None => {}
        }
    }
    let run = model.run().ok_or("nothing is selected")?;
    Ok((DatasetSource::Run(run.id.clone()), run.label().to_owned()))
}

pub fn open(model: &mut Model) -> Vec<Effect> {
    let Ok((album, label)) = album(model) else {
        return Vec::new();
    };
    let run = model.run().map(|run| run.id.clone());
    model.tickets += 1;
    let ticket = model.tickets;
    let (grid, seed) = (Grid::of(model.size), model.now.to_bits() ^ ticket);
    model.show(Screen::Dataset(DatasetView::new(
        ticket, label, run, grid, seed,
    )));
    vec![Effect::Look { ticket, album }]
}

/// What a key does on the open dataset screen.
pub fn run_command(model: &mut Model, command: Command) -> Vec<Effect> {
    let Screen::Dataset(view) = &mut model.open else {
        return Vec::new();
    };
    match command {
        Command::View => {
            view.pane = match view.pane {
                DatasetPane::One => DatasetPane::Page,
                DatasetPane::Page => DatasetPane::Classes,
                DatasetPane::Classes => DatasetPane::One,
            }
        }
        Command::Open => view.pane = DatasetPane::One,
        Command::Part => view.next_part(),
        Command::Random => {
            view.pick_at_random();
            if view.pane == DatasetPane::Classes {
                view.pane = DatasetPane::One;
            }
        }
        Command::Augment => {
            view.epoch = Some(view.epoch.map_or(1, |epoch| epoch.saturating_add(1)));
        }
        Command::AsItIs => view.epoch = None,
        Command::Sort => {
            view.by_count = !view.by_count;
            view.scrolled = 0;
        }
        Command::Number => {
            model.popup = Some(Popup::Inquiry(Inquiry::Number {
                input: Input::default(),
            }));
        }
        command => step(view, command),
    }
    next_question(model)
}

fn step(view: &mut DatasetView, command: Command) {
    let (row, page) = match view.pane {
        DatasetPane::One => (1, i64::from(view.grid.pictures())),
        DatasetPane::Page => (
            i64::from(view.grid.columns),
            i64::from(view.grid.pictures()),
        ),
        DatasetPane::Classes => (1, 10),
    };
    let by = match command {
        Command::Left => -1,
        Command::Right => 1,
        Command::Up => -row,
        Command::Down => row,
        Command::PageUp => -page,
        Command::PageDown => page,
        Command::First => i64::MIN,
        Command::Last => i64::MAX,
        _ => return,
    };
    if view.pane == DatasetPane::Classes && !matches!(command, Command::Left | Command::Right) {
        let last = view
            .facts()
            .map_or(0, |facts| facts.classes.len().saturating_sub(1));
        let by = isize::try_from(by).unwrap_or(if by < 0 { isize::MIN } else { isize::MAX });
        view.scrolled = view.scrolled.saturating_add_signed(by).min(last);
    } else {
        view.step(by);
    }
}

/// A page holds what fits into the terminal as it is now.
pub fn resized(model: &mut Model) -> Vec<Effect> {
    let grid = Grid::of(model.size);
    if let Screen::Dataset(view) = &mut model.open {
        view.grid = grid;
    }
    next_question(model)
}

fn next_question(model: &mut Model) -> Vec<Effect> {
    let Screen::Dataset(view) = &mut model.open else {
        return Vec::new();
    };
    view.question()
        .map(Effect::AskDataset)
        .into_iter()
        .collect()
}

/// What a worker said that shows a dataset.
pub fn heard(model: &mut Model, ticket: u64, heard: DatasetResponse) -> Vec<Effect> {
    let Screen::Dataset(view) = &mut model.open else {
        return Vec::new();
    };
    if view.ticket != ticket {
        return Vec::new();
    }
    match heard {
        DatasetResponse::Answer(answer) => {
            let is_complaint = matches!(answer, Answer::NotThere { .. });
            if let Some(error) = view.take(answer) {
                model.report = Some(Report {
                    good: false,
                    text: error,
                });
            }
            // Inquiry at once again, what cannot be answered would be asked for ever.
            if is_complaint {
                Vec::new()
            } else {
                next_question(model)
            }
        }
        DatasetResponse::Ended(failure) => {
            view.end(failure.to_string());
            Vec::new()
        }
    }
}

/// Asks for a picture's path, or what the run sees in the picture that is shown.
pub fn predict(model: &mut Model) -> Vec<Effect> {
    let Some(run) = model_run(model).map(|run| run.id.clone()) else {
        return Vec::new();
    };
    let Screen::Dataset(view) = &model.open else {
        model.popup = Some(Popup::Inquiry(Inquiry::File {
            run,
            input: Input::default(),
            candidates: Vec::new(),
        }));
        return Vec::new();
    };
    let Some(picture) = view.picture(view.position, None) else {
        return Vec::new();
    };
    let truth = view.facts().and_then(|facts| {
        let label = match facts.labels {
            warmstart_schema::experiment::Labels::Fine => &picture.fine,
            warmstart_schema::experiment::Labels::Coarse => &picture.coarse,
        };
        label.as_ref().map(|label| label.name.clone())
    });
    let title = format!("{} image {}", view.part.adjective(), picture.number);
    let subject = Subject::OfDataset {
        part: view.part,
        number: picture.number,
    };
    ask(model, run, title, truth, subject)
}

fn ask(
    model: &mut Model,
    run: warmstart_runs::run::RunId,
    title: String,
    truth: Option<String>,
    subject: Subject,
) -> Vec<Effect> {
    model.tickets += 1;
    let ticket = model.tickets;
    let label = model.runs.get(&run).map_or("", Run::label).to_owned();
    model.popup = Some(Popup::Prediction(Prediction {
        ticket,
        label,
        title,
        truth,
        seen: Seen::NotYet,
    }));
    vec![Effect::Predict {
        ticket,
        run,
        subject,
    }]
}

/// What was typed is accepted.
pub fn accept(model: &mut Model) -> Vec<Effect> {
    match model.popup.take() {
        Some(Popup::Inquiry(Inquiry::Number { input })) => {
            let Screen::Dataset(view) = &mut model.open else {
                return Vec::new();
            };
            let typed = input.value().trim();
            if let Ok(number) = typed.parse() {
                view.seek(number);
            } else {
                let text = format!("`{typed}` is not the number of an image");
                model.report = Some(Report { good: false, text });
            }
            next_question(model)
        }
        Some(Popup::Inquiry(Inquiry::File {
            run,
            input,
            candidates,
        })) => {
            let typed = input.value().trim().to_owned();
            if typed.is_empty() {
                model.popup = Some(Popup::Inquiry(Inquiry::File {
                    run,
                    input,
                    candidates,
                }));
                return Vec::new();
            }
            let subject = Subject::Shown(crate::paths::expanded(&typed));
            ask(model, run, typed, None, subject)
        }
        other => {
            model.popup = other;
            Vec::new()
        }
    }
}

/// Asks how a path goes on.
pub fn complete(model: &Model) -> Vec<Effect> {
    match &model.popup {
        Some(Popup::Inquiry(Inquiry::File { input, .. })) => {
            vec![Effect::CompletePath(input.value().to_owned())]
        }
        _ => Vec::new(),
    }
}

/// How a path goes on; too late where it was typed on meanwhile.
pub fn completed(model: &mut Model, typed: &str, longer: String, names: Vec<String>) {
    if let Some(Popup::Inquiry(Inquiry::File {
        input, candidates, ..
    })) = &mut model.popup
        && input.value() == typed
    {
        *input = Input::new(longer);
        *candidates = names;
    }
}

/// What a run sees.
pub fn predicted(model: &mut Model, ticket: u64, result: Result<Predictions, Failure>) {
    if let Some(Popup::Prediction(prediction)) = &mut model.popup
        && prediction.ticket == ticket
    {
        prediction.seen = match result
            .map(|predictions| (predictions.epoch, predictions.images.into_iter().next()))
        {
            Ok((epoch, Some(image))) => match image.error {
                Some(error) => Seen::Nothing(error),
                None => Seen::Classes {
                    epoch,
                    classes: image.classes,
                    pixels: image.pixels,
                },
            },
            Ok((_, None)) => Seen::Nothing("the worker names no picture".to_owned()),
            Err(failure) => Seen::Nothing(failure.to_string()),
        };
    }
}
