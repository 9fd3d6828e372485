//! Starts and stops runs. Asks first if something could be lost or is unexpected.

use warmstart_runs::groups::Plan;
use warmstart_runs::run::source_stem;
use warmstart_schema::state::Status;

use crate::available::launchable;
use crate::command::{Command, ListCommand, TrainingCommand};
use crate::effect::Effect;
use crate::format::plural;
use crate::model::{Entry, Extension, InputPrompt, Kind, Model, Popup};
use warmstart_runs::store::{ExperimentFile, Run};

const RESUME: Command = Command::Training(TrainingCommand::Resume);

pub(super) fn run_command(model: &mut Model, command: TrainingCommand) -> Vec<Effect> {
    match command {
        TrainingCommand::Launch => return launch(model),
        TrainingCommand::LaunchAll => launch_all(model),
        TrainingCommand::Stop => stop(model, false),
        TrainingCommand::StopNow => stop(model, true),
        TrainingCommand::Resume => return resume(model),
    }
    Vec::new()
}

fn launch(model: &mut Model) -> Vec<Effect> {
    let hazard = model.hazard.take();
    let Ok(file) = launchable(model) else {
        return Vec::new();
    };
    let (label, obstacles) = (file.label().to_owned(), model.obstacles(file));
    let busy = model
        .runs
        .latest_of(&file.experiment_key())
        .map(Run::status)
        .filter(|status| is_busy(*status));
    let effects = vec![Effect::Launch(file.clone())];
    let mut lines = Vec::new();
    let plan = Plan::of(file, &model.runs);
    if let Some(plan) = &plan {
        lines.push(format!("{label}, {}.", plan.in_words()));
        if plan.queued() == 0 && !plan.has_round() {
            lines.push("There is nothing to launch.".to_owned());
            model.hazard = hazard;
            model.popup = Some(Popup::Question {
                lines,
                effects: Vec::new(),
            });
            return Vec::new();
        }
    } else if let Some(status) = busy {
        lines.push(format!("A run of {label} is {} already.", status.as_str()));
    }
    if !obstacles.is_empty() {
        lines.push(format!("{label} will fail here:"));
        lines.extend(obstacles.into_iter().map(str::to_owned));
    }
    lines.extend(hazard);
    let is_odd = !lines.is_empty();
    lines.extend(model.launcher.request(file.loaded.as_ref().ok()));
    if lines.is_empty() {
        return effects;
    }
    let question = match plan {
        Some(plan) if plan.queued() == 0 => "Halve the group, if no run is missing?".to_owned(),
        Some(plan) => format!("Queue {}?", plural(plan.queued(), "run")),
        None if is_odd => "Launch it anyway?".to_owned(),
        None => format!("Send {label}?"),
    };
    lines.push(question);
    model.popup = Some(Popup::Question { lines, effects });
    Vec::new()
}

fn is_busy(status: Status) -> bool {
    status.is_live() || matches!(status, Status::Queued(_))
}

