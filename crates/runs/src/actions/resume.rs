//! Resumes runs: from their last checkpoint or from the beginning, after changes of their experiment.

use std::path::Path;
use std::time::{Duration, Instant};
use std::{io, thread};

use warmstart_schema::experiment::{self, Init};
use warmstart_schema::state::{Outcome, Status};

use super::folder::unwritable;
use super::start::begin;
use crate::change;
use crate::checkpoint;
use crate::failure::{Failure, Kind};
use crate::launcher;
use crate::queue::{Entry, Push, Queue};
use crate::run::{RunDir, RunId, RunInfo, source_stem};
use crate::storage::Disk;
use crate::store::Run;
use crate::worker::programs;

/// How long a resume waits for the monitor to exit after the run's end, and how often it checks.
const EXITING: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(10);

/// How a run is resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResumeFrom {
    /// From its last checkpoint, or from the beginning if it has none.
    Checkpoint,
    /// From the beginning, even if it has checkpoints; those are kept.
    Start,
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
            &extension(run),
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

/// What to do where a finished run would train no further, by the limits that ended it.
fn extension(run: &Run) -> String {
    let again = "train the experiment again";
    let experiment = run.experiment.as_deref();
    if experiment.is_some_and(|it| it.probe.is_some()) {
        return again.to_owned();
    }
    let done = run.state.epochs.last().map(|last| last.epoch);
    let has_all = experiment.is_none_or(|it| done >= Some(it.train.epochs));
    let stopped_early = run.state.outcome
        == Some(Outcome::Finished {
            stopped_early: true,
        });
    let epochs = (has_all || !stopped_early).then_some("--set train.epochs=N");
    let patience = stopped_early.then_some("--set train.early_stopping.patience=N");
    let changes: Vec<&str> = epochs.into_iter().chain(patience).collect();
    format!("extend it with {}, or {again}", changes.join(" "))
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
pub(super) fn queue_resume(
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
    let starts_over = from == ResumeFrom::Start || run.state.starts_over;
    if !starts_over {
        ensure_checkpoints(&RunDir::of(root, id), run)?;
    }
    let dir = RunDir::of(root, id);
    let devices = devices(&dir, run, changes);
    let slot = launcher::assigned(&dir, launcher::chosen()).slot(&info.device, devices);
    let entry = Entry::of(info, slot, awaited_source(run, info, from));
    // A run that starts over need not be extended.
    let is_done = !starts_over && run.status() == Status::Finished && !run.state.awaits_change;
    // The queue is locked, so no other process resumes or changes the run meanwhile.
    let ready = || {
        // A worker writes itself into run.json when it takes a run, so another one had it since the last look.
        if dir.info().is_ok_and(|now| now.worker != info.worker) {
            return Err(taken(id, "was just resumed by another process"));
        }
        if !changes.is_empty() {
            let changed = if starts_over {
                change::change_from_start(&dir, changes)
            } else {
                change::change(&dir, changes, is_done)
            };
            changed.map_err(|error| not_changed(id, error))?;
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

/// How many devices the run takes after these changes. A change that it cannot have is refused once the run is locked.
fn devices(dir: &RunDir, run: &Run, changes: &[String]) -> u32 {
    let known = || run.experiment.as_deref().map_or(1, |it| it.train.devices);
    let changed = experiment::load(&dir.experiment_yaml(), changes);
    changed.map_or_else(|_| known(), |changed| changed.train.devices)
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
    let lock = dir.lock().map_err(|error| {
        let path = dir.lock_file();
        let what = format!("cannot lock run {id}: {error}: {}", path.display());
        Failure::new(Kind::Disk, what)
            .help("correct its permissions, or repair the disk; the run is unchanged")
    })?;
    // An interrupted save may have left the only checkpoint aside.
    if let Some(_lock) = lock {
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
pub(super) fn source_name(init: &Init, file: Option<&Path>) -> String {
    file.map_or_else(|| source_stem(&init.from), crate::run::stem)
}

/// Queues a run that ended at `ended_at`, in seconds since the Unix epoch, as soon as its process has exited.
fn queue_again(
    root: &Path,
    entry: &Entry,
    ended_at: Option<f64>,
    ready: impl Fn() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let (queue, deadline) = (Queue::new(root), Instant::now() + EXITING);
    loop {
        let pushed =
            queue
                .push_again(entry.clone(), ended_at, &ready)
                .map_err(|error: anyhow::Error| {
                    // Keep the cause; add a next step to a disk error.
                    error
                        .downcast::<io::Error>()
                        .map_or_else(|error| error, |error| unwritable(root, &error).into())
                })?;
        match pushed {
            Push::Queued => return Ok(()),
            Push::Exiting if Instant::now() < deadline => thread::sleep(PAUSE),
            Push::Exiting => {
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
    let refused = Failure::new(Kind::Input, format!("run {id} is not changed: {error}"));
    let refused = match &error {
        change::Error::Held => refused.help("a run has one worker at a time; stop it first"),
        change::Error::Fixed(_) | change::Error::NotOfProbe(_) => {
            refused.help("train the experiment again for anything else")
        }
        // Each problem says what to write instead.
        change::Error::Experiment(_) => refused,
        change::Error::TooFew { .. } | change::Error::NothingLeft(_) => {
            refused.help(format!("`warmstart show {id}` says how far it is"))
        }
        change::Error::Io(_) | change::Error::Checkpoint(_) => {
            return anyhow::Error::new(error).context(format!("run {id}"));
        }
    };
    refused.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event_log::EventWriter;
    use crate::store::Watcher;
    use warmstart_schema::event::{Epoch, Event};

    #[test]
    fn a_finished_run_that_starts_over_need_not_be_extended() {
        let root = tempfile::tempdir().unwrap();
        let dir = change::tests::trained(root.path());
        let mut log = EventWriter::open(&dir.events()).unwrap();
        log.write(&Event::Finished {
            train_time: 1.0,
            stopped_early: false,
        })
        .unwrap();
        let (_, runs) = Watcher::read_all(root.path(), &[]);
        let run = runs.get(&dir.info().unwrap().id).unwrap();
        assert_eq!(run.status(), Status::Finished);
        let changes = ["train.optimizer.learning_rate=0.1".to_owned()];
        let resume = |from| queue_resume(root.path(), run, &changes, from);
        assert!(resume(ResumeFrom::Checkpoint).is_err());
        resume(ResumeFrom::Start).unwrap();
    }

    #[test]
    fn a_finished_run_is_extended_beyond_the_limits_that_ended_it() {
        // It has 10 epochs.
        for (epoch, stopped_early, expected) in [
            (10, false, [true, false]),
            (6, true, [false, true]),
            (10, true, [true, true]),
        ] {
            let root = tempfile::tempdir().unwrap();
            let dir = change::tests::trained(root.path());
            let mut log = EventWriter::open(&dir.events()).unwrap();
            log.write(&Event::Epoch(Epoch {
                epoch,
                ..Epoch::default()
            }))
            .unwrap();
            log.write(&Event::Finished {
                train_time: 1.0,
                stopped_early,
            })
            .unwrap();
            let (_, runs) = Watcher::read_all(root.path(), &[]);
            let run = runs.get(&dir.info().unwrap().id).unwrap();
            let refusal = resume_refusal(run, &[], ResumeFrom::Checkpoint).unwrap();
            let help = refusal.help.unwrap();
            let named =
                ["train.epochs", "train.early_stopping.patience"].map(|it| help.contains(it));
            assert_eq!(named, expected, "{help}");
        }
    }

    #[test]
    fn a_run_that_starts_over_may_get_fewer_epochs_whatever_its_checkpoints_hold() {
        for is_damaged in [false, true] {
            let root = tempfile::tempdir().unwrap();
            let dir = change::tests::trained(root.path());
            let mut log = EventWriter::open(&dir.events()).unwrap();
            log.write(&Event::Stopped {
                step: 100,
                train_time: 1.0,
            })
            .unwrap();
            for step in checkpoint::steps(&Disk, &dir).unwrap() {
                if is_damaged {
                    std::fs::write(dir.checkpoint(step).join("manifest.json"), "{").unwrap();
                }
            }
            let (_, runs) = Watcher::read_all(root.path(), &[]);
            let run = runs.get(&dir.info().unwrap().id).unwrap();
            let changes = ["train.epochs=5".to_owned()];
            let resume = |from| queue_resume(root.path(), run, &changes, from);
            assert!(resume(ResumeFrom::Checkpoint).is_err());
            resume(ResumeFrom::Start).unwrap();
            let changed = experiment::load(&dir.experiment_yaml(), &[]).unwrap();
            assert_eq!(changed.train.epochs, 5);
            assert!(dir.state().unwrap().starts_over);
        }
    }

    #[test]
    fn a_run_that_gets_more_devices_takes_the_places_of_all_of_them() {
        let root = tempfile::tempdir().unwrap();
        let dir = change::tests::trained(root.path());
        let info = dir.info().unwrap();
        let id = info.id.clone();
        let device = "cuda:0";
        dir.write_info(&RunInfo {
            device: device.to_owned(),
            ..info
        })
        .unwrap();
        let mut log = EventWriter::open(&dir.events()).unwrap();
        log.write(&Event::Stopped {
            step: 100,
            train_time: 1.0,
        })
        .unwrap();
        let (_, runs) = Watcher::read_all(root.path(), &[]);
        let run = runs.get(&id).unwrap();
        let changes = ["train.devices=2", "train.epochs=20"].map(str::to_owned);
        queue_resume(root.path(), run, &changes, ResumeFrom::Checkpoint).unwrap();
        let waiting = Queue::new(root.path()).content().unwrap().waiting;
        let slots: Vec<&str> = waiting.iter().map(|entry| entry.slot.as_str()).collect();
        assert_eq!(slots, [launcher::of_run(&dir).slot(device, 2)]);
    }

    #[test]
    fn a_run_that_cannot_be_locked_is_not_called_unreadable() {
        let root = tempfile::tempdir().unwrap();
        let dir = change::tests::trained(root.path());
        std::fs::remove_dir_all(dir.checkpoints()).unwrap();
        let (_, runs) = Watcher::read_all(root.path(), &[]);
        let run = runs.get(&dir.info().unwrap().id).unwrap();
        // A folder in the place of the lock.
        std::fs::create_dir(dir.lock_file()).unwrap();
        let error = ensure_checkpoints(&dir, run).unwrap_err();
        let failure: Failure = error.downcast().unwrap();
        let lock = dir.lock_file().display().to_string();
        assert!(failure.what.ends_with(&lock), "{}", failure.what);
    }

    #[test]
    fn only_a_change_that_comes_too_late_is_answered_with_how_far_the_run_is() {
        let root = tempfile::tempdir().unwrap();
        let dir = change::tests::trained(root.path());
        let id = dir.info().unwrap().id;
        let help = |text: &str| {
            let error = change::change(&dir, &[text.to_owned()], false).unwrap_err();
            let failure: Failure = not_changed(&id, error).downcast().unwrap();
            failure.help
        };
        assert_eq!(help("train.epochs=many"), None);
        let too_few = help("train.epochs=2").unwrap();
        assert!(too_few.contains(id.as_str()), "{too_few}");
    }
}
