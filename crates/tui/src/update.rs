//! The only code that changes the model. Everything outside the model is returned as effects.

mod difference;
mod editor;
mod moves;
mod news;
mod opening;
mod palette;
mod pointed;
mod training;

use tui_input::{Input, InputRequest};
use warmstart_runs::store::Run;
use warmstart_schema::text;

use super::available::{self, refusal};
use super::command::{
    Command, DatasetCommand, ExperimentCommand, ListCommand, Show, TrainingCommand,
};
use super::effect::Effect;
use super::format::{self, path};
use super::keys::Context;
use super::layout::fits;
use super::machine::Machine;
use super::message::{Message, Report};
use super::model::{Filter, InputPrompt, MachineView, Model, Pane, Popup, Screen, Typing};
use super::screen::compare::update as comparison;
use super::screen::dataset::update as dataset;
use super::screen::experiments::update as list;
use super::screen::machine::update as queue;
use super::screen::run::update::{charts, log};

/// The most characters of a pasted text, as many as a path of Linux may have.
const MAX_PASTED: usize = 4096;

/// Applies a message.
pub(crate) fn update(model: &mut Model, message: Message) -> Vec<Effect> {
    let before = model.report.clone();
    let effects = take(model, message);
    model.notice_report(before.as_ref());
    model.refresh_list();
    model.refresh_comparison();
    model.refresh_curves();
    model.follow_selected_run();
    model.keep_log_in_view();
    effects
}

fn take(model: &mut Model, message: Message) -> Vec<Effect> {
    if !fits(model.size) && acts_on_what_is_shown(&message) {
        return Vec::new();
    }
    match message {
        Message::Command(command) => return run_command(model, command),
        Message::Edit(request) => type_text(model, &[request]),
        Message::Paste(pasted) => paste(model, &pasted),
        Message::Pointed(pointed) => return pointed::act(model, pointed),
        Message::Changes { now, changes } => return news::apply_changes(model, now, changes),
        Message::Experiments(catalogue) => {
            model.apply_catalogue(catalogue);
            palette::select_awaited(model);
        }
        Message::Gone { run, why } => ask_to_start_over(model, run, &why),
        Message::ExperimentRead { path, text } => editor::read(model, path, text),
        Message::ExperimentWritten { path, report } => {
            model.awaited = report.good.then_some(path);
            model.report = Some(report);
            palette::select_awaited(model);
        }
        Message::Done {
            undo,
            changes,
            report,
        } => list::apply_done(model, undo, changes, report),
        Message::WorkerLog { id, lines } => model.worker_log = Some((id, lines)),
        Message::Machine(machine) => return apply_machine(model, machine),
        Message::DatasetResponse { ticket, response } => {
            return dataset::on_response(model, ticket, response);
        }
        Message::Predicted { ticket, result } => dataset::predicted(model, ticket, result),
        Message::Completed {
            typed,
            longer,
            candidates,
        } => dataset::completed(model, &typed, longer, candidates),
        Message::Report(report) => {
            model.report = Some(Report {
                text: text::line(&report.text, 500),
                ..report
            });
        }
        Message::Activity(activity) => model.activity = activity,
        Message::Clock(now) => {
            model.tick(now);
            return news::watch_queue(model);
        }
        Message::Leave => return vec![Effect::Leave],
        Message::Repaint => return vec![Effect::Repaint],
        Message::Resized(size) => {
            model.size = size;
            return dataset::resized(model);
        }
    }
    Vec::new()
}

/// Whether the user caused this message and must see its target.
fn acts_on_what_is_shown(message: &Message) -> bool {
    match message {
        Message::Command(command) => {
            !matches!(command, Command::Quit | Command::Redraw | Command::Suspend)
        }
        Message::Edit(_) | Message::Paste(_) | Message::Pointed(_) => true,
        _ => false,
    }
}

