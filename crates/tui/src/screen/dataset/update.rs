//! Applies the keys of the dataset screen and the responses of its workers and of predictions.

use ratatui::layout::Size;
use tui_input::Input;
use warmstart_schema::experiment::{Dataset, Labels};
use warmstart_schema::look::Answer;
use warmstart_schema::prediction::Predictions;

use crate::available::{dataset_source, model_run};
use crate::command::{DatasetCommand, Movement};
use crate::effect::{DatasetSource, Effect};
use crate::layout::class_rows;
use crate::message::Report;
use crate::model::{
    DatasetPane, DatasetView, Grid, InputPrompt, Model, PathPurpose, Popup, Prediction, Screen,
    Seen,
};
use warmstart_runs::failure::Failure;
use warmstart_runs::store::Run;
use warmstart_runs::worker::DatasetResponse;
use warmstart_runs::worker::Subject;

pub(crate) fn open(model: &mut Model) -> Vec<Effect> {
    let Ok((source, label)) = dataset_source(model) else {
        return Vec::new();
    };
    let run = model
        .run()
        .filter(|run| knows_the_images(model, run, &source))
        .map(|run| run.id.clone());
    model.tickets += 1;
    let ticket = model.tickets;
    let (grid, seed) = (Grid::of(model.size), model.now.to_bits() ^ ticket);
    model.show(Screen::Dataset(DatasetView::new(
        ticket, label, run, grid, seed,
    )));
    vec![Effect::ShowDataset { ticket, source }]
}

/// Whether the images of this source are those of the run's dataset, with the same numbers and classes. A file may name another
/// dataset since the run was launched from it.
fn knows_the_images(model: &Model, run: &Run, source: &DatasetSource) -> bool {
    let DatasetSource::File(path) = source else {
        return true;
    };
    let file = model.files().iter().find(|file| file.path == *path);
    let now = file.and_then(|file| file.loaded.as_ref().ok());
    match (now, run.experiment.as_deref()) {
        (Some(now), Some(then)) => have_same_images(&now.dataset, &then.dataset),
        // The worker says what is wrong with the run.
        _ => true,
    }
}

fn have_same_images(one: &Dataset, other: &Dataset) -> bool {
    let folder = |dataset: &Dataset| {
        let folder = dataset.folder()?;
        Some((folder.path.clone(), folder.test, folder.split_rule()))
    };
    one.name() == other.name() && one.labels() == other.labels() && folder(one) == folder(other)
}

/// Runs a command of the dataset screen.
pub(crate) fn run_command(model: &mut Model, command: DatasetCommand) -> Vec<Effect> {
    let Screen::Dataset(view) = &mut model.open else {
        return Vec::new();
    };
    match command {
        DatasetCommand::View => {
            view.pane = match view.pane {
                DatasetPane::One => DatasetPane::Page,
                DatasetPane::Page => DatasetPane::Classes,
                DatasetPane::Classes => DatasetPane::One,
            }
        }
        DatasetCommand::Part => view.next_part(),
        DatasetCommand::Random => {
            view.pick_at_random();
            if view.pane == DatasetPane::Classes {
                view.pane = DatasetPane::One;
            }
        }
        DatasetCommand::Augment => {
            view.epoch = Some(view.epoch.map_or(1, |epoch| epoch.saturating_add(1)));
        }
        DatasetCommand::AsItIs => view.epoch = None,
        DatasetCommand::Number => {
            model.popup = Some(Popup::Input(InputPrompt::Number {
                input: Input::default(),
            }));
        }
    }
    next_question(model)
}

/// Shows the selected image alone.
pub(crate) fn open_picture(model: &mut Model) -> Vec<Effect> {
    if let Screen::Dataset(view) = &mut model.open {
        view.pane = DatasetPane::One;
    }
    next_question(model)
}

/// Sorts the classes by their number of images, or by number again.
pub(crate) fn sort(model: &mut Model) -> Vec<Effect> {
    if let Screen::Dataset(view) = &mut model.open {
        view.by_count = !view.by_count;
        view.scrolled = 0;
    }
    next_question(model)
}

pub(crate) fn move_by(model: &mut Model, movement: Movement) -> Vec<Effect> {
    let size = model.size;
    if let Screen::Dataset(view) = &mut model.open {
        step(view, movement, size);
    }
    next_question(model)
}

