//! Starts the runs of the queue that can start, and says why others could not.

use std::io;
use std::path::Path;

use super::folder::unwritable;
use crate::failure::Failure;
use crate::launcher::Programs;
use crate::queue::{Failed, Queue, Task};
use crate::run::RunId;
use crate::worker::{does_not_start, programs};

/// Starts what can start: after a change of the queue, or after the end of a worker that could not do so. Returns the failures; the
/// runs that did not start have them in their logs too, where those can be written.
pub fn advance(root: &Path) -> anyhow::Result<Vec<Failed>> {
    let failed = advance_queue(root, &programs()?)?;
    log(root, &failed);
    Ok(failed)
}

/// Starts what can start, and `id` unless it must wait.
pub(super) fn begin(root: &Path, id: &RunId, programs: &Programs) -> anyhow::Result<()> {
    let failed = start(root, programs, std::slice::from_ref(id))?;
    match failed.into_iter().next() {
        Some(Failed { error, .. }) => Err(not_started(programs, error)),
        None => Ok(()),
    }
}

/// The error of a run that did not start: the failure of its launcher, or that the worker does not start.
pub(super) fn not_started(programs: &Programs, error: io::Error) -> anyhow::Error {
    match error.downcast::<Failure>() {
        Ok(failure) => failure.into(),
        Err(error) => does_not_start(&programs.worker, &error).into(),
    }
}

/// Starts what can start. Returns the failures of the runs `own`; others have theirs in their logs, where those can be written. A
/// decision of halving that cannot be logged is left to the next advance. After an error, the runs `own` may still wait, or have a
/// worker.
pub(super) fn start(
    root: &Path,
    programs: &Programs,
    own: &[RunId],
) -> anyhow::Result<Vec<Failed>> {
    let is_own = |failed: &Failed| failed.task == Task::Start && own.contains(&failed.run);
    let (own, others): (Vec<_>, Vec<_>) =
        advance_queue(root, programs)?.into_iter().partition(is_own);
    log(root, &others);
    Ok(own)
}

/// Logs each failure in its run.
fn log(root: &Path, failed: &[Failed]) {
    for one in failed {
        // Runs that started in the same moment must not appear to have failed because this log cannot be written.
        let _ = one.log(root);
    }
}

fn advance_queue(root: &Path, programs: &Programs) -> anyhow::Result<Vec<Failed>> {
    let advance = Queue::new(root)
        .advance(programs, None)
        .map_err(|error| unwritable(root, &error))?;
    for (_, started) in advance.started {
        started.reap();
    }
    Ok(advance.failed)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::failure::Kind;
    use crate::queue::{Entry, Push};
    use crate::run::RunDir;

    /// Makes a run's folder, and adds the run to the queue.
    fn add(root: &Path, run: &RunId, slot: &str) {
        fs::create_dir(RunDir::of(root, run).path()).unwrap();
        let entry = Entry {
            run: run.clone(),
            stem: run.to_string(),
            slot: slot.to_owned(),
            after: None,
            file: None,
            after_file: None,
        };
        assert_eq!(Queue::new(root).push(entry).unwrap(), Push::Queued);
    }

    fn programs() -> Programs {
        Programs {
            worker: "/bin/true".into(),
            monitor: None,
        }
    }

    #[test]
    fn a_log_that_cannot_be_opened_is_not_blamed_on_the_worker() {
        let root = tempfile::tempdir().unwrap();
        let id: RunId = "a".parse().unwrap();
        add(root.path(), &id, "cpu");
        let log = RunDir::of(root.path(), &id).worker_log();
        // A folder in the place of the file.
        fs::create_dir(&log).unwrap();
        let error = begin(root.path(), &id, &programs()).unwrap_err();
        let Failure { kind, what, .. } = error.downcast().unwrap();
        assert_eq!(kind, Kind::Disk);
        assert!(what.ends_with(&*log.to_string_lossy()), "{what}");
    }

    #[test]
    fn a_run_starts_though_the_log_of_another_that_does_not_start_cannot_be_written() {
        let root = tempfile::tempdir().unwrap();
        let queue = Queue::new(root.path());
        let [broken, own] = ["broken", "own"].map(|name| name.parse::<RunId>().unwrap());
        for (run, slot) in [(&broken, "cuda:0"), (&own, "cpu")] {
            add(root.path(), run, slot);
        }
        // Folders in the place of files: no worker can be started, and nothing can be logged.
        let folder = RunDir::of(root.path(), &broken);
        fs::create_dir(folder.worker_log()).unwrap();
        fs::create_dir(folder.lock_file()).unwrap();
        let failed = start(root.path(), &programs(), std::slice::from_ref(&own)).unwrap();
        assert!(failed.is_empty(), "{failed:?}");
        let content = queue.content().unwrap();
        assert!(content.waiting.is_empty());
        let started = content.active.iter().map(|active| &active.entry.run);
        assert_eq!(started.collect::<Vec<_>>(), [&own]);
    }
}
