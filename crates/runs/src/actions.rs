//! What a user does to runs: launch, resume, stop. Dashboard and command line call the same functions.

pub mod waiting;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fs, io, thread};

use crate::change;
use crate::checkpoint;
use crate::launcher::{self, Programs, Request};
use crate::queue::{Entry, Failed, Push, Queue, Task};
use crate::run::{Launch, RunDir, RunId, RunInfo, source_stem};
use crate::storage::{Disk, Storage as _};
use anyhow::Context;
use warmstart_schema::annotation::Annotation;
use warmstart_schema::architecture::ParamCounts;
use warmstart_schema::experiment::{Experiment, Init, Optimizer, Train};
use warmstart_schema::state::Status;

use crate::failure::{Failure, Kind};
use crate::groups::Step;
use crate::member::MemberOf;
use crate::params;
use crate::store::{ExperimentFile, Run};
use crate::worker::{does_not_start, programs};

/// How long a resume waits for the monitor to exit after the run's end, and how often it checks.
const LEAVING: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// How a run is resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResumeFrom {
    /// From its last checkpoint, or from the beginning if it has none.
    Checkpoint,
    /// From the beginning, even if it has checkpoints; those are kept.
    Start,
}

/// The result of a stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// It only waited. It is out of the queue; its folder is deleted if it had never started.
    Unqueued,
    /// Its worker got the request, and logs when it has saved.
    Asked,
    /// Its worker got the request and was suspended, so it was continued too.
    Continued,
}

/// Creates a run of an experiment, and starts or queues it.
pub fn launch(
    root: &Path,
    file: &ExperimentFile,
    experiment: &Experiment,
    init_file: Option<&Path>,
    device: &str,
) -> anyhow::Result<RunId> {
    let programs = programs()?;
    let id = queue_new(root, (file, experiment), init_file, device, None)?;
    begin(root, &id, &programs)
        .inspect_err(|_| discard_if_never_started(&RunDir::of(root, &id)))?;
    Ok(id)
}

/// Creates a run, and adds it to the queue without starting it.
fn queue_new(
    root: &Path,
    (file, experiment): (&ExperimentFile, &Experiment),
    init_file: Option<&Path>,
    device: &str,
    member: Option<&MemberOf>,
) -> anyhow::Result<RunId> {
    let launch = Launch {
        experiment,
        source: &file.path,
        device,
    };
    let (run, info) = RunDir::create_member(root, &launch, init_file, member)
        .map_err(|error| unwritable(root, &error))?;
    let after = experiment
        .init
        .as_ref()
        .map(|init| source_name(init, init_file));
    if let Err(error) = launcher::assign(&run, launcher::chosen(), &experiment.slurm) {
        discard_if_never_started(&run);
        return Err(unwritable(root, &error).into());
    }
    let slot = launcher::of_run(&run).slot(device, experiment.train.devices);
    let entry = Entry::of(&info, slot, after);
    // No other process knows the new run.
    match Queue::new(root).push(entry) {
        Ok(_) => Ok(info.id),
        Err(error) => {
            discard_if_never_started(&run);
            Err(unwritable(root, &error).into())
        }
    }
}

/// The result of a group's launch.
#[derive(Debug, Default)]
pub struct GroupLaunch {
    /// The runs that were added to the queue, in order.
    pub queued: Vec<RunId>,
    /// Why a run could not be added or started. Runs that come after one that could not be added are not launched.
    pub failed: Option<anyhow::Error>,
}

/// Does the steps of a group's launch: first adds all runs to the queue, then starts what can start, so that a launcher can start
/// them together.
pub fn launch_group(
    root: &Path,
    file: &ExperimentFile,
    steps: &[Step],
    init_file: Option<&Path>,
    device: &str,
) -> anyhow::Result<GroupLaunch> {
    let programs = programs()?;
    let (mut launch, mut members) = (GroupLaunch::default(), Vec::new());
    for step in steps {
        let queued = match step {
            Step::Launch(member, of) => {
                let named = (file, &member.experiment);
                queue_new(root, named, init_file, device, Some(of))
            }
            Step::Resume(run) => {
                queue_resume(root, run, &[], ResumeFrom::Checkpoint).map(|()| run.id.clone())
            }
            Step::Waits(run)
            | Step::Halved(run)
            | Step::Done(run)
            | Step::Busy(run)
            | Step::Unreadable(run) => {
                members.push(run.id.clone());
                continue;
            }
        };
        match queued {
            Ok(id) => {
                members.push(id.clone());
                launch.queued.push(id);
            }
            Err(error) => {
                launch.failed = Some(error);
                break;
            }
        }
    }
    let is_halved = file.group.as_ref().is_some_and(|it| it.rounds.is_some());
    // Members that could not be added are missing: the group waits for the next launch.
    if is_halved && launch.failed.is_none() {
        Queue::new(root)
            .halve(members)
            .map_err(|error| unwritable(root, &error))?;
    }
    match start(root, &programs, &launch.queued) {
        Ok(failed) => {
            for Failed { run, error, .. } in failed {
                launch.queued.retain(|queued| *queued != run);
                discard_if_never_started(&RunDir::of(root, &run));
                let error = not_started(&programs, error);
                launch.failed.get_or_insert(error);
            }
        }
        Err(error) => {
            launch.failed.get_or_insert(error);
        }
    }
    Ok(launch)
}

