//! Where workers run. A [`Launcher`] starts a run's worker, says whether it is alive, and passes requests to it.
//!
//! To add a launcher, for example for another batch system: a file in `launcher/`, a variant of [`Handle`] and of [`Choice`], and a
//! row in [`of`] and in [`of_run`].

pub mod local;
mod logind;
mod programs;
pub mod slurm;
pub mod torch;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::OnceLock;
use std::thread;

use crate::run::{RunDir, RunId};
pub use warmstart_schema::identity::Handle;
use warmstart_schema::slurm::Slurm as Wanted;

pub use self::local::Host;
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

/// Where a worker is that shows no sign of life itself, in the words of who starts it.
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
    Running,
    /// It was suspended, and continues without anybody's doing.
    Suspended,
    /// It ends; whether it starts again is not known yet.
    Ending,
    /// It has ended and does not start again.
    Over,
    /// Who starts it does not answer.
    Unknown,
}

/// Which launcher the user wants for new runs and for those that are resumed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Choice {
    /// This machine for new runs; for others the launcher that they had.
    #[default]
    Unsaid,
    Local,
    Slurm(Box<Wanted>),
}

static CHOSEN: OnceLock<Choice> = OnceLock::new();

/// Takes this launcher from now on.
pub fn choose(choice: Choice) {
    // The command line and the settings are read once.
    let _ = CHOSEN.set(choice);
}

/// What the user wants.
pub fn chosen() -> &'static Choice {
    CHOSEN.get().unwrap_or(&Choice::Unsaid)
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

    /// Tells the run, before its worker is asked, that its user wants it to end.
    fn announce(&self, _run: &RunDir) -> io::Result<()> {
        Ok(())
    }

    fn state(&self, worker: &Handle) -> WorkerState;

    /// Whether a worker holds the run. False if no lock says so; then the heartbeat decides.
    fn is_held(&self, run: &RunDir) -> bool;

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

    /// What of this machine a run takes a place on, in the queue.
    fn slot(&self, device: &str) -> String;

    /// Asks who starts the workers where these are, and logs the ends that no worker could log. Takes seconds; nothing for
    /// workers of this machine.
    fn survey(&self, _root: &Path, _workers: &[(RunId, Handle)]) -> BTreeMap<RunId, Standing> {
        BTreeMap::new()
    }
}

/// The launcher that started a worker.
pub fn of(worker: &Handle) -> &'static dyn Launcher {
    match worker {
        Handle::Local(_) => &local::Local,
        Handle::Slurm(_) => &slurm::Slurm,
    }
}

/// The launcher of this machine.
pub fn default() -> &'static dyn Launcher {
    &local::Local
}

/// The launcher that starts the next worker of a run.
pub fn of_run(run: &RunDir) -> &'static dyn Launcher {
    if slurm::is_asked_for(run) {
        &slurm::Slurm
    } else {
        default()
    }
}

/// Gives a run the launcher that the user wants.
pub fn assign(run: &RunDir, choice: &Choice) -> io::Result<()> {
    match choice {
        Choice::Unsaid => Ok(()),
        Choice::Local => slurm::give_back(run),
        Choice::Slurm(wanted) => slurm::ask_for(run, wanted),
    }
}

/// The launcher that a run gets by [`assign`].
pub fn after(run: &RunDir, choice: &Choice) -> &'static dyn Launcher {
    match choice {
        Choice::Unsaid => of_run(run),
        Choice::Local => default(),
        Choice::Slurm(_) => &slurm::Slurm,
    }
}

/// This process, as a worker.
pub fn current() -> Handle {
    slurm::own().map_or_else(local::current, Handle::Slurm)
}

/// Whether somebody else than the worker must be asked where it is, because it is no process of a known machine.
pub fn is_elsewhere(worker: &Handle) -> bool {
    worker.local().is_none()
}

/// Whether a slot takes as many runs as the queue says, and not as many as there are.
pub fn is_limited(slot: &str) -> bool {
    slot != slurm::SLOT
}

/// Where these workers are, by asking all who started them.
pub fn survey(root: &Path, workers: &[(RunId, Handle)]) -> BTreeMap<RunId, Standing> {
    // One launcher asks about the workers of a cluster.
    match workers {
        [] => BTreeMap::new(),
        [(_, first), ..] => of(first).survey(root, workers),
    }
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
