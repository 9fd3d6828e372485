//! What starts and stops runs: refused with a reason, asked about where something could be lost or surprise, or done.

use warmstart_runs::run::source_stem;
use warmstart_schema::state::Status;

use crate::effect::Effect;
use crate::format::plural;
use crate::layout::shows_whole_question;
use crate::message::Command;
use crate::model::{Entry, Extension, Filter, Inquiry, Kind, Model, Popup, Screen};
use warmstart_runs::store::{ExperimentFile, Run};

/// Why a command can do nothing here and now; the foot of the screen shows only commands without a reason.
pub fn refusal(model: &Model, command: Command) -> Option<String> {
    let status = model.run().map(Run::status);
    let name = || model.run().map_or("there", Run::label).to_owned();
    match command {
        Command::Open if !matches!(model.open, Screen::Dataset(_)) => {
            let nothing = model.run().is_none() && model.selected_entry().is_none();
            nothing.then(|| "nothing is selected".to_owned())
        }
        Command::Edit => experiment_file(model).err(),
        Command::Launch | Command::Change => launchable(model).err(),
        Command::Difference => super::difference::target(model)
            .is_none()
            .then(|| "there is no experiment here to compare".to_owned()),
        Command::LaunchAll => model
            .groups
            .is_empty()
            .then(|| "there is no experiment to launch".to_owned()),
        // The question says which of them can be.
        Command::Stop | Command::StopNow if model.targets().len() > 1 => None,
        Command::Stop | Command::StopNow => match status {
            Some(Status::Stopping) if command == Command::StopNow => None,
            Some(Status::Stopping) => Some(format!(
                "{} is stopping already; S stops it without saving",
                name()
            )),
            Some(status) if status.is_live() || matches!(status, Status::Queued(_)) => None,
            Some(status) => Some(format!(
                "nothing to stop: {} is {}",
                name(),
                status.as_str()
            )),
            None => Some("nothing to stop: no run yet".to_owned()),
        },
        Command::Resume => match status {
            Some(Status::Finished) => model.run().and_then(|run| Extension::of(run).err()),
            Some(status) if status.is_resumable() => None,
            Some(Status::Queued(_)) if model.live().next().is_none() => None,
            Some(Status::Unreadable) => model
                .run()
                .and_then(|run| run.trouble(model.now))
                .map(|trouble| format!("{} {}", name(), trouble.what)),
            Some(status) => Some(format!(
                "nothing to resume: {} is {}",
                name(),
                status.as_str()
            )),
            None => Some("nothing to resume: no run yet".to_owned()),
        },
        Command::Yes => {
            let Some(Popup::Question { lines, effects }) = &model.popup else {
                return None;
            };
            if effects.is_empty() {
                return Some("there is nothing to say yes to; n goes back".to_owned());
            }
            (!shows_whole_question(lines, model.size))
                .then(|| "the question is cut off; n goes back".to_owned())
        }
        Command::Queue(change) => super::queue::refusal(model, change),
        Command::Find | Command::FindBefore | Command::FindAfter | Command::SaveLog => {
            super::log::refusal(model, command)
        }
        Command::Export | Command::Compare => model
            .runs
            .is_empty()
            .then(|| "there is no run to compare yet; r launches one".to_owned()),
        Command::Chart(_) => {
            let none = model
                .run()
                .is_none_or(|run| run.state.epochs.is_empty() && run.state.batches.is_empty());
            none.then(|| "there are no figures yet".to_owned())
        }
        Command::Dataset
        | Command::Predict
        | Command::View
        | Command::Part
        | Command::Number
        | Command::Random
        | Command::Augment
        | Command::AsItIs
        | Command::Complete => super::dataset::refusal(model, command),
        Command::Back if model.popup.is_none() && model.below.is_empty() => {
            let filtered = model
                .filter()
                .is_some_and(|filter| !matches!(filter, Filter::Off));
            let marked =
                matches!(&model.open, Screen::Experiments(list) if !list.marked.is_empty());
            (!filtered && !marked).then(|| "this is the first screen; q leaves".to_owned())
        }
        command => super::list::refusal(model, command),
    }
}

/// The experiment that a launch here would start.
fn launchable(model: &Model) -> Result<&ExperimentFile, String> {
    let file = experiment_file(model)?;
    match file.loaded {
        Ok(_) => Ok(file),
        Err(_) => Err(format!("{}.yaml has a mistake; enter shows it", file.stem)),
    }
}