/// Resumes a run from its last checkpoint, after changes by `FIELD=VALUE`s. A finished run needs changes that extend it.
pub fn resume(root: &Path, run: &Run, changes: &[String]) -> anyhow::Result<()> {
    resume_from(root, run, changes, ResumeFrom::Checkpoint)
}

/// Resumes a run from its last checkpoint or from the beginning.
pub fn resume_from(
    root: &Path,
    run: &Run,
    changes: &[String],
    from: ResumeFrom,
) -> anyhow::Result<()> {
    let programs = programs()?;
    queue_resume(root, run, changes, from)?;
    begin(root, &run.id, &programs)
}

/// Why a run cannot be resumed, by what is known of it.
fn resume_refusal(run: &Run, changes: &[String], from: ResumeFrom) -> Option<Failure> {
    let id = &run.id;
    let refusal = |what: String, help: &str| Some(Failure::new(Kind::Input, what).help(help));
    if let Some(host) = run.elsewhere().filter(|_| run.status().is_live()) {
        return refusal(
            format!("run {id} is on another machine, {host}"),
            "stop it there first; a run has one worker at a time",
        );
    }
    let changes_nothing = changes.is_empty() && !run.state.awaits_change;
    match run.status() {
        Status::Finished if changes_nothing && from == ResumeFrom::Checkpoint => refusal(
            format!("run {id} is finished; there is nothing to resume"),
            "extend it with --set train.epochs=N, or train the experiment again",
        ),
        Status::Unreadable => {
            let trouble = run.trouble(0.0);
            let (what, help) = trouble
                .map(|trouble| (trouble.what, trouble.help))
                .unwrap_or_default();
            refusal(format!("run {id} {what}"), &help)
        }
        Status::Queued(place) => refusal(
            format!("run {id} already waits at place {place}"),
            "it starts when its turn comes",
        ),
        Status::Paused if run.round().is_some() => refusal(
            format!("run {id} waits for its group"),
            "`warmstart train` with the file of the group resumes the runs that others wait for; a run that is deleted is not waited for",
        ),
        status if status.is_live() => refusal(
            format!("run {id} is {}", status.as_str()),
            "a run has one worker at a time",
        ),
        _ => None,
    }
}

/// The experiment whose runs must end before a resumed run starts. A run with a checkpoint no longer needs another's.
fn awaited_source(run: &Run, info: &RunInfo, from: ResumeFrom) -> Option<String> {
    let begins =
        run.state.checkpoint.is_none() || run.state.starts_over || from == ResumeFrom::Start;
    let init = run.experiment.as_deref()?.init.as_ref();
    let init = init.filter(|_| begins)?;
    Some(source_name(init, info.init_file.as_deref()))
}