fn run_command(model: &mut Model, command: Command) -> Vec<Effect> {
    if let Some(reason) = refusal(model, command) {
        model.report = Some(Report {
            good: false,
            text: reason,
        });
        return Vec::new();
    }
    // A key clears the status line. Movement keys leave messages that disappear by themselves. A filter covers the line while it is
    // typed, so a message that came meanwhile is still to be seen.
    let clears = !command.is_movement() || model.report.as_ref().is_some_and(|report| !report.good);
    if clears && model.context() != Context::Filter {
        model.report = None;
    }
    match command {
        Command::Move(movement) => return moves::apply(model, movement),
        Command::Open if shows_dataset(model) => return dataset::open_picture(model),
        Command::Open => return open(model),
        Command::Show(target) => return show(model, target),
        Command::Back => {
            let mut effects = back(model);
            effects.extend(model.read_machine());
            return effects;
        }
        Command::Accept => return accept(model),
        Command::Yes => return yes(model),
        Command::Complete => return dataset::complete(model),
        Command::Training(command) => return training::run_command(model, command),
        Command::Queue(command) => return queue::run_command(model, command),
        Command::List(command) => return list::run_command(model, command),
        Command::Experiment(command) => return experiment(model, command),
        Command::Chart(command) => return charts::change(model, command),
        Command::Log(command) => return log::run_command(model, command),
        Command::Comparison(command) => return comparison::change(model, command),
        Command::Dataset(command) if shows_dataset(model) => {
            return dataset::run_command(model, command);
        }
        Command::Dataset(_) => {}
        Command::Predict => return dataset::predict(model),
        Command::Sort if shows_dataset(model) => return dataset::sort(model),
        Command::Sort if matches!(model.open, Screen::Experiments(_)) => list::sort(model),
        Command::Sort => comparison::sort(model),
        Command::Reverse if matches!(model.open, Screen::Experiments(_)) => list::reverse(model),
        Command::Reverse => comparison::reverse(model),
        Command::Export => model.popup = Some(Popup::Export { chosen: 0 }),
        Command::Filter => begin_filter(model),
        Command::Palette => model.popup = Some(Popup::Palette(model.palette())),
        Command::Messages => messages(model),
        Command::Help => model.popup = Some(Popup::Help { down: 0 }),
        Command::Quit => return vec![Effect::Leave],
        Command::Redraw => return vec![Effect::Repaint],
        Command::Suspend => return vec![Effect::Suspend],
    }
    Vec::new()
}

/// Whether keys act on the dataset screen itself.
fn shows_dataset(model: &Model) -> bool {
    matches!(model.open, Screen::Dataset(_)) && model.popup.is_none()
}

fn experiment(model: &mut Model, command: ExperimentCommand) -> Vec<Effect> {
    match command {
        ExperimentCommand::Change => return editor::begin(model),
        ExperimentCommand::Destination => editor::turn_destination(model),
        ExperimentCommand::OtherText => editor::turn_focus(model),
        ExperimentCommand::Edit => {
            return available::experiment_file(model)
                .map(|file| Effect::Edit(file.path.clone()))
                .into_iter()
                .collect();
        }
        ExperimentCommand::Difference => return difference::begin(model),
        ExperimentCommand::AllFields => difference::toggle(model),
    }
    Vec::new()
}

/// Shows another screen, or another pane of the run screen.
fn show(model: &mut Model, target: Show) -> Vec<Effect> {
    match target {
        Show::Dataset => return dataset::open(model),
        Show::Comparison => {
            let view = model.next_comparison();
            model.show(Screen::Compare(view));
        }
        Show::Machine => {
            model.show(Screen::Machine(MachineView::default()));
            return model.read_machine();
        }
        Show::Log => {
            if let Screen::Run(view) = &mut model.open {
                view.pane = Pane::Log { up: 0 };
                return vec![Effect::ReadWorkerLog(view.id.clone())];
            }
        }
    }
    Vec::new()
}

/// Shows the messages, newest first.
fn messages(model: &mut Model) {
    let mut lines = model.status_log.lines(&model.zone);
    if lines.is_empty() {
        lines.push("No messages yet.".to_owned());
    }
    model.popup = Some(Popup::Text {
        title: "messages".to_owned(),
        lines,
        down: 0,
    });
}

