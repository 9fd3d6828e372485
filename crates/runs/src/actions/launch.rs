//! Launches experiments: creates their runs, adds them to the queue, and starts what can start.

use std::path::Path;

use warmstart_schema::experiment::Experiment;

use super::folder::{discard_if_never_started, unwritable};
use super::resume::{ResumeFrom, queue_resume, source_name};
use super::start::{not_started, start};
use crate::groups::Step;
use crate::launcher::{self, Programs};
use crate::member::MemberOf;
use crate::queue::{Entry, Failed, Queue};
use crate::run::{Launch, RunDir, RunId};
use crate::store::ExperimentFile;
use crate::worker::programs;

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
    begin_new(root, &id, &programs)?;
    Ok(id)
}

/// Starts a new run unless it must wait. Deletes its folder only if the run left the queue without a worker: after another error
/// it still waits, or its worker has not written its log yet.
fn begin_new(root: &Path, id: &RunId, programs: &Programs) -> anyhow::Result<()> {
    let failed = start(root, programs, std::slice::from_ref(id))?;
    let Some(Failed { error, .. }) = failed.into_iter().next() else {
        return Ok(());
    };
    discard_if_never_started(&RunDir::of(root, id));
    Err(not_started(programs, error))
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
    /// Why runs could not be added or started. Runs that come after one that could not be added are not launched.
    pub failed: Vec<anyhow::Error>,
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
                launch.failed.push(error);
                break;
            }
        }
    }
    let is_halved = file.group.as_ref().is_some_and(|it| it.rounds.is_some());
    // Members that could not be added are missing: the group waits for the next launch.
    if is_halved
        && launch.failed.is_empty()
        && let Err(error) = Queue::new(root).halve(members)
    {
        // The runs are in the queue, so they start, and the caller names them.
        launch.failed.push(unwritable(root, &error).into());
    }
    match start(root, &programs, &launch.queued) {
        Ok(failed) => {
            for Failed { run, error, .. } in failed {
                launch.queued.retain(|queued| *queued != run);
                discard_if_never_started(&RunDir::of(root, &run));
                launch.failed.push(not_started(&programs, error));
            }
        }
        Err(error) => launch.failed.push(error),
    }
    Ok(launch)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::queue::Push;

    #[test]
    fn a_new_run_keeps_its_folder_while_it_waits_and_loses_it_if_it_cannot_start() {
        let root = tempfile::tempdir().unwrap();
        let queue = Queue::new(root.path());
        let id: RunId = "new".parse().unwrap();
        let run = RunDir::of(root.path(), &id);
        fs::create_dir(run.path()).unwrap();
        let entry = Entry {
            run: id.clone(),
            stem: "new".to_owned(),
            slot: "cpu".to_owned(),
            after: None,
            file: None,
            after_file: None,
        };
        assert_eq!(queue.push(entry).unwrap(), Push::Queued);
        let programs = Programs {
            worker: "/nowhere/warmstart-worker".into(),
            monitor: None,
        };
        // The queue can be read, but not locked.
        let lock = root.path().join("queue.lock");
        fs::remove_file(&lock).unwrap();
        fs::create_dir(&lock).unwrap();
        assert!(begin_new(root.path(), &id, &programs).is_err());
        assert_eq!(queue.content().unwrap().position(&id), Some(1));
        assert!(run.path().exists());
        fs::remove_dir(&lock).unwrap();
        assert!(begin_new(root.path(), &id, &programs).is_err());
        assert_eq!(queue.content().unwrap().position(&id), None);
        assert!(!run.path().exists());
    }
}