/// Adds a run that has ended to the queue, without starting it.
fn queue_resume(
    root: &Path,
    run: &Run,
    changes: &[String],
    from: ResumeFrom,
) -> anyhow::Result<()> {
    if let Some(refusal) = resume_refusal(run, changes, from) {
        return Err(refusal.into());
    }
    let id = &run.id;
    let info = match &run.info {
        Ok(info) => info,
        Err(error) => {
            let what = format!("run {id} cannot be resumed: {error}");
            let help = "restore run.json, or train the experiment again; the run is unchanged";
            return Err(Failure::new(Kind::Input, what).help(help).into());
        }
    };
    if from == ResumeFrom::Checkpoint && !run.state.starts_over {
        ensure_checkpoints(&RunDir::of(root, id), run)?;
    }
    let dir = RunDir::of(root, id);
    let devices = run.experiment.as_deref().map_or(1, |it| it.train.devices);
    let slot = launcher::assigned(&dir, launcher::chosen()).slot(&info.device, devices);
    let entry = Entry::of(info, slot, awaited_source(run, info, from));
    let is_done = run.status() == Status::Finished && !run.state.awaits_change;
    // The queue is locked, so no other process resumes or changes the run meanwhile.
    let ready = || {
        // A worker writes itself into run.json when it takes a run, so another one had it since the last look.
        if dir.info().is_ok_and(|now| now.worker != info.worker) {
            return Err(taken(id, "was just resumed by another process"));
        }
        if !changes.is_empty() {
            change::change(&dir, changes, is_done).map_err(|error| not_changed(id, error))?;
        }
        if from == ResumeFrom::Start && !run.state.starts_over {
            change::start_over(&dir).map_err(|error| not_changed(id, error))?;
        }
        let slurm = run.experiment.as_deref().map(|it| &it.slurm);
        let slurm = slurm.cloned().unwrap_or_default();
        Ok(launcher::assign(&dir, launcher::chosen(), &slurm)?)
    };
    queue_again(
        root,
        &entry,
        run.state.last_event.filter(|_| run.state.outcome.is_some()),
        ready,
    )
}

/// Refuses to resume a run whose checkpoints are gone: it starts over only if the user asks for that.
fn ensure_checkpoints(dir: &RunDir, run: &Run) -> anyhow::Result<()> {
    let id = &run.id;
    let unreadable = |error: io::Error| {
        let what = format!(
            "cannot read the checkpoints of run {id}: {error}: {}",
            dir.checkpoints().display()
        );
        Failure::new(Kind::Disk, what)
            .help("correct their permissions, or repair the disk; the run is unchanged")
    };
    if !checkpoint::steps(&Disk, dir)
        .map_err(unreadable)?
        .is_empty()
    {
        return Ok(());
    }
    // An interrupted save may have left the only checkpoint aside.
    if let Some(_lock) = dir.lock().map_err(unreadable)? {
        checkpoint::recover(&Disk, dir)?;
        if !checkpoint::steps(&Disk, dir)
            .map_err(unreadable)?
            .is_empty()
        {
            return Ok(());
        }
    }
    let named = match dir.names(&Disk) {
        Ok(names) => names.last.map(|step| ("names.json knows", step)),
        Err(error) => {
            let what =
                format!("run {id} has no checkpoint, and its names.json is unreadable: {error}");
            return Err(checkpoints_gone(id, what).into());
        }
    };
    let logged = run
        .state
        .checkpoint
        .as_ref()
        .map(|(_, checkpoint)| ("its log knows", checkpoint.step));
    match named.or(logged) {
        Some((named_by, step)) => {
            let gone = checkpoint::missing(&Disk, dir, named_by, step);
            Err(checkpoints_gone(id, format!("run {id} cannot be resumed: {gone}")).into())
        }
        None => Ok(()),
    }
}

fn checkpoints_gone(id: &RunId, what: String) -> Failure {
    Failure::new(Kind::CheckpointsGone, what).help(format!(
        "restore them; or start over with `warmstart resume {id} --from-start`, which keeps earlier results until there are new ones"
    ))
}

/// Whether a resume was refused because the run's checkpoints are gone.
pub fn is_gone(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<Failure>()
        .is_some_and(|failure| failure.kind == Kind::CheckpointsGone)
}

/// The stem of the experiment that a run starts from, as the queue names it.
fn source_name(init: &Init, file: Option<&Path>) -> String {
    file.map_or_else(|| source_stem(&init.from), crate::run::stem)
}

/// Queues an ended run as soon as its process has exited.
fn queue_again(
    root: &Path,
    entry: &Entry,
    last_word: Option<f64>,
    ready: impl Fn() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let (queue, deadline) = (Queue::new(root), Instant::now() + LEAVING);
    loop {
        let pushed = queue.push_again(entry.clone(), last_word, &ready).map_err(
            |error: anyhow::Error| {
                // Keep the cause; add a next step to a disk error.
                error
                    .downcast::<io::Error>()
                    .map_or_else(|error| error, |error| unwritable(root, &error).into())
            },
        )?;
        match pushed {
            Push::Queued => return Ok(()),
            Push::Leaving if Instant::now() < deadline => thread::sleep(LOOK_AGAIN),
            Push::Leaving => {
                let what = format!(
                    "run {} has ended, but its monitor is still running",
                    entry.run
                );
                return Err(Failure::new(Kind::Input, what)
                    .help("try again in a moment")
                    .into());
            }
            Push::Started => {
                return Err(taken(&entry.run, "was just resumed by another process"));
            }
            Push::Waits(place) => {
                return Err(taken(
                    &entry.run,
                    &format!("already waits at place {place}"),
                ));
            }
        }
    }
}