/// Asks whether to launch every shown experiment of a group that can run and is not live, each after the one that it starts from.
/// The group is that of the selected row, or the first one where something can start.
fn launch_all(model: &mut Model) {
    let hazard = model.hazard.take();
    let mut entries = model.shown_entries();
    entries.retain(|entry| entry.kind == Kind::Experiment);
    let group = model.selected_entry().map_or("", |entry| entry.group);
    let starts = |entry: &&Entry| {
        let is_valid = entry.file.is_some_and(|file| file.loaded.is_ok());
        is_valid && !lacks(model, entry) && !entry.status().is_some_and(is_busy)
    };
    let of_group = entries
        .iter()
        .find(|entry| entry.group == group && starts(entry));
    let first = of_group.or_else(|| entries.iter().find(starts));
    let group = first.map_or(group, |entry| entry.group);
    entries.retain(|entry| entry.group == group);
    let usable: Vec<&Entry> = entries
        .iter()
        .filter(|entry| entry.file.is_some_and(|file| file.loaded.is_ok()))
        .collect();
    let broken = entries
        .iter()
        .filter(|entry| entry.file.is_some_and(|file| file.loaded.is_err()))
        .count();
    let busy = usable
        .iter()
        .filter(|entry| entry.status().is_some_and(is_busy))
        .count();
    let lacking = usable
        .iter()
        .filter(|entry| lacks(model, entry) && !entry.status().is_some_and(is_busy))
        .count();
    let mut files: Vec<&ExperimentFile> = usable
        .iter()
        .filter(|entry| !lacks(model, entry) && !entry.status().is_some_and(is_busy))
        .filter_map(|entry| entry.file)
        .collect();
    let queued =
        |file: &ExperimentFile| Plan::of(file, &model.runs).map_or(1, |plan| plan.queued());
    let before = files.len();
    files.retain(|file| queued(file) > 0);
    let done = before - files.len();
    let runs: usize = files.iter().map(|file| queued(file)).sum();
    let first = match files.len() {
        0 if entries.is_empty() => {
            let show = Command::List(ListCommand::Flat);
            let show = model.key_hint(show, "shows experiments");
            format!("There is nothing to launch among runs{show}.")
        }
        0 => format!("There is nothing to launch in the group {group}."),
        number if runs > number => format!(
            "Launch {} ({}) of the group {group}?",
            plural(number, "experiment"),
            plural(runs, "run")
        ),
        number => format!(
            "Launch {} of the group {group}?",
            plural(number, "experiment")
        ),
    };
    let mut lines = vec![first];
    lines.extend((runs > 1).then(|| "Each run waits until its device is free.".to_owned()));
    lines.extend((done > 0).then(|| format!("{done} skipped: every member is done or queued")));
    lines.extend((busy > 0).then(|| format!("{busy} skipped: running or queued already")));
    lines.extend(
        (lacking > 0)
            .then(|| format!("{lacking} skipped: data or weights are missing on this machine")),
    );
    lines.extend((broken > 0).then(|| format!("{broken} skipped: a mistake in the file")));
    lines.extend(hazard);
    lines.extend(requests(model, &files));
    let effects: Vec<Effect> = in_order(files)
        .into_iter()
        .cloned()
        .map(Effect::Launch)
        .collect();
    model.popup = Some(Popup::Question { lines, effects });
}

/// What is sent for these experiments, where a launcher sends requests: one line where all are alike.
fn requests(model: &Model, files: &[&ExperimentFile]) -> Vec<String> {
    let request = |file: &&ExperimentFile| model.launcher.request(file.loaded.as_ref().ok());
    let mut all: Vec<String> = files.iter().filter_map(request).collect();
    all.dedup();
    if all.len() > 1 {
        let line = |file: &&ExperimentFile| Some(format!("{}: {}", file.label(), request(file)?));
        all = files.iter().filter_map(line).collect();
    }
    all
}

/// "Launch all" skips experiments that need a download: the user did not ask for hundreds of
/// megabytes, or for a study that occupies a GPU for a day.
fn lacks(model: &Model, entry: &Entry) -> bool {
    entry
        .file
        .is_some_and(|file| !model.missing(file).is_empty())
}

/// Puts each experiment after the one whose weights it starts from and otherwise keeps the order.
fn in_order(mut files: Vec<&ExperimentFile>) -> Vec<&ExperimentFile> {
    let mut ordered: Vec<&ExperimentFile> = Vec::new();
    while !files.is_empty() {
        let waits = |file: &ExperimentFile| {
            let from = file
                .loaded
                .as_ref()
                .ok()
                .and_then(|experiment| experiment.init.as_ref());
            from.is_some_and(|init| {
                files.iter().any(|other| {
                    other.stem == source_stem(&init.from) && other.full_path != file.full_path
                })
            })
        };
        // A cycle has no first element, so take any.
        let next = files.iter().position(|file| !waits(file)).unwrap_or(0);
        ordered.push(files.remove(next));
    }
    ordered
}

