//! Where workers run. A [`Launcher`] starts a run's worker, says whether it is alive, and passes requests to it.
//!
//! To add a launcher, for example for another batch system: a file in `launcher/`, variants of [`Handle`] and [`Choice`], and rows in
//! the functions of this file. `ARCHITECTURE.md` names them and the rest.

mod contract;
mod cores;
pub mod local;
mod logind;
mod programs;
pub mod slurm;
pub mod torch;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::mem::{Discriminant, discriminant};
use std::path::Path;
use std::sync::OnceLock;

use crate::run::{RunDir, RunId};
use warmstart_schema::experiment::Experiment;
pub use warmstart_schema::identity::Handle;
use warmstart_schema::slurm::Slurm as SlurmOptions;

pub use self::contract::{Host, Launcher, Origin, Request, Stage, Standing, Started, WorkerState};
pub use self::cores::cores;
pub use self::logind::Login;
pub use self::programs::{MONITOR, MONITORED_BY, Programs, training};

/// Which launcher the user wants for new runs and for those that are resumed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Choice {
    /// This machine for new runs; for others the launcher that they had.
    #[default]
    Unspecified,
    /// This machine.
    Local,
    /// Jobs of Slurm.
    Slurm(Box<SlurmRequest>),
}

impl Choice {
    /// What Slurm would be asked for to train an experiment, in a sentence; none if the user did not choose Slurm.
    pub fn request(&self, experiment: Option<&Experiment>) -> Option<String> {
        let Self::Slurm(request) = self else {
            return None;
        };
        let options = experiment.map_or_else(SlurmOptions::default, |it| it.slurm.clone());
        Some(format!("Slurm gets a job with {}", request.with(&options)))
    }
}

/// What jobs ask for, besides what their experiments say: each field by the command line, the experiment, the settings, in this
/// order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SlurmRequest {
    pub settings: SlurmOptions,
    pub command_line: SlurmOptions,
}

impl SlurmRequest {
    /// What a job of an experiment asks for.
    pub fn with(&self, experiment: &SlurmOptions) -> SlurmOptions {
        self.settings.with(experiment).with(&self.command_line)
    }
}

static CHOSEN: OnceLock<Choice> = OnceLock::new();

/// Sets what the user wants, for the life of the process. The first call wins: command line and settings are read once.
pub fn choose(choice: Choice) {
    let _ = CHOSEN.set(choice);
}

/// What the user wants.
pub fn chosen() -> &'static Choice {
    CHOSEN.get().unwrap_or(&Choice::Unspecified)
}

/// The launcher that started a worker.
pub fn of_worker(worker: &Handle) -> &'static dyn Launcher {
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
pub fn assign(run: &RunDir, choice: &Choice, experiment: &SlurmOptions) -> io::Result<()> {
    match choice {
        Choice::Unspecified => Ok(()),
        Choice::Local => slurm::give_back(run),
        Choice::Slurm(request) => slurm::ask_for(run, &request.with(experiment)),
    }
}

/// The launcher that a run gets by [`assign`].
pub fn assigned(run: &RunDir, choice: &Choice) -> &'static dyn Launcher {
    match choice {
        Choice::Unspecified => of_run(run),
        Choice::Local => default(),
        Choice::Slurm(_) => &slurm::Slurm,
    }
}

/// This process, as a worker.
pub fn current() -> Handle {
    slurm::own().map_or_else(local::current, Handle::Slurm)
}

/// Whether a worker is no process of a known machine, so that its launcher must be asked where it is.
pub fn is_elsewhere(worker: &Handle) -> bool {
    worker.local().is_none()
}

/// Whether the queue limits how many runs this slot takes.
pub fn is_limited(slot: &str) -> bool {
    slot != slurm::SLOT
}

/// Where these workers are, by asking each launcher about all that it has started. Takes seconds. Has no entry for workers of this
/// machine.
pub fn survey(root: &Path, workers: &[(RunId, Handle)]) -> BTreeMap<RunId, Standing> {
    let mut started: HashMap<Discriminant<Handle>, Vec<(RunId, Handle)>> = HashMap::new();
    for (run, worker) in workers {
        let of_launcher = started.entry(discriminant(worker)).or_default();
        of_launcher.push((run.clone(), worker.clone()));
    }
    let standings = started
        .values()
        .flat_map(|workers| of_worker(&workers[0].1).survey(root, workers));
    standings.collect()
}

/// Whether a worker may still run.
pub fn is_alive(worker: &Handle) -> bool {
    of_worker(worker).state(worker) != WorkerState::Gone
}

/// Passes a request to a worker; false if the worker is gone.
pub fn ask(worker: &Handle, request: Request) -> io::Result<bool> {
    of_worker(worker).ask(worker, request)
}

/// Whether a worker holds the run; `worker` is the last known one.
pub fn is_held(run: &RunDir, worker: Option<&Handle>) -> bool {
    worker.map_or_else(default, of_worker).is_held(run)
}

#[cfg(test)]
mod tests {
    use warmstart_schema::identity::Job;

    use super::*;

    #[test]
    fn each_launcher_is_asked_about_its_own_workers() {
        let root = tempfile::tempdir().unwrap();
        // What `squeue` said a moment ago, so that it is not asked.
        let answer = "12|PENDING|N/A|1:00:00||Priority\n";
        std::fs::write(root.path().join(".squeue"), answer).unwrap();
        let run = |name: &str| name.parse::<RunId>().unwrap();
        let job = Handle::Slurm(Job {
            slurm_job: Some(12_u64.into()),
            restart: 0,
        });
        let workers = [(run("a"), local::current()), (run("b"), job)];
        for first in [0, 1] {
            let mut workers = workers.clone();
            workers.swap(0, first);
            let standings = survey(root.path(), &workers);
            let stages: Vec<(&RunId, Stage)> = standings
                .iter()
                .map(|(id, standing)| (id, standing.stage))
                .collect();
            assert_eq!(stages, [(&run("b"), Stage::Waiting)]);
        }
    }
}
