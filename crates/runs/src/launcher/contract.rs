//! What a launcher does for runs, and the words in which it answers.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::thread;

use warmstart_schema::identity::Handle;

use super::programs::Programs;
use crate::run::{RunDir, RunId};

/// A request to a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// Save and exit.
    Stop,
    /// Exit without saving.
    StopNow,
}

/// The state of a worker, as the system sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkerState {
    Running,
    /// It is suspended (SIGSTOP), and does nothing until it is continued.
    Suspended,
    Gone,
}

/// Where the worker of a log runs or ran, seen from this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Origin {
    #[default]
    Here,
    /// On this machine, before its last reboot.
    BeforeReboot,
    Elsewhere,
}

/// What a launcher says of a worker that shows no sign of life itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub stage: Stage,
    /// In a sentence: why it waits and until when, or on which node it is.
    pub text: String,
    /// What to do about it; empty if there is nothing to do.
    pub help: String,
}

/// What happens next to such a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It is to start, for the first time or again.
    Waiting,
    /// It has begun, and the worker of this start has logged nothing yet.
    Starting,
    Running,
    /// It was suspended. Slurm, an administrator or a signal continues it.
    Suspended,
    /// It ends; whether it starts again is not known yet.
    Ending,
    /// It has ended and does not start again.
    Over,
    /// The launcher does not answer, or names a state that nobody here knows.
    Unknown,
}

/// This machine since its last boot.
#[derive(Debug)]
pub struct Host {
    pub(super) boot_id: String,
    pub(super) name: String,
}

/// A worker that was just started.
#[derive(Debug)]
pub struct Started {
    pub worker: Handle,
    /// The child process of this one. Wait for its end, or it stays as a zombie.
    pub child: Option<Child>,
}

impl Started {
    /// Waits for the end of its process on another thread.
    pub fn reap(self) {
        if let Some(mut child) = self.child {
            // The run's log says how it ended.
            thread::spawn(move || drop(child.wait()));
        }
    }
}

/// A way to run workers.
pub trait Launcher {
    /// Starts the worker of a run so that it outlives this process.
    fn start(&self, programs: &Programs, run: &RunDir) -> io::Result<Started>;

    /// Starts the workers of several runs; a result for each. A launcher may start them as one.
    fn start_all(&self, programs: &Programs, runs: &[RunDir]) -> Vec<io::Result<Started>> {
        runs.iter().map(|run| self.start(programs, run)).collect()
    }

    /// Moves a waiting worker ahead of the others of this user. A worker of this machine has started, so it cannot be moved.
    fn put_first(&self, _worker: &Handle) -> io::Result<()> {
        Err(io::Error::other("it has started"))
    }

    /// Passes a request to this worker and to no other process. Continues a suspended worker, so that it can comply. False if the
    /// worker is gone.
    fn ask(&self, worker: &Handle, request: Request) -> io::Result<bool>;

    /// Tells the run, before its worker is asked, that its user wants it to end.
    fn announce(&self, _run: &RunDir) -> io::Result<()> {
        Ok(())
    }

    fn state(&self, worker: &Handle) -> WorkerState;

    /// Whether a worker holds the run. False if no lock says so; then the heartbeat decides. The system releases the lock however
    /// the worker ends; many shared file systems pass it between machines.
    fn is_held(&self, run: &RunDir) -> bool {
        File::open(run.lock_file())
            .is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    /// Whether a started worker has the run, or may still take it.
    fn occupies(&self, run: &RunDir, worker: &Handle) -> bool {
        self.state(worker) != WorkerState::Gone || self.is_held(run)
    }

    /// Where a worker runs that named `host` as its machine.
    fn origin(&self, worker: &Handle, host: &str, here: &Host) -> Origin;

    /// The file with the worker's stdout and stderr.
    fn log(&self, run: &RunDir) -> PathBuf {
        run.worker_log()
    }

    /// What the queue counts a run on so many devices against: `cpu`, the GPUs that it takes, or the cluster.
    fn slot(&self, device: &str, devices: u32) -> String;

    /// Asks the system that starts the workers where these are, and logs the ends that no worker could log. Takes seconds.
    /// A launcher that can look at its workers at any time answers nothing.
    fn survey(&self, _root: &Path, _workers: &[(RunId, Handle)]) -> BTreeMap<RunId, Standing> {
        BTreeMap::new()
    }
}
