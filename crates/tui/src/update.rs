//! The only code that changes the model. It does nothing else: what shall happen outside comes back as effects.

mod ask;
mod charts;
mod comparison;
mod dataset;
mod difference;
mod editor;
pub mod list;
mod log;
mod moves;
mod news;
mod opening;
mod palette;
mod pointed;
mod queue;

use tui_input::{Input, InputRequest};
use warmstart_schema::text;

use super::effect::Effect;
use super::format::path;
use super::layout::fits;
use super::machine::Machine;
use super::message::{Command, Message, Report};
use super::model::{Filter, Inquiry, Model, Pane, Popup, Screen, SystemView, Typing};

pub use self::ask::refusal;

/// Takes in a message.
pub fn update(model: &mut Model, message: Message) -> Vec<Effect> {
    let before = model.report.clone();
    let effects = take(model, message);
    model.notice_report(before.as_ref());
    model.refresh_list();
    model.refresh_comparison();
    model.refresh_curves();
    effects
}

fn take(model: &mut Model, message: Message) -> Vec<Effect> {
    if !fits(model.size) && acts_on_what_is_shown(&message) {
        return Vec::new();
    }
    match message {
        Message::Command(command) => return run_command(model, command),
        Message::Edit(request) => type_text(model, request),
        Message::Paste(pasted) => {
            let most = if matches!(model.popup, Some(Popup::Inquiry(_))) {
                4096
            } else {
                300
            };
            text::line(&pasted, most)
                .chars()
                .for_each(|c| type_text(model, InputRequest::InsertChar(c)));
        }
        Message::Pointed(pointed) => return pointed::act(model, pointed),
        Message::Changes { now, changes } => return news::take_changes(model, now, changes),
        Message::Experiments(catalogue) => {
            model.take_catalogue(catalogue);
            palette::select_awaited(model);
        }
        Message::Gone { run, why } => {
            let lines = vec![
                text::line(&why, 400),
                format!(
                    "Start {} over from the beginning? Its results stay until there are new ones.",
                    run.label()
                ),
            ];
            model.popup = Some(Popup::Question {
                lines,
                effects: vec![Effect::StartOver(run)],
            });
        }
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
        } => list::take_done(model, undo, changes, report),
        Message::WorkerLog { id, lines } => model.worker_log = Some((id, lines)),
        Message::Machine(machine) => return take_machine(model, machine),
        Message::Look { ticket, heard } => return dataset::heard(model, ticket, heard),
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
        Message::Activity(doing) => model.doing = doing,
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

/// Whether somebody did this who must see what it is done to.
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
    // What happened before the last key is no longer news; moving about wipes away nothing that fades by itself.
    if !command.is_movement() || model.report.as_ref().is_some_and(|report| !report.good) {
        model.report = None;
    }
    if matches!(model.open, Screen::Dataset(_)) && model.popup.is_none() && is_of_dataset(command) {
        return dataset::run_command(model, command);
    }
    match command {
        Command::Up
        | Command::Down
        | Command::PageUp
        | Command::PageDown
        | Command::First
        | Command::Last => {
            moves::move_selection(model, command);
        }
        Command::Left => moves::sideways(model, false),
        Command::Right => moves::sideways(model, true),
        Command::Back => {
            let mut effects = back(model);
            effects.extend(model.read_machine());
            return effects;
        }
        Command::Accept => return accept(model),
        Command::Yes => return yes(model),
        Command::Complete => return dataset::complete(model),
        Command::Filter => begin_filter(model),
        Command::Export => model.popup = Some(Popup::Export { chosen: 0 }),
        Command::Change => return editor::begin(model),
        Command::Edit => {
            return ask::experiment_file(model)
                .map(|file| Effect::Edit(file.path.clone()))
                .into_iter()
                .collect();
        }
        Command::Destination | Command::OtherText => editor::turn(model, command),
        Command::Difference => return difference::begin(model),
        Command::AllFields => difference::toggle(model),
        Command::Palette => model.popup = Some(Popup::Palette(model.palette())),
        Command::Messages => messages(model),
        Command::Help => model.popup = Some(Popup::Help { down: 0 }),
        Command::Quit => return vec![Effect::Leave],
        Command::Redraw => return vec![Effect::Repaint],
        Command::Suspend => return vec![Effect::Suspend],
        Command::Comparison(change) => return comparison::change(model, change),
        Command::Chart(command) => return charts::change(model, command),
        Command::Sort | Command::Reverse => sort(model, command),
        Command::Launch => return ask::launch(model),
        Command::LaunchAll => ask::launch_all(model),
        Command::Stop => ask::stop(model, false),
        Command::StopNow => ask::stop(model, true),
        Command::Resume => return ask::resume(model),
        Command::Queue(change) => return queue::change(model, change),
        Command::Find | Command::FindBefore | Command::FindAfter | Command::SaveLog => {
            return log::run_command(model, command);
        }
        _ if is_of_list(command) => return list::run_command(model, command),
        _ => return show_screen(model, command),
    }
    Vec::new()
}