fn taken(id: &RunId, what: &str) -> anyhow::Error {
    Failure::new(Kind::Input, format!("run {id} {what}"))
        .help("a run has one worker at a time")
        .into()
}

fn not_changed(id: &RunId, error: change::Error) -> anyhow::Error {
    let help = match &error {
        change::Error::Held => "a run has one worker at a time; stop it first".to_owned(),
        change::Error::Fixed(_) => "train the experiment again for anything else".to_owned(),
        change::Error::Io(_) | change::Error::Checkpoint(_) => {
            return anyhow::Error::new(error).context(format!("run {id}"));
        }
        _ => format!("`warmstart show {id}` says how far it is"),
    };
    Failure::new(Kind::Input, format!("run {id} is not changed: {error}"))
        .help(help)
        .into()
}

/// Whether the disk has room for a run's checkpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Room {
    Enough,
    /// For one checkpoint, but not for all that the run keeps.
    Scarce(String),
    /// Not even for one.
    None(String),
}

/// Compares the free disk space below `root` with the size of the experiment's checkpoints. Unknown sizes count as enough.
pub fn room(root: &Path, experiment: &Experiment) -> Room {
    // Only an image folder knows the number of classes; they add little to a model.
    let counts = params::counts_with(experiment, experiment.classes().unwrap_or(1)).total;
    let there = root
        .ancestors()
        .find(|folder| folder.is_dir())
        .unwrap_or(Path::new("."));
    let there = if there.as_os_str().is_empty() {
        Path::new(".")
    } else {
        there
    };
    let Ok(free) = Disk.free(there) else {
        return Room::Enough;
    };
    let one = checkpoint_bytes(&counts, &experiment.train);
    // The newest, the best, and the new one, which is written before an old one is removed.
    let all = one * (u64::from(experiment.train.checkpoint.keep) + 2);
    let megabytes = |bytes: u64| format!("{} MB", bytes.div_ceil(1_000_000));
    let (needs, has) = (megabytes(one + checkpoint::HEADROOM), megabytes(free));
    let root = root.display();
    if free < one + checkpoint::HEADROOM {
        Room::None(format!(
            "the disk will not hold its first checkpoint: that needs {needs}, {has} are free in {root}"
        ))
    } else if free < all + checkpoint::HEADROOM {
        let all = megabytes(all + checkpoint::HEADROOM);
        Room::Scarce(format!(
            "the disk may not hold its checkpoints: those that it keeps need {all}, {has} are free in {root}"
        ))
    } else {
        Room::Enough
    }
}

/// Bytes of a checkpoint: float32 weights, and the optimizer's state and the average of each trainable one.
fn checkpoint_bytes(counts: &ParamCounts, train: &Train) -> u64 {
    let moments = match train.optimizer {
        Optimizer::Sgd { momentum: 0.0, .. } => 0,
        Optimizer::Sgd { .. } | Optimizer::Rmsprop { .. } => 1,
        Optimizer::Adam { .. } | Optimizer::Adamw { .. } => 2,
    };
    let copies = moments + u64::from(train.ema.is_some());
    4 * (counts.total + copies * counts.trainable)
}

/// Takes a waiting run out of the queue, or asks a running one to save and exit (`now`: to exit without saving).
pub fn stop(root: &Path, run: &Run, now: bool) -> anyhow::Result<Stop> {
    let id = &run.id;
    let queue = Queue::new(root);
    let is_suspended = run.status() == Status::Suspended;
    if queue.remove(id).map_err(|error| unwritable(root, &error))? {
        discard_if_never_started(&RunDir::of(root, id));
        return Ok(Stop::Unqueued);
    }
    let active = queue
        .content()?
        .active
        .into_iter()
        .find(|active| active.entry.run == *id)
        .map(|active| active.worker);
    // Read it again: a worker writes itself into run.json when it takes the run.
    let written = RunDir::of(root, id)
        .info()
        .ok()
        .and_then(|info| info.worker);
    let request = if now { Request::StopNow } else { Request::Stop };
    for worker in active.into_iter().chain(written) {
        launcher::of_worker(&worker)
            .announce(&RunDir::of(root, id))
            .map_err(|error| unwritable(root, &error))?;
        if launcher::ask(&worker, request)
            .with_context(|| format!("cannot ask the worker of run {id} to stop"))?
        {
            return Ok(if is_suspended {
                Stop::Continued
            } else {
                Stop::Asked
            });
        }
    }
    if let Some(host) = run.elsewhere() {
        let what = format!("run {id} is on another machine, {host}");
        return Err(Failure::new(Kind::Input, what)
            .help(format!("stop it there, on {host}: `warmstart stop {id}`"))
            .into());
    }
    if let Some(trouble) = run
        .trouble(0.0)
        .filter(|_| run.status() == Status::Unreadable)
    {
        return Err(
            Failure::new(Kind::Input, format!("run {id} {}", trouble.what))
                .help(trouble.help)
                .into(),
        );
    }
    let what = format!("run {id} is not running (it is {})", run.status().as_str());
    Err(Failure::new(Kind::Input, what)
        .help("only a running or waiting run can be stopped")
        .into())
}

