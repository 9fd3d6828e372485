//! `warmstart train`

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use warmstart_runs::launcher::{self, Choice, slurm};
use warmstart_runs::queue::MOST_SLOTS;
use warmstart_runs::run::{RunDir, RunId};
use warmstart_schema::experiment::{Experiment, Problem};
use warmstart_schema::state::Status;
use warmstart_schema::text;

use super::output::Problems;
use super::{Context, Exit, experiment, follow, output};
use warmstart_runs::actions::{self, GroupLaunch, Room};
use warmstart_runs::failure::{Failure, Kind};
use warmstart_runs::groups::Plan;
use warmstart_runs::store::{ExperimentFile, ExperimentKey, Runs};
use warmstart_runs::worker::{Worker, programs};

/// Train experiments, one after the other on each device, and follow them
///
/// Ctrl-C tells the running workers to save and exit, and takes the other runs out of the queue; a second one does not wait
/// for saving. Runs continue when the terminal is lost. At the end the table of these runs is printed. Of an experiment with `seeds` or `grid`
/// all members are queued: those that are done are skipped, and those that were stopped are resumed.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Files or names of experiments
    #[arg(required = true, value_name = "EXPERIMENT")]
    names: Vec<String>,
    /// Change a field of every experiment, for example train.epochs=3
    #[arg(long, value_name = "FIELD=VALUE")]
    set: Vec<String>,
    /// Where to train: auto, cpu, cuda or cuda:N
    #[arg(long, default_value = "auto", value_parser = device)]
    device: String,
    /// How many runs a device takes at a time, from now on and for every run in the queue [default: as it was, at first 1]
    #[arg(
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_SLOTS))
    )]
    slots: Option<u32>,
    /// Only start the runs; print their ids
    #[arg(long)]
    detach: bool,
    /// With Slurm: print the script of each job, and send and create nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Serialize)]
struct Launched<'a> {
    run: &'a RunId,
    experiment: &'a str,
}

/// An experiment that the command line names.
struct Named {
    file: ExperimentFile,
    experiment: Experiment,
    /// The file that `init: {from: …}` names.
    source: Option<PathBuf>,
}

/// The result of all launches.
#[derive(Default)]
struct Launches {
    /// New and resumed runs, each with the stem of its file.
    launched: Vec<(RunId, String)>,
    /// Members of groups that are already queued or at work.
    busy: Vec<RunId>,
    /// Members of groups that have nothing left to train.
    done: Vec<RunId>,
    /// The exit code of a launch that failed after others.
    failed: Option<Exit>,
}

pub(super) fn train(context: &Context, arguments: &Arguments) -> anyhow::Result<Exit> {
    context.ensure_launcher()?;
    let files = load(context, arguments)?;
    let (watcher, runs) = context.runs();
    for (index, named) in files.iter().enumerate() {
        let before = files[..index].iter().map(|named| &named.file);
        ensure_source(&named.experiment, named.source.as_deref(), before, &runs)?;
    }
    for named in &files {
        ensure_room(context, &named.file, &named.experiment)?;
    }
    Worker::find()?;
    if arguments.dry_run {
        return dry_run(context, &runs, &files);
    }
    for named in &files {
        output::note_job(context, named.file.label(), Some(&named.experiment));
    }
    let signals = (!arguments.detach).then(follow::listen).transpose()?;
    if let Some(slots) = arguments.slots {
        for failed in actions::waiting::set_slots(&context.checkpoints, slots)? {
            output::warn(context, &failed.to_string());
        }
    }
    let launches = launch_all(context, arguments, &files, &runs)?;
    output::warn_of_session(context);
    output::warn_if_paused(context);
    let Some(signals) = signals else {
        answer(context, &launches.launched)?;
        return Ok(launches.failed.unwrap_or(Exit::Done));
    };
    let started = launches.launched.into_iter().map(|(id, _)| id);
    let mut followed: Vec<RunId> = started.chain(launches.busy).collect();
    if followed.is_empty() {
        followed = launches.done;
    }
    let exit = follow::follow(context, signals, (watcher, runs), followed)?;
    Ok(launches
        .failed
        .filter(|_| exit == Exit::Done)
        .unwrap_or(exit))
}

