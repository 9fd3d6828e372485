//! Proves an exact resume: trains one experiment without a stop, and again with two stops and resumes, and compares the bits.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};

use crate::checkpoint;
use crate::launcher;
use crate::run::{Launch, RunDir};
use crate::storage::{Disk, fingerprint};
use crate::store::log_tail;
use anyhow::Context;
use serde::Serialize;
use tempfile::TempDir;
use warmstart_schema::event::Epoch;
use warmstart_schema::state::{Outcome, RunState};

use crate::failure::{Failure, Kind};
use crate::worker::{Worker, does_not_start};

/// How the folders of these runs begin, among the other runs. No list shows them.
const PREFIX: &str = ".verify-resume-";
/// Held while the process lives that made the folder.
const LOCK: &str = "lock";
/// Lines of the worker's log in an error.
const LAST_LINES: usize = 3;

/// The folder of the two runs; deleted on drop.
#[derive(Debug)]
pub struct TemporaryRuns {
    folder: TempDir,
    _lock: File,
    worker: Worker,
}

/// The result of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fingerprints {
    /// SHA-256 of the last checkpoint's weights, and of its optimizer's state.
    pub weights: String,
    pub optimizer: String,
    /// SHA-256 over every epoch's figures, the test's, and the training state, without anything that measures time.
    pub figures: String,
    pub steps: u64,
    pub test_loss: Option<f64>,
    /// Device, threads and libtorch of the last attempt: only where they are equal can bits be compared.
    pub device: String,
    pub threads: u32,
    pub libtorch: String,
    pub not_exact: Vec<String>,
}

impl Fingerprints {
    /// Whether two runs ended with the same bits.
    pub fn equals(&self, other: &Self) -> bool {
        (&self.weights, &self.optimizer, &self.figures)
            == (&other.weights, &other.optimizer, &other.figures)
    }
}

impl TemporaryRuns {
    /// A folder among the runs.
    pub fn new(checkpoints: &Path, worker: Worker) -> io::Result<Self> {
        let (folder, lock) = folder_among(checkpoints)?;
        Ok(Self {
            folder,
            _lock: lock,
            worker,
        })
    }

    /// Copies a run that the experiment starts from.
    pub fn copy_run(&self, run: &Path) -> io::Result<()> {
        copy(
            run,
            &self.folder.path().join(run.file_name().unwrap_or_default()),
        )
    }

    pub fn new_run(&self, launch: &Launch) -> io::Result<RunDir> {
        Ok(RunDir::create(self.folder.path(), launch)?.0)
    }

    /// Starts a worker that saves and exits after `stop_after` steps. It gets no signals from the terminal, so the caller must
    /// end the child.
    pub fn start(&self, run: &RunDir, stop_after: Option<u64>) -> anyhow::Result<Child> {
        let log = OpenOptions::new()
            .append(true)
            .create(true)
            .open(launcher::default().log(run))?;
        let mut command = launcher::training(self.worker.path(), run);
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0);
        if let Some(step) = stop_after {
            command.args(["--stop-after", &step.to_string()]);
        }
        let child = command.spawn();
        child.map_err(|error| does_not_start(self.worker.path(), &error).into())
    }
}

