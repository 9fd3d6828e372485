//! The smallest training that uses dropout, batch normalization, augmentation and accumulated gradients.

use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use warmstart_engine::interrupt::Interrupt;
use warmstart_engine::worker::{self, Options};
use warmstart_runs::checkpoint::{self, Content};
use warmstart_runs::run::{Launch, RunDir};
use warmstart_runs::storage::Disk;
use warmstart_schema::event::{Batch, Epoch};
use warmstart_schema::experiment;
use warmstart_schema::state::RunState;

use super::support::{command, state};

/// 20 training images in batches of 4, two batches a step: three steps an epoch, the last with one batch.
/// Nothing improves by 100, so early stopping ends the run after three of four epochs.
const TINY: &str = "
name: tiny
seed: 3
dataset: { name: emoji98, validation: 0.3, labels: coarse, limit: 28 }
augment: { rotation: 15, horizontal_flip: true, zoom: 0.1 }
model: { backbone: tf_efficientnet_lite0, weights: random, freeze: 8, head: { hidden: 8, dropout: 0.5 } }
train:
  epochs: 4
  batch_size: 4
  accumulate: 2
  optimizer: { name: adam, learning_rate: 0.01 }
  early_stopping: { monitor: val_loss, patience: 2, min_delta: 100 }
";

/// Environment variable with the run folder that a child process trains.
const RUN: &str = "WARMSTART_TINY_RUN";

/// Seeds and thread counts are global to the process: only one training at a time.
static TRAINING: Mutex<()> = Mutex::new(());

pub(crate) fn alone() -> MutexGuard<'static, ()> {
    TRAINING
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A folder in memory if the system has one: these tests do not test the disk.
pub(crate) fn root() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        tempfile::tempdir_in(memory).unwrap()
    } else {
        tempfile::tempdir().unwrap()
    }
}

pub(crate) fn new_run(root: &Path, changes: &[&str]) -> RunDir {
    let changes: Vec<String> = changes.iter().map(|change| (*change).to_owned()).collect();
    let experiment = experiment::parse_with(TINY, "tiny.yaml", &changes).unwrap();
    RunDir::create(
        root,
        &Launch {
            experiment: &experiment,
            source: Path::new("tiny.yaml"),
            device: "cpu",
        },
    )
    .unwrap()
    .0
}

/// Trains a run in this process and reports every step.
pub(crate) fn train(run: &RunDir, interrupt: &Interrupt) -> anyhow::Result<bool> {
    worker::run(
        run.path(),
        Options {
            stop_after: None,
            progress_every: Duration::ZERO,
        },
        interrupt,
    )
}

/// A process that trains a run with one thread and reports every step, unlike the worker. Its environment is the worker's.
pub(crate) fn teller(run: &RunDir) -> Command {
    let worker = command(run);
    let mut teller = Command::new(std::env::current_exe().unwrap());
    teller.args([
        "--exact",
        "tiny::the_child_process_trains_its_run",
        "--nocapture",
        "--test-threads=1",
    ]);
    like(&mut teller, &worker, run);
    teller.env(RUN, run.path()).env("OMP_NUM_THREADS", "1");
    teller
}

/// Gives a process the environment of the worker, and the run's log as its output.
pub(crate) fn like(process: &mut Command, worker: &Command, run: &RunDir) {
    for (name, value) in worker.get_envs() {
        match value {
            Some(value) => process.env(name, value),
            None => process.env_remove(name),
        };
    }
    let log = std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(run.worker_log())
        .unwrap();
    process
        .stdin(std::process::Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log);
}

#[test]
fn the_child_process_trains_its_run() {
    if let Some(folder) = std::env::var_os(RUN) {
        assert!(train(&RunDir::new(folder), &Interrupt::listen().unwrap()).unwrap());
    }
}

/// A number from the environment, where `all` is the highest; without the variable, the default for CI.
pub(crate) fn wanted(name: &str, usual: usize) -> usize {
    match std::env::var(name).as_deref() {
        Err(_) => usual,
        Ok("all") => usize::MAX,
        Ok(number) => number.parse::<usize>().unwrap_or_else(|error| {
            panic!("{name}: expected a number or all, found {number}: {error}")
        }),
    }
}

/// Target and verdict of a figure: the soak test's target if the variable is set, otherwise CI's.
pub(crate) fn verdict(name: &str, reached: usize, [ci, soak]: [usize; 2]) -> String {
    let target = if std::env::var_os(name).is_some() {
        soak
    } else {
        ci
    };
    format!(
        "{target}\t{}",
        if reached >= target { "ok" } else { "UNDER" }
    )
}

/// What two equal runs share: the last checkpoint except its clock, and the figures of every step, every epoch and the test.
#[derive(Debug, PartialEq)]
pub(crate) struct Result {
    pub last: Content,
    pub steps: Vec<(u64, [u64; 4])>,
    pub epochs: Vec<(u64, [u64; 5], bool)>,
    pub test: [u64; 2],
}

pub(crate) fn result(run: &RunDir) -> Option<Result> {
    let mut last = checkpoint::newest(&Disk, run).unwrap().0.unwrap();
    last.state.train_time = 0.0;
    let RunState {
        batches,
        epochs,
        test,
        ..
    } = state(run);
    let test = test?;
    let step = |batch: &Batch| {
        let figures = [
            batch.loss,
            batch.accuracy,
            batch.learning_rate,
            batch.gradient_norm,
        ];
        (batch.step, figures.map(f64::to_bits))
    };
    let epoch = |epoch: &Epoch| {
        let figures = [
            epoch.train_loss,
            epoch.train_acc,
            epoch.val_loss,
            epoch.val_acc,
            epoch.learning_rate,
        ];
        (epoch.step, figures.map(f64::to_bits), epoch.best)
    };
    Some(Result {
        last,
        steps: batches
            .iter()
            .map(|progress| step(&progress.batch))
            .collect(),
        epochs: epochs.iter().map(epoch).collect(),
        test: [test.loss, test.accuracy].map(f64::to_bits),
    })
}