/// Prints the ids of new and resumed runs.
fn answer(context: &Context, launched: &[(RunId, String)]) -> anyhow::Result<()> {
    if context.json {
        let list = launched
            .iter()
            .map(|(run, experiment)| Launched { run, experiment });
        return output::answer_json(&list.collect::<Vec<_>>());
    }
    let lines = launched.iter().map(|(id, _)| format!("{id}\n"));
    output::answer(&lines.collect::<String>())
}

/// Launches all, up to the first that fails. The error of a launch is returned only if no run has started.
fn launch_all(
    context: &Context,
    arguments: &Arguments,
    files: &[Named],
    runs: &Runs,
) -> anyhow::Result<Launches> {
    let mut all = Launches::default();
    for (index, named) in files.iter().enumerate() {
        let plan = Plan::of(&named.file, runs);
        if let Some(plan) = &plan {
            let label = named.file.label();
            output::note(context, &format!("{label}, {}", plan.in_words()));
            all.busy.extend(plan.busy().map(|run| run.id.clone()));
            all.done.extend(plan.done().map(|run| run.id.clone()));
        }
        let (before, wanted) = (all.launched.len(), plan.as_ref().map(Plan::queued));
        let launch = launch(context, arguments, named, plan, &mut all.launched);
        let Err(error) = launch else {
            continue;
        };
        if all.launched.is_empty() {
            return Err(error);
        }
        let mut rest: Vec<String> = files[index..]
            .iter()
            .map(|named| named.file.stem.clone())
            .collect();
        let members = all.launched.len() - before;
        if let Some(wanted) = wanted.filter(|_| members > 0) {
            rest[0] = format!("{} ({} of {wanted} members)", rest[0], wanted - members);
        }
        output::error(context, &format!("not launched: {}", rest.join(", ")));
        all.failed = Some(output::explain(context, &error));
        break;
    }
    Ok(all)
}

/// Prints the scripts that Slurm would get.
fn dry_run(context: &Context, known: &Runs, files: &[Named]) -> anyhow::Result<Exit> {
    let Choice::Slurm(asked) = launcher::chosen() else {
        let what =
            "--dry-run prints what Slurm would get, and these runs would start on this machine";
        return Err(Failure::new(Kind::Input, what)
            .help("add --launcher slurm")
            .into());
    };
    let programs = programs()?;
    let mut text = String::new();
    for Named {
        file, experiment, ..
    } in files
    {
        // A member that is done or busy is not sent.
        let runs = Plan::of(file, known).map_or(1, |plan| plan.queued());
        if runs == 0 {
            let what = format!("{}: every member is done or queued", file.label());
            output::note(context, &what);
            continue;
        }
        let names = (1..=runs).map(|number| {
            // The runs have no ids yet.
            if runs == 1 {
                "RUN".to_owned()
            } else {
                format!("RUN-{number}")
            }
        });
        let folder = |name| {
            Ok(RunDir::new(std::path::absolute(
                context.checkpoints.join(name),
            )?))
        };
        let runs = names.map(folder).collect::<std::io::Result<Vec<_>>>()?;
        let script = slurm::script(&runs, &programs, &asked.with(&experiment.slurm))?;
        text += &["# ", file.label(), "\n", &script].concat();
    }
    output::answer(&text)?;
    Ok(Exit::Done)
}

/// Launches an experiment, or what its plan says of its members. Adds the runs, each with the stem of its file.
fn launch(
    context: &Context,
    arguments: &Arguments,
    named: &Named,
    plan: Option<Plan>,
    launched: &mut Vec<(RunId, String)>,
) -> anyhow::Result<()> {
    let (root, device) = (&context.checkpoints, &arguments.device);
    let (file, source) = (&named.file, named.source.as_deref());
    let Some(Plan(steps)) = plan else {
        let id = actions::launch(root, file, &named.experiment, source, device)?;
        launched.push((id, file.stem.clone()));
        return Ok(());
    };
    let GroupLaunch { queued, failed } = actions::launch_group(root, file, &steps, source, device)?;
    launched.extend(queued.into_iter().map(|id| (id, file.stem.clone())));
    let mut failed = failed.into_iter();
    let Some(first) = failed.next() else {
        return Ok(());
    };
    // The first is the error of the launch. Often all have one cause.
    let mut said = vec![format!("{first:#}")];
    for other in failed.map(|other| format!("{other:#}")) {
        if !said.contains(&other) {
            output::warn(context, &other);
            said.push(other);
        }
    }
    Err(first)
}