/// Stores a reading of the machine, and requests the next one while its screen is open.
fn apply_machine(model: &mut Model, machine: Box<Machine>) -> Vec<Effect> {
    model.reads_machine = false;
    if let Screen::Machine(view) = &mut model.open {
        view.machine = Some(machine);
    }
    model.read_machine()
}

fn open(model: &mut Model) -> Vec<Effect> {
    let broken = model.selected_entry().and_then(|entry| {
        let lines = format::problem_lines(entry.problems()?);
        Some((format!("{} cannot be used", entry.label()), lines))
    });
    if let Some((title, lines)) = broken.or_else(|| no_run(model)) {
        model.popup = Some(Popup::Text {
            title,
            lines,
            down: 0,
        });
        return Vec::new();
    }
    let Some(id) = model.run().map(|run| run.id.clone()) else {
        return Vec::new();
    };
    let marked = model
        .targets()
        .into_iter()
        .map(|run| run.id.clone())
        .filter(|marked| *marked != id)
        .collect();
    vec![opening::show_run(model, id, marked)]
}

/// A title and a text for the selected experiment if it has no run to open.
fn no_run(model: &Model) -> Option<(String, Vec<String>)> {
    let entry = model.selected_entry().filter(|entry| entry.run.is_none())?;
    let file = entry.file?;
    let mut lines: Vec<String> = entry.experiment()?.question.iter().cloned().collect();
    let file_path = path(&file.path);
    lines.push(if model.has_run(file) {
        let show = model.key_hint(Command::List(ListCommand::Archived), "shows them");
        format!("All runs of {file_path} are archived{show}.")
    } else {
        let launch = Command::Training(TrainingCommand::Launch);
        let launch = model.key_hint(launch, "launches it");
        format!("{file_path} has not run yet{launch}.")
    });
    let missing = model.missing(file);
    if !missing.is_empty() {
        lines.extend([String::new(), "Missing on this machine:".to_owned()]);
        lines.extend(missing.iter().map(|lack| lack.text.clone()));
    }
    Some((entry.label().to_owned(), lines))
}

/// Closes the innermost popup, filter or screen.
fn back(model: &mut Model) -> Vec<Effect> {
    if model.popup.take().is_some() {
        return Vec::new();
    }
    if let Screen::Run(view) = &mut model.open {
        if view.pane != Pane::Charts {
            if view.searched.take().is_some() {
                return Vec::new();
            }
            view.pane = Pane::Charts;
            return Vec::new();
        }
        if view.charts.cursor.take().is_some() || view.charts.single.take().is_some() {
            return Vec::new();
        }
    }
    if let Screen::Compare(view) = &mut model.open
        && view.cursor.take().is_some()
    {
        return Vec::new();
    }
    let filter = match &mut model.open {
        Screen::Experiments(list) => Some(&mut list.filter),
        Screen::Compare(view) => Some(&mut view.list.filter),
        Screen::Run(_) | Screen::Machine(_) | Screen::Dataset(_) => None,
    };
    if let Some(filter) = filter.filter(|filter| !matches!(filter, Filter::Off)) {
        *filter = Filter::Off;
        return Vec::new();
    }
    if let Screen::Experiments(list) = &mut model.open {
        list.marked.clear();
    }
    let Some(below) = model.below.pop() else {
        return Vec::new();
    };
    let left = std::mem::replace(&mut model.open, below);
    let mut effects = Vec::new();
    if matches!(left, Screen::Dataset(_)) {
        effects.push(Effect::CloseDataset);
    }
    // Only the log of the run opened last is kept, and this one may have grown.
    if let Screen::Run(view) = &model.open {
        effects.push(Effect::ReadWorkerLog(view.id.clone()));
    }
    effects
}

fn accept(model: &mut Model) -> Vec<Effect> {
    match &model.popup {
        Some(Popup::Input(InputPrompt::Extension(_))) => training::extend(model),
        Some(Popup::Input(InputPrompt::Search { .. })) => {
            log::accept(model);
            Vec::new()
        }
        Some(Popup::Input(_)) => dataset::accept(model),
        Some(Popup::Palette(_)) => palette::accept(model),
        Some(Popup::Editor(_)) => editor::accept(model),
        Some(Popup::Columns { .. } | Popup::Prompt { .. }) => {
            list::accept(model).unwrap_or_default()
        }
        Some(Popup::Export { chosen }) => {
            let chosen = *chosen;
            model.popup = None;
            comparison::export(model, chosen)
        }
        _ => {
            accept_filter(model);
            Vec::new()
        }
    }
}