/// Whether a key is about the rows of the list of experiments.
fn is_of_list(command: Command) -> bool {
    use Command::{
        Archive, Archived, Columns, Delete, Expand, Flat, Mark, MarkAll, Note, Tag, Undo,
    };
    matches!(
        command,
        Expand | Flat | Archived | Columns | Mark | MarkAll | Tag | Note | Archive | Delete | Undo
    )
}

fn sort(model: &mut Model, command: Command) {
    match (&model.open, command) {
        (Screen::Experiments(_), Command::Sort) => list::sort(model),
        (Screen::Experiments(_), _) => list::reverse(model),
        (_, Command::Sort) => comparison::sort(model),
        _ => comparison::reverse(model),
    }
}

/// Keys that lead to another screen, or to another part of it.
fn show_screen(model: &mut Model, command: Command) -> Vec<Effect> {
    match command {
        Command::Open => return open(model),
        Command::Dataset => return dataset::open(model),
        Command::Predict => return dataset::predict(model),
        Command::Compare => {
            let view = model.next_comparison();
            model.show(Screen::Compare(view));
        }
        Command::System => {
            model.show(Screen::System(SystemView::default()));
            return model.read_machine();
        }
        Command::Log => {
            if let Screen::Run(view) = &mut model.open {
                view.pane = Pane::Log { up: 0 };
                return vec![Effect::ReadWorkerLog(view.id.clone())];
            }
        }
        // What is left are keys of the dataset screen alone.
        _ => {}
    }
    Vec::new()
}

/// What was told so far, the newest first.
fn messages(model: &mut Model) {
    let mut lines = model.told.lines(&model.zone);
    if lines.is_empty() {
        lines.push("Nothing was told yet.".to_owned());
    }
    model.popup = Some(Popup::Text {
        title: "what happened".to_owned(),
        lines,
        down: 0,
    });
}

/// Keeps a reading of the machine, and asks for the next while its screen is open.
fn take_machine(model: &mut Model, machine: Box<Machine>) -> Vec<Effect> {
    model.reads_machine = false;
    if let Screen::System(view) = &mut model.open {
        view.machine = Some(machine);
    }
    model.read_machine()
}

/// Whether the dataset screen itself knows what to do.
fn is_of_dataset(command: Command) -> bool {
    use Command::{
        AsItIs, Augment, Down, First, Last, Left, Number, Open, PageDown, PageUp, Part, Random,
        Right, Sort, Up, View,
    };
    let moves = matches!(
        command,
        Up | Down | PageUp | PageDown | First | Last | Left | Right
    );
    moves
        || matches!(
            command,
            Open | Sort | View | Part | Number | Random | Augment | AsItIs
        )
}