fn stop(model: &mut Model, now: bool) {
    let run = match model.targets()[..] {
        [] => return,
        [run] => run,
        _ => return stop_marked(model, now),
    };
    let (label, id) = (run.label(), &run.id);
    let lines = match (run.status(), now) {
        (Status::Queued(_), _) => vec![format!("Take {label} ({id}) out of the queue?")],
        (_, false) => vec![
            format!("Stop {label} ({id})?"),
            format!("It saves first{}.", model.key_hint(RESUME, "resumes it")),
        ],
        (_, true) => {
            let kept = match run.state.checkpoint_place() {
                Some(place) => format!("It loses everything since {place}."),
                None => "It has no checkpoint yet: all of it is lost.".to_owned(),
            };
            vec![format!("Stop {label} ({id}) without saving?"), kept]
        }
    };
    let effects = vec![Effect::Stop {
        run: Box::new(without_points(run)),
        now,
    }];
    model.popup = Some(Popup::Question { lines, effects });
}

/// Stops the marked runs that can be stopped.
fn stop_marked(model: &mut Model, now: bool) {
    let can_stop = |run: &&Run| is_busy(run.status());
    let runs: Vec<&Run> = model.targets().into_iter().filter(can_stop).collect();
    let how = if now {
        "without saving"
    } else {
        "after saving"
    };
    let lines = match runs.len() {
        0 => vec!["None of the marked runs is running or queued.".to_owned()],
        number => vec![format!("Stop {} {how}?", plural(number, "run"))],
    };
    let effects = runs
        .into_iter()
        .map(|run| Effect::Stop {
            run: Box::new(without_points(run)),
            now,
        })
        .collect();
    model.popup = Some(Popup::Question { lines, effects });
}

fn resume(model: &mut Model) -> Vec<Effect> {
    let Some(run) = model.run() else {
        return Vec::new();
    };
    match run.status() {
        Status::Queued(_) => vec![Effect::Advance],
        Status::Finished if !run.state.awaits_change => {
            model.popup = Extension::of(run)
                .ok()
                .map(|extension| Popup::Input(InputPrompt::Extension(extension)));
            Vec::new()
        }
        _ => {
            let (question, request) = (
                format!("Resume {} ({})?", run.label(), run.id),
                model.launcher.request(run.experiment.as_deref()),
            );
            let effect = Effect::Resume {
                run: Box::new(without_points(run)),
                changes: Vec::new(),
            };
            after_request(model, question, request, effect)
        }
    }
}

/// The effect; where a launcher sends a request for it, first a question that shows the request.
fn after_request(
    model: &mut Model,
    question: String,
    request: Option<String>,
    effect: Effect,
) -> Vec<Effect> {
    let Some(request) = request else {
        return vec![effect];
    };
    model.popup = Some(Popup::Question {
        lines: vec![question, request],
        effects: vec![effect],
    });
    Vec::new()
}

/// Accepts the new number of epochs, unless it has a mistake.
pub(super) fn extend(model: &mut Model) -> Vec<Effect> {
    let Some(Popup::Input(InputPrompt::Extension(extension))) = &model.popup else {
        return Vec::new();
    };
    let Ok(change) = extension.change() else {
        return Vec::new();
    };
    let Some(run) = model.runs.get(&extension.run) else {
        model.popup = None;
        return Vec::new();
    };
    let (question, request) = (
        format!("Extend {} ({}): {change}?", run.label(), run.id),
        model.launcher.request(run.experiment.as_deref()),
    );
    let effect = Effect::Resume {
        run: Box::new(without_points(run)),
        changes: vec![change],
    };
    model.popup = None;
    after_request(model, question, request, effect)
}

/// A copy without its curves, which may be long. Its state has only what `actions::resume` and `actions::stop` read: add here what
/// they read in addition.
fn without_points(run: &Run) -> Run {
    let state = warmstart_schema::state::RunState {
        attempt: run.state.attempt.clone(),
        checkpoint: run.state.checkpoint.clone(),
        outcome: run.state.outcome.clone(),
        phase: run.state.phase,
        stopping: run.state.stopping,
        awaits_change: run.state.awaits_change,
        starts_over: run.state.starts_over,
        last_event: run.state.last_event,
        ..Default::default()
    };
    Run {
        id: run.id.clone(),
        info: run.info.clone(),
        experiment: run.experiment.clone(),
        state: Box::new(state),
        is_summary: run.is_summary,
        liveness: run.liveness,
        standing: run.standing.clone(),
        annotation: run.annotation.clone(),
    }
}
