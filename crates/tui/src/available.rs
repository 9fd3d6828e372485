//! Which commands are available, and why not. The footer, the palette and `update` all ask here.

mod training;

use crate::command::{Command, ComparisonCommand, ExperimentCommand, Show, TrainingCommand};
use crate::keys::Context;
use crate::layout::shows_whole_question;
use crate::model::{Filter, InputPrompt, Model, Popup, Screen};
use crate::screen::dataset::available as dataset;
use crate::screen::experiments::available as list;
use crate::screen::machine::available as queue;
use crate::screen::run::available as run;

pub(crate) use self::training::{experiment_file, launchable};
pub(crate) use crate::screen::dataset::available::{model_run, source as dataset_source};
pub(crate) use crate::screen::experiments::available::{difference_target, expandable, target_ids};

/// Why a command is not available now; `None` if it is.
pub(crate) fn refusal(model: &Model, command: Command) -> Option<String> {
    match command {
        Command::Training(command) => training::refusal(model, command),
        Command::Queue(command) => queue::refusal(model, command),
        Command::List(command) => list::refusal(model, command),
        Command::Dataset(command) => dataset::refusal(model, command),
        Command::Log(command) => run::log(model, command),
        Command::Experiment(command) => experiment(model, command),
        Command::Open => {
            let nothing = !matches!(model.open, Screen::Dataset(_))
                && model.run().is_none()
                && model.selected_entry().is_none();
            nothing.then(|| "nothing is selected".to_owned())
        }
        Command::Show(Show::Dataset) => dataset_source(model).err(),
        Command::Export | Command::Show(Show::Comparison) => model.runs.is_empty().then(|| {
            let launch = Command::Training(TrainingCommand::Launch);
            let launch = model.key_hint(launch, "launches one");
            format!("there is no run to compare yet{launch}")
        }),
        Command::Comparison(ComparisonCommand::Hide) => hide(model),
        Command::Chart(_) => run::chart(model),
        Command::Predict => dataset::prediction_refusal(model),
        Command::Complete => completion(model),
        Command::Yes => yes(model),
        Command::Back => back(model),
        Command::Move(_)
        | Command::Show(Show::Machine | Show::Log)
        | Command::Comparison(_)
        | Command::Accept
        | Command::Sort
        | Command::Reverse
        | Command::Filter
        | Command::Palette
        | Command::Messages
        | Command::Help
        | Command::Quit
        | Command::Redraw
        | Command::Suspend => None,
    }
}

fn experiment(model: &Model, command: ExperimentCommand) -> Option<String> {
    match command {
        ExperimentCommand::Edit => experiment_file(model).err(),
        ExperimentCommand::Change => launchable(model).err(),
        ExperimentCommand::Difference => difference_target(model)
            .is_none()
            .then(|| "there is no experiment here to compare".to_owned()),
        ExperimentCommand::Destination
        | ExperimentCommand::OtherText
        | ExperimentCommand::AllFields => None,
    }
}

/// Refuses where the comparison is not sorted by a column that it shows.
fn hide(model: &Model) -> Option<String> {
    let Screen::Compare(view) = &model.open else {
        return None;
    };
    let columns = &view.shown.table().columns;
    let sort = view.options.sort.as_ref();
    sort.is_none_or(|sort| !columns.contains(sort)).then(|| {
        let sorts = model.key_hint(Command::Sort, "sorts it");
        format!("the table is not sorted by a column that it shows{sorts}")
    })
}

/// Refuses an answer to a question that nothing follows or that is not wholly visible.
fn yes(model: &Model) -> Option<String> {
    let Some(Popup::Question { lines, effects }) = &model.popup else {
        return None;
    };
    let reason = if effects.is_empty() {
        "there is nothing to say yes to"
    } else if shows_whole_question(lines, model.size) {
        return None;
    } else {
        "the question is cut off"
    };
    let back = model.keys.label(Context::Question, Command::Back);
    let back = back.map_or_else(String::new, |key| format!("; {key} goes back"));
    Some(format!("{reason}{back}"))
}

/// Refuses in an input that takes no path.
fn completion(model: &Model) -> Option<String> {
    let is_path = matches!(model.popup, Some(Popup::Input(InputPrompt::Path { .. })));
    (!is_path).then(|| "only a path can be completed".to_owned())
}

/// Refuses where `back` has nothing to close: no popup, screen, filter or mark.
fn back(model: &Model) -> Option<String> {
    if model.popup.is_some() || !model.below.is_empty() {
        return None;
    }
    let filtered = model
        .filter()
        .is_some_and(|filter| !matches!(filter, Filter::Off));
    let marked = matches!(&model.open, Screen::Experiments(list) if !list.marked.is_empty());
    (!filtered && !marked).then(|| {
        let quit = model.key_hint(Command::Quit, "quits");
        format!("this is the first screen{quit}")
    })
}