/// Starts what can start, after a worker died and could not do so. Returns the failures; the runs that did not start have them in
/// their logs too.
pub fn advance(root: &Path) -> anyhow::Result<Vec<Failed>> {
    let failed = advanced(root, &programs()?)?;
    for one in &failed {
        one.log(root).map_err(|error| unwritable(root, &error))?;
    }
    Ok(failed)
}

/// Starts what can start, and `id` unless it must wait.
fn begin(root: &Path, id: &RunId, programs: &Programs) -> anyhow::Result<()> {
    let failed = start(root, programs, std::slice::from_ref(id))?;
    match failed.into_iter().next() {
        Some(Failed { error, .. }) => Err(not_started(programs, error)),
        None => Ok(()),
    }
}

fn not_started(programs: &Programs, error: io::Error) -> anyhow::Error {
    match error.downcast::<Failure>() {
        Ok(failure) => failure.into(),
        Err(error) => does_not_start(&programs.worker, &error).into(),
    }
}

/// Starts what can start. Returns the failures of these runs; others have theirs in their logs.
fn start(root: &Path, programs: &Programs, own: &[RunId]) -> anyhow::Result<Vec<Failed>> {
    let is_own = |failed: &Failed| failed.task == Task::Start && own.contains(&failed.run);
    let (own, others): (Vec<_>, Vec<_>) = advanced(root, programs)?.into_iter().partition(is_own);
    for other in &others {
        other.log(root).map_err(|error| unwritable(root, &error))?;
    }
    Ok(own)
}

fn advanced(root: &Path, programs: &Programs) -> anyhow::Result<Vec<Failed>> {
    let advance = Queue::new(root)
        .advance(programs, None)
        .map_err(|error| unwritable(root, &error))?;
    for (_, started) in advance.started {
        started.reap();
    }
    Ok(advance.failed)
}

fn unwritable(root: &Path, error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::InvalidData {
        return Failure::new(Kind::Input, format!("the queue cannot be read: {error}"))
            .help("remove that file to start with an empty queue; the runs are unchanged");
    }
    Failure::new(
        Kind::Disk,
        format!(
            "the checkpoints folder {} cannot be used: {error}",
            root.display()
        ),
    )
    .help("free disk space or correct its permissions, or name another folder with --checkpoints")
}

/// A run that no worker ever had contains only its experiment.
fn discard_if_never_started(run: &RunDir) {
    let is_empty = |path: PathBuf| fs::metadata(path).map_or(true, |meta| meta.len() == 0);
    if is_empty(run.events()) && is_empty(launcher::default().log(run)) {
        // If it cannot be removed, it stays as a run that never ran, and can be resumed.
        let _ = fs::remove_dir_all(run.path());
    }
}

/// Changes a run's annotation with `change`. Returns it as it was before, and as it is now.
pub fn annotate<E: std::error::Error + Send + Sync + 'static>(
    root: &Path,
    id: &RunId,
    change: impl FnOnce(&mut Annotation) -> Result<(), E>,
) -> anyhow::Result<(Annotation, Annotation)> {
    let run = RunDir::of(root, id);
    let path = run.annotation_json();
    let before = run
        .annotation()
        .with_context(|| format!("cannot read {}", path.display()))?;
    let mut after = before.clone();
    change(&mut after)?;
    if after != before {
        run.write_annotation(&after).map_err(|error| {
            Failure::new(
                Kind::Disk,
                format!("cannot write: {error}: {}", path.display()),
            )
            .help("free disk space or correct its permissions")
        })?;
    }
    Ok((before, after))
}