fn open(model: &mut Model) -> Vec<Effect> {
    let broken = model.selected_entry().and_then(|entry| {
        let file = entry.file?;
        let problems = file.loaded.as_ref().err()?;
        let lines = problems.iter().flat_map(|problem| {
            problem
                .to_string()
                .lines()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        });
        Some((
            format!("{} cannot be used", file.stem),
            lines.collect::<Vec<_>>(),
        ))
    });
    if let Some((title, lines)) = broken.or_else(|| never_run(model)) {
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

/// What there is to say of the selected experiment when it has no run to open.
fn never_run(model: &Model) -> Option<(String, Vec<String>)> {
    let entry = model.selected_entry().filter(|entry| entry.run.is_none())?;
    let file = entry.file?;
    let mut lines: Vec<String> = entry.experiment()?.question.iter().cloned().collect();
    lines.push(format!(
        "{} has not run yet; r launches it.",
        path(&file.path)
    ));
    let missing = model.missing(file);
    if !missing.is_empty() {
        lines.extend([String::new(), "Missing on this machine:".to_owned()]);
        lines.extend(missing.iter().map(|lack| lack.text.clone()));
    }
    Some((entry.label().to_owned(), lines))
}

/// Closes the innermost thing that is open.
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
        if view.charts.cursor.take().is_some() || view.charts.alone.take().is_some() {
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
        Screen::Run(_) | Screen::System(_) | Screen::Dataset(_) => None,
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
    if matches!(left, Screen::Dataset(_)) {
        vec![Effect::EndLook]
    } else {
        Vec::new()
    }
}

fn accept(model: &mut Model) -> Vec<Effect> {
    if let Some(Popup::Inquiry(Inquiry::Extension(_))) = model.popup {
        return ask::extend(model);
    }
    if let Some(Popup::Inquiry(Inquiry::Search { .. })) = model.popup {
        log::accept(model);
        return Vec::new();
    }
    if let Some(Popup::Inquiry(_)) = model.popup {
        return dataset::accept(model);
    }
    match model.popup {
        Some(Popup::Palette(_)) => return palette::accept(model),
        Some(Popup::Editor(_)) => return editor::accept(model),
        _ => {}
    }
    if let Some(effects) = list::accept(model) {
        return effects;
    }
    if let Some(Popup::Export { chosen }) = model.popup {
        model.popup = None;
        return comparison::export(model, chosen);
    }
    if let Some(filter) = filter_mut(model) {
        // A mistake stands below the filter until it is mended.
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
    Vec::new()
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
        Screen::Run(_) | Screen::System(_) | Screen::Dataset(_) => None,
    }
}

fn begin_filter(model: &mut Model) {
    if let Some(filter) = filter_mut(model) {
        *filter = Filter::Typing(filter.query().map_or_else(Typing::default, Typing::new));
    }
}

fn type_text(model: &mut Model, request: InputRequest) {
    match &mut model.popup {
        Some(Popup::Prompt { input, .. }) => {
            input.handle(request);
            return;
        }
        Some(Popup::Palette(palette)) => return palette.handle(request),
        Some(Popup::Editor(editor)) => return editor.handle(request),
        _ => {}
    }
    if let (None, Screen::Dataset(_)) = (&model.popup, &model.open)
        && dataset::refusal(model, Command::Number).is_none()
    {
        let input = Input::default();
        model.popup = Some(Popup::Inquiry(Inquiry::Number { input }));
    }
    if let Some(Popup::Inquiry(prompt)) = &mut model.popup {
        if let Inquiry::File { candidates, .. } = prompt {
            candidates.clear();
        }
        prompt.input_mut().handle(request);
        return;
    }
    let Some(filter) = filter_mut(model) else {
        return;
    };
    if let Filter::Typing(typing) = filter {
        // Deleting what is not there leaves the filter, as in a pager.
        if typing.input.value().is_empty() && request == InputRequest::DeletePrevChar {
            *filter = Filter::Off;
        } else {
            typing.handle(request);
        }
    }
}