/// All experiments, those to start from first; or, before any run starts, all problems of all files.
fn load(context: &Context, arguments: &Arguments) -> anyhow::Result<Vec<Named>> {
    let named = arguments
        .names
        .iter()
        .map(|name| experiment::named(context, name, &arguments.set));
    let mut files: Vec<ExperimentFile> = named.collect::<anyhow::Result<_>>()?;
    let sources = experiment::find_sources(context, &mut files);
    let mut good: Vec<Named> = Vec::new();
    let mut problems: Vec<Problem> = Vec::new();
    for (file, source) in files.into_iter().zip(sources) {
        // A second launch of a group would start its members twice.
        let is_repeated =
            |named: &Named| file.group.is_some() && named.file.full_path == file.full_path;
        match file.loaded.clone() {
            Ok(_) if good.iter().any(is_repeated) => {
                let label = file.label();
                output::note(
                    context,
                    &format!("{label} is named twice and launched once"),
                );
            }
            Ok(experiment) => good.push(Named {
                file,
                experiment,
                source,
            }),
            // Report a mistake in `--set` once, not for every file.
            Err(found) if found.iter().all(|problem| problems.contains(problem)) => {}
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() {
        Ok(sources_first(good))
    } else {
        Err(Problems(problems).into())
    }
}

/// Puts an experiment before those that start from it, so that they wait for it. Keeps the order otherwise.
fn sources_first(mut files: Vec<Named>) -> Vec<Named> {
    let mut ordered = Vec::with_capacity(files.len());
    while !files.is_empty() {
        let is_free = |named: &Named| {
            !files.iter().any(|other| {
                other.file.full_path != named.file.full_path
                    && Some(&other.file.full_path) == named.source.as_ref()
            })
        };
        // In a circle, one must be first.
        let next = files.iter().position(is_free).unwrap_or(0);
        ordered.push(files.remove(next));
    }
    ordered
}

/// Checks that an experiment with `init` finds a finished run to start from, or one that runs before it.
pub(super) fn ensure_source<'a>(
    experiment: &Experiment,
    source: Option<&Path>,
    mut before: impl Iterator<Item = &'a ExperimentFile>,
    runs: &Runs,
) -> Result<(), Failure> {
    let (Some(init), Some(source)) = (&experiment.init, source) else {
        return Ok(());
    };
    let is_usable =
        |status: Status| matches!(status, Status::Finished | Status::Queued(_)) || status.is_live();
    let key = ExperimentKey::File(source.to_path_buf());
    if before.any(|file| file.full_path == source)
        || runs.all_of(&key).any(|run| is_usable(run.status()))
    {
        return Ok(());
    }
    let from = text::line(&init.from, 200);
    let what = format!(
        "{} starts from the best checkpoint of `{from}`, which has no run that is done",
        experiment.name
    );
    Err(Failure::new(Kind::NotFound, what).help(format!(
        "train `{from}` first, or name both: it is waited for"
    )))
}

/// Warns if the disk is too small for all saves of a run; refuses if it is too small for one.
fn ensure_room(
    context: &Context,
    file: &ExperimentFile,
    experiment: &Experiment,
) -> anyhow::Result<()> {
    match actions::room(&context.checkpoints, experiment) {
        Room::Enough => Ok(()),
        Room::Scarce(what) => {
            output::warn(context, &format!("{}: {what}", file.label()));
            Ok(())
        }
        Room::None(what) => Err(
            Failure::new(Kind::Disk, format!("{}: {what}", file.label()))
                .help("make room, or name a folder on another disk with --checkpoints")
                .into(),
        ),
    }
}

pub(super) fn device(text: &str) -> Result<String, String> {
    let is_index = |index: &str| {
        !index.is_empty() && index.len() <= 3 && index.bytes().all(|byte| byte.is_ascii_digit())
    };
    let valid =
        matches!(text, "auto" | "cpu" | "cuda") || text.strip_prefix("cuda:").is_some_and(is_index);
    if valid {
        Ok(text.to_owned())
    } else {
        Err("expected auto, cpu, cuda or cuda:N".to_owned())
    }
}