/// Applies the typed filter. A mistake stays below the filter until the user corrects it.
fn accept_filter(model: &mut Model) {
    let Some(filter) = filter_mut(model) else {
        return;
    };
    if let Filter::Typing(Typing {
        understood,
        mistake: None,
        ..
    }) = filter
    {
        let query = std::mem::take(understood);
        *filter = if query.is_empty() {
            Filter::Off
        } else {
            Filter::Set(query)
        };
    }
}

/// Asks whether to restart a run whose checkpoints are lost. While a popup is open or a filter is typed, it reports the reason
/// instead: the question would take keys that are meant for them.
fn ask_to_start_over(model: &mut Model, run: Box<Run>, why: &str) {
    let why = text::line(why, 400);
    if model.popup.is_some() || model.context() == Context::Filter {
        model.report = Some(Report {
            good: false,
            text: why,
        });
        return;
    }
    let mut lines = vec![
        why,
        format!(
            "Start {} over from the beginning? Its results stay until there are new ones.",
            run.label()
        ),
    ];
    lines.extend(model.launcher.request(run.experiment.as_deref()));
    model.popup = Some(Popup::Question {
        lines,
        effects: vec![Effect::StartOver(run)],
    });
}

fn yes(model: &mut Model) -> Vec<Effect> {
    match model.popup.take() {
        Some(Popup::Question { effects, .. }) => effects,
        other => {
            model.popup = other;
            Vec::new()
        }
    }
}

fn filter_mut(model: &mut Model) -> Option<&mut Filter> {
    match &mut model.open {
        Screen::Experiments(list) => Some(&mut list.filter),
        Screen::Compare(view) => Some(&mut view.list.filter),
        Screen::Run(_) | Screen::Machine(_) | Screen::Dataset(_) => None,
    }
}

fn begin_filter(model: &mut Model) {
    if let Some(filter) = filter_mut(model) {
        *filter = Filter::Typing(filter.query().map_or_else(Typing::default, Typing::new));
    }
}

/// Types a text all at once: a search or a check of the input after each character would take too long.
fn paste(model: &mut Model, pasted: &str) {
    // Cut here, because a sanitized line that is cut ends with an ellipsis, which nobody has typed.
    let pasted: String = pasted.chars().take(MAX_PASTED).collect();
    let requests: Vec<InputRequest> = text::line(&pasted, MAX_PASTED)
        .chars()
        .map(InputRequest::InsertChar)
        .collect();
    if !requests.is_empty() {
        type_text(model, &requests);
    }
}

fn type_text(model: &mut Model, requests: &[InputRequest]) {
    match &mut model.popup {
        Some(Popup::Prompt { input, .. }) => return type_into(input, requests),
        Some(Popup::Palette(palette)) => return palette.handle(requests),
        Some(Popup::Editor(editor)) => return editor.handle(requests),
        _ => {}
    }
    if let (None, Screen::Dataset(_)) = (&model.popup, &model.open)
        && refusal(model, Command::Dataset(DatasetCommand::Number)).is_none()
    {
        let input = Input::default();
        model.popup = Some(Popup::Input(InputPrompt::Number { input }));
    }
    if let Some(Popup::Input(prompt)) = &mut model.popup {
        if let InputPrompt::Path { candidates, .. } = prompt {
            candidates.clear();
        }
        return type_into(prompt.input_mut(), requests);
    }
    let Some(filter) = filter_mut(model) else {
        return;
    };
    if let Filter::Typing(typing) = filter {
        // A deletion in an empty filter closes it, as in a pager.
        if typing.input.value().is_empty() && requests == [InputRequest::DeletePrevChar] {
            *filter = Filter::Off;
        } else {
            typing.handle(requests);
        }
    }
}

fn type_into(input: &mut Input, requests: &[InputRequest]) {
    for request in requests {
        input.handle(*request);
    }
}
