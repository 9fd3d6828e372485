//! Where workers run. A [`Launcher`] starts a run's worker, says whether it is alive, and passes requests to it.
//!
//! To add a launcher, for example for another batch system: a file in `launcher/`, a variant of [`Handle`] and of [`Choice`], and a
//! row in [`of`] and in [`of_run`].

mod contract;
mod cores;
pub mod local;
mod logind;
mod programs;
pub mod slurm;
pub mod torch;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::OnceLock;

use crate::run::{RunDir, RunId};
use warmstart_schema::experiment::Experiment;
pub use warmstart_schema::identity::Handle;
use warmstart_schema::slurm::Slurm as Wanted;

pub use self::contract::{Host, Launcher, Origin, Request, Stage, Standing, Started, WorkerState};
pub use self::cores::cores;
pub use self::logind::Login;
pub use self::programs::{MONITOR, MONITORED_BY, Programs, training};

/// Which launcher the user wants for new runs and for those that are resumed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Choice {
    /// This machine for new runs; for others the launcher that they had.
    #[default]
    Unsaid,
    Local,
    Slurm(Box<Asked>),
}

impl Choice {
    /// What a launcher that sends requests to somebody else would send for an experiment, in a sentence.
    pub fn request(&self, experiment: Option<&Experiment>) -> Option<String> {
        let Self::Slurm(asked) = self else {
            return None;
        };
        let wanted = experiment.map_or_else(Wanted::default, |it| it.slurm.clone());
        Some(format!("Slurm gets a job with {}", asked.with(&wanted)))
    }
}

/// What jobs ask for, besides what their experiments say: each field by the command line, the experiment, the settings, in this
/// order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Asked {
    pub settings: Wanted,
    pub command_line: Wanted,
}

impl Asked {
    /// What a job of an experiment asks for.
    pub fn with(&self, experiment: &Wanted) -> Wanted {
        self.settings.with(experiment).with(&self.command_line)
    }
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

/// Starts workers of runs; a result for each. Runs of one launcher that follow each other are started together.
pub fn start(programs: &Programs, runs: &[RunDir]) -> Vec<io::Result<Started>> {
    let is_alike =
        |one: &RunDir, other: &RunDir| slurm::is_asked_for(one) == slurm::is_asked_for(other);
    runs.chunk_by(is_alike)
        .flat_map(|runs| of_run(&runs[0]).start_all(programs, runs))
        .collect()
}

/// Gives a run the launcher that the user wants. `experiment` is what its experiment asks of Slurm.
pub fn assign(run: &RunDir, choice: &Choice, experiment: &Wanted) -> io::Result<()> {
    match choice {
        Choice::Unsaid => Ok(()),
        Choice::Local => slurm::give_back(run),
        Choice::Slurm(asked) => slurm::ask_for(run, &asked.with(experiment)),
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