/// A folder among the runs, locked. Folders of processes that were killed are removed first.
fn folder_among(checkpoints: &Path) -> io::Result<(TempDir, File)> {
    fs::create_dir_all(checkpoints)?;
    for entry in fs::read_dir(checkpoints)?.flatten() {
        let is_ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        let lock = || File::open(entry.path().join(LOCK));
        if is_ours && lock().is_ok_and(|lock| lock.try_lock().is_ok()) {
            // One that cannot be removed is in nobody's way.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    let folder = tempfile::Builder::new()
        .prefix(PREFIX)
        .tempdir_in(checkpoints)?;
    // It gets its name once it is held: another process takes a free lock for that of a killed process.
    let unnamed = folder.path().join("lock.new");
    let lock = File::create(&unnamed)?;
    lock.lock()?;
    fs::rename(&unnamed, folder.path().join(LOCK))?;
    Ok((folder, lock))
}

/// Checks how a worker left its run; an error if it failed or exited otherwise than requested.
pub fn check_end(run: &RunDir, status: ExitStatus, wanted: &Outcome) -> anyhow::Result<RunState> {
    let state = run.state().context("reading events.jsonl")?;
    let is_wanted = match (&state.outcome, wanted) {
        (Some(Outcome::Finished { .. }), Outcome::Finished { .. }) => true,
        (Some(found), wanted) => found == wanted,
        (None, _) => false,
    };
    if is_wanted {
        return Ok(state);
    }
    let (what, help) = match state.outcome {
        Some(Outcome::Failed { error, help, .. }) => (format!("the run failed: {error}"), help),
        None => {
            let lines = log_tail(run, LAST_LINES).join(" | ");
            (
                format!(
                    "the worker exited with {status} before it logged an end; its last lines: {lines}"
                ),
                "train the experiment to see more".to_owned(),
            )
        }
        Some(_) => (
            format!("the worker exited with {status}, and not where it was to end"),
            "try again, and leave its process alone".to_owned(),
        ),
    };
    Err(Failure::new(Kind::RunFailed, what).help(help).into())
}

/// Hashes the newest whole checkpoint and the figures of a finished run. Fails if the run has no checkpoint.
pub fn fingerprints(run: &RunDir, state: &RunState) -> anyhow::Result<Fingerprints> {
    let content = checkpoint::newest(&Disk, run)?
        .0
        .context("the run has no checkpoint")?;
    let mut training = content.state;
    training.train_time = 0.0;
    let attempt = state.attempt.as_ref().context("no worker took the run")?;
    let without_times = |epoch: &Epoch| Epoch {
        images_per_second: 0.0,
        train_time: 0.0,
        data_wait: None,
        ..epoch.clone()
    };
    let epochs: Vec<Epoch> = state.epochs.iter().map(without_times).collect();
    let figures = (epochs, &state.test, &training);
    Ok(Fingerprints {
        weights: fingerprint(&content.model),
        optimizer: fingerprint(&content.optimizer),
        figures: fingerprint(&serde_json::to_vec(&figures)?),
        steps: training.step,
        test_loss: state.test.as_ref().map(|test| test.loss),
        device: attempt.device.clone(),
        threads: attempt.threads,
        libtorch: attempt.libtorch.clone(),
        not_exact: attempt.not_exact.clone(),
    })
}

/// The steps at which to stop a run of `steps`: at about a third and two thirds, and not at an epoch's end if possible. `None` if
/// there is no room for two stops.
pub fn stops(steps: u64, per_epoch: u64) -> Option<[u64; 2]> {
    let place = |about: u64| {
        if per_epoch > 1 && about.is_multiple_of(per_epoch) {
            about + 1
        } else {
            about
        }
    };
    let first = place((steps / 3).max(1));
    let second = place((2 * steps / 3).max(first + 1));
    (second < steps).then_some([first, second])
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        match entry.file_type()? {
            kind if kind.is_dir() => copy(&entry.path(), &target)?,
            kind if kind.is_file() => drop(fs::copy(entry.path(), target)?),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_killed_processes_are_removed_and_others_kept() {
        let root = tempfile::tempdir().unwrap();
        let (alive, _lock) = folder_among(root.path()).unwrap();
        let killed = root.path().join(".verify-resume-killed");
        fs::create_dir(&killed).unwrap();
        fs::write(killed.join(LOCK), "").unwrap();
        let run = root.path().join("20261130-000000-0000");
        fs::create_dir(&run).unwrap();
        let (second, _lock) = folder_among(root.path()).unwrap();
        assert!(!killed.exists() && run.exists());
        assert!(alive.path().exists() && second.path().exists());
    }

    #[test]
    fn processes_that_start_together_keep_their_folders() {
        let root = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        let (folder, _lock) = folder_among(root.path()).unwrap();
                        assert!(folder.path().join(LOCK).is_file());
                    }
                });
            }
        });
    }

    #[test]
    fn a_run_is_stopped_twice_within_epochs() {
        assert_eq!(stops(10, 5), Some([3, 6]));
        assert_eq!(stops(6, 3), Some([2, 4]));
        assert_eq!(stops(3, 3), Some([1, 2]));
        assert_eq!(stops(9, 3), Some([4, 7]));
        assert_eq!(stops(2, 1), None);
        assert_eq!(stops(0, 0), None);
    }
}
