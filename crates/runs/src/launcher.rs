//! Where workers run. A [`Launcher`] starts a run's worker, says whether it is alive, and passes requests to it.
//!
//! To add a launcher, for example for a batch system: a file in `launcher/`, a variant of [`Handle`] and a row in [`of`].

pub mod local;
mod logind;
mod programs;
pub mod torch;

use std::io;
use std::path::PathBuf;
use std::process::Child;
use std::thread;

use crate::run::RunDir;
pub use warmstart_schema::identity::Handle;

pub use self::local::{Host, current};
pub use self::logind::Login;
pub use self::programs::{MONITOR, MONITORED_BY, Programs, training};

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

    /// Passes a request to this worker and to no other process. Continues a suspended worker, so that it can comply. False if the
    /// worker is gone.
    fn ask(&self, worker: &Handle, request: Request) -> io::Result<bool>;

    fn state(&self, worker: &Handle) -> WorkerState;

    /// Whether a worker holds the run. False if no lock says so; then the heartbeat decides.
    fn is_held(&self, run: &RunDir) -> bool;

    /// Where a worker runs that named `host` as its machine.
    fn origin(&self, worker: &Handle, host: &str, here: &Host) -> Origin;

    /// The file with the worker's stdout and stderr.
    fn log(&self, run: &RunDir) -> PathBuf;
}

/// The launcher that started a worker.
pub fn of(worker: &Handle) -> &'static dyn Launcher {
    match worker {
        Handle::Local(_) => &local::Local,
    }
}

/// The launcher of new workers.
pub fn default() -> &'static dyn Launcher {
    &local::Local
}

pub fn is_alive(worker: &Handle) -> bool {
    of(worker).state(worker) != WorkerState::Gone
}

/// Passes a request to a worker; false if the worker is gone.
pub fn ask(worker: &Handle, request: Request) -> io::Result<bool> {
    of(worker).ask(worker, request)
}

/// Whether a worker holds the run; `worker` is the last known one.
pub fn is_held(run: &RunDir, worker: Option<&Handle>) -> bool {
    worker.map_or_else(default, of).is_held(run)
}