fn step(view: &mut DatasetView, movement: Movement, terminal: Size) {
    let (row, page) = match view.pane {
        DatasetPane::One => (1, i64::from(view.grid.pictures())),
        DatasetPane::Page => (
            i64::from(view.grid.columns),
            i64::from(view.grid.pictures()),
        ),
        DatasetPane::Classes => (1, 10),
    };
    let by = match movement {
        Movement::Left => -1,
        Movement::Right => 1,
        Movement::Up => -row,
        Movement::Down => row,
        Movement::PageUp => -page,
        Movement::PageDown => page,
        Movement::First => i64::MIN,
        Movement::Last => i64::MAX,
    };
    if view.pane == DatasetPane::Classes && !matches!(movement, Movement::Left | Movement::Right) {
        let most = view.facts().map_or(0, |facts| {
            let rows = class_rows(&facts.notes, terminal);
            facts.classes.len().saturating_sub(rows)
        });
        let by = isize::try_from(by).unwrap_or(if by < 0 { isize::MIN } else { isize::MAX });
        // The terminal may have grown since.
        let scrolled = view.scrolled.min(most);
        view.scrolled = scrolled.saturating_add_signed(by).min(most);
    } else {
        view.step(by);
    }
}

/// Adapts the page to the terminal's new size.
pub(crate) fn resized(model: &mut Model) -> Vec<Effect> {
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

/// Applies a response of the worker that shows a dataset.
pub(crate) fn on_response(
    model: &mut Model,
    ticket: u64,
    response: DatasetResponse,
) -> Vec<Effect> {
    let Screen::Dataset(view) = &mut model.open else {
        return Vec::new();
    };
    if view.ticket != ticket {
        return Vec::new();
    }
    match response {
        DatasetResponse::Answer(answer) => {
            let repeats = view.awaits_pictures() && matches!(answer, Answer::NotThere { .. });
            if let Some(error) = view.apply(answer) {
                model.report = Some(Report {
                    good: false,
                    text: error,
                });
            }
            // Do not ask again right away for images that cannot be had: that would loop for ever.
            if repeats {
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

/// Asks for the path of an image, or predicts the shown image.
pub(crate) fn predict(model: &mut Model) -> Vec<Effect> {
    let Some(run) = model_run(model).map(|run| run.id.clone()) else {
        return Vec::new();
    };
    let Screen::Dataset(view) = &model.open else {
        let purpose = PathPurpose::Prediction(run);
        model.popup = Some(Popup::Input(InputPrompt::path(purpose)));
        return Vec::new();
    };
    let Some(picture) = view.picture(view.position, None) else {
        return Vec::new();
    };
    let truth = view.facts().and_then(|facts| {
        let label = match facts.labels {
            Labels::Fine => &picture.fine,
            Labels::Coarse => &picture.coarse,
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

/// Accepts the typed number or path.
pub(crate) fn accept(model: &mut Model) -> Vec<Effect> {
    match model.popup.take() {
        Some(Popup::Input(InputPrompt::Number { input })) => {
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
        Some(Popup::Input(InputPrompt::Path { purpose, input, .. }))
            if !input.value().trim().is_empty() =>
        {
            let typed = input.value().trim().to_owned();
            let path = crate::paths::expanded(&typed);
            match purpose {
                PathPurpose::Prediction(run) => ask(model, run, typed, None, Subject::Shown(path)),
                PathPurpose::NewExperiment => vec![Effect::NewExperiment(path)],
            }
        }
        other => {
            model.popup = other;
            Vec::new()
        }
    }
}

/// Requests completions of a path.
pub(crate) fn complete(model: &Model) -> Vec<Effect> {
    match &model.popup {
        Some(Popup::Input(InputPrompt::Path { purpose, input, .. })) => {
            vec![Effect::CompletePath {
                typed: input.value().to_owned(),
                only_folders: *purpose == PathPurpose::NewExperiment,
            }]
        }
        _ => Vec::new(),
    }
}

/// Applies completions of a path, unless the user has typed more since.
pub(crate) fn completed(model: &mut Model, typed: &str, longer: String, names: Vec<String>) {
    if let Some(Popup::Input(InputPrompt::Path {
        input, candidates, ..
    })) = &mut model.popup
        && input.value() == typed
    {
        *input = Input::new(longer);
        *candidates = names;
    }
}

/// Applies a prediction.
pub(crate) fn predicted(model: &mut Model, ticket: u64, result: Result<Predictions, Failure>) {
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
            Ok((_, None)) => Seen::Nothing("the worker's answer has no image".to_owned()),
            Err(failure) => Seen::Nothing(failure.to_string()),
        };
    }
}