/// The file of the experiment that keys are about.
pub fn experiment_file(model: &Model) -> Result<&ExperimentFile, String> {
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
        Screen::Run(_) | Screen::Compare(_) | Screen::System(_) | Screen::Dataset(_) => {
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

pub fn launch(model: &mut Model) -> Vec<Effect> {
    let hazard = model.hazard.take();
    let Ok(file) = launchable(model) else {
        return Vec::new();
    };
    let (label, obstacles) = (file.label().to_owned(), model.obstacles(file));
    let busy = model
        .runs
        .latest_of(&file.home())
        .map(Run::status)
        .filter(|status| is_busy(*status));
    let effects = vec![Effect::Launch(file.clone())];
    let mut lines = Vec::new();
    if let Some(status) = busy {
        lines.push(format!("A run of {label} is {} already.", status.as_str()));
    }
    if !obstacles.is_empty() {
        lines.push(format!("{label} will not get far here:"));
        lines.extend(obstacles.into_iter().map(str::to_owned));
    }
    lines.extend(hazard);
    if lines.is_empty() {
        return effects;
    }
    lines.push("Launch it all the same?".to_owned());
    model.popup = Some(Popup::Question { lines, effects });
    Vec::new()
}

fn is_busy(status: Status) -> bool {
    status.is_live() || matches!(status, Status::Queued(_))
}

/// Asks about launching every experiment shown that can run and does not run already, each after what it starts from.
pub fn launch_all(model: &mut Model) {
    let hazard = model.hazard.take();
    let mut entries = model.shown_entries();
    entries.retain(|entry| entry.kind == Kind::Experiment);
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
    let files: Vec<&ExperimentFile> = usable
        .iter()
        .filter(|entry| !lacks(model, entry) && !entry.status().is_some_and(is_busy))
        .filter_map(|entry| entry.file)
        .collect();
    let first = match files.len() {
        0 if entries.is_empty() => {
            "There is nothing to launch among runs; v shows experiments.".to_owned()
        }
        0 => "There is nothing to launch.".to_owned(),
        number => format!(
            "Launch {}, one run a device at a time?",
            plural(number, "experiment")
        ),
    };
    let mut lines = vec![first];
    lines.extend((busy > 0).then(|| format!("{busy} left out: running or queued already")));
    lines.extend(
        (lacking > 0)
            .then(|| format!("{lacking} left out: data or weights are missing on this machine")),
    );
    lines.extend((broken > 0).then(|| format!("{broken} left out: a mistake in the file")));
    lines.extend(hazard);
    let effects: Vec<Effect> = in_order(files)
        .into_iter()
        .cloned()
        .map(Effect::Launch)
        .collect();
    model.popup = Some(Popup::Question { lines, effects });
}

/// What would have to be fetched first is launched one by one: who launches all does not ask for a download of hundreds of
/// megabytes, or for a study that takes a GPU a day.
fn lacks(model: &Model, entry: &Entry) -> bool {
    entry
        .file
        .is_some_and(|file| !model.missing(file).is_empty())
}

/// Each experiment after the one whose weights it starts from; otherwise as they stand.
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
                files
                    .iter()
                    .any(|other| other.stem == source_stem(&init.from) && other.place != file.place)
            })
        };
        // A circle has no first one: then the order is as good as any.
        let next = files.iter().position(|file| !waits(file)).unwrap_or(0);
        ordered.push(files.remove(next));
    }
    ordered
}

pub fn stop(model: &mut Model, now: bool) {
    if model.targets().len() > 1 {
        return stop_marked(model, now);
    }
    let Some(run) = model.run() else { return };
    let (label, id) = (run.label(), &run.id);
    let lines = match (run.status(), now) {
        (Status::Queued(_), _) => vec![format!("Take {label} ({id}) out of the queue?")],
        (_, false) => vec![
            format!("Stop {label} ({id})?"),
            "It saves first, and u resumes it later.".to_owned(),
        ],
        (_, true) => {
            let kept = match &run.state.checkpoint {
                Some((_, checkpoint)) => {
                    format!("What it learnt since epoch {} is lost.", checkpoint.epoch)
                }
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

/// Stops those of the marked runs that can be stopped.
fn stop_marked(model: &mut Model, now: bool) {
    let can_stop = |run: &&Run| run.status().is_live() || matches!(run.status(), Status::Queued(_));
    let runs: Vec<&Run> = model.targets().into_iter().filter(can_stop).collect();
    let how = if now {
        "without saving"
    } else {
        "and keep what they have learnt"
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

pub fn resume(model: &mut Model) -> Vec<Effect> {
    let Some(run) = model.run() else {
        return Vec::new();
    };
    match run.status() {
        Status::Queued(_) => vec![Effect::Advance],
        Status::Finished if !run.state.awaits_change => {
            model.popup = Extension::of(run)
                .ok()
                .map(|extension| Popup::Inquiry(Inquiry::Extension(extension)));
            Vec::new()
        }
        _ => vec![Effect::Resume {
            run: Box::new(without_points(run)),
            changes: Vec::new(),
        }],
    }
}

/// Takes what was typed as a run's new number of epochs; a mistake stands there until it is mended.
pub fn extend(model: &mut Model) -> Vec<Effect> {
    let Some(Popup::Inquiry(Inquiry::Extension(extension))) = &model.popup else {
        return Vec::new();
    };
    let Ok(change) = extension.change() else {
        return Vec::new();
    };
    let run = model.runs.get(&extension.run).map(without_points);
    model.popup = None;
    run.map(|run| Effect::Resume {
        run: Box::new(run),
        changes: vec![change],
    })
    .into_iter()
    .collect()
}

/// A run as actions need it: its curve can be long and is left behind.
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
        annotation: run.annotation.clone(),
    }
}
