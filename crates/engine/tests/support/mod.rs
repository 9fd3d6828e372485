//! Runs of the real worker with a small model on the embedded pictures. In a folder, so that cargo does not build it as a test.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use warmstart_runs::checkpoint::{self, Content};
use warmstart_runs::event_log::EventReader;
use warmstart_runs::run::{Launch, RunDir, RunInfo};
use warmstart_runs::storage::Disk;
use warmstart_schema::event::{Event, FailureKind, Record};
use warmstart_schema::experiment;
use warmstart_schema::state::{Outcome, RunState};

/// Longer than any of these runs takes on a slow machine.
const PATIENCE: Duration = Duration::from_mins(5);

/// An experiment with 140 training images and five steps an epoch.
pub(crate) const SMALL: &str = "
name: small
seed: 7
dataset: { name: emoji98, validation: 0.3, labels: coarse, limit: 200 }
augment: { rotation: 15, horizontal_flip: true, zoom: 0.1 }
model: { backbone: resnet18, weights: random, head: { hidden: 16, dropout: 0.5 } }
train:
  epochs: 2
  batch_size: 32
  optimizer: { name: adam, learning_rate: 1.0e-3 }
  schedule: { name: cosine, warmup_epochs: 0.5 }
";

/// Creates a run of [`SMALL`] on the CPU, with these `FIELD=VALUE` changes.
pub(crate) fn new_run(root: &Path, changes: &[&str]) -> (RunDir, RunInfo) {
    let changes: Vec<String> = changes.iter().map(|change| (*change).to_owned()).collect();
    let experiment = experiment::parse_with(SMALL, "small.yaml", &changes).unwrap();
    RunDir::create(
        root,
        &Launch {
            experiment: &experiment,
            source: Path::new("small.yaml"),
            device: "cpu",
        },
    )
    .unwrap()
}

/// The worker command for a run: no network, and no downloads of the user.
pub(crate) fn command(run: &RunDir) -> Command {
    let log = std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(run.worker_log())
        .unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_warmstart-worker"));
    command
        .arg("train")
        .arg(run.path())
        .env("OMP_NUM_THREADS", "2")
        .env("OMP_WAIT_POLICY", "passive");
    command
        .env("HF_HUB_OFFLINE", "1")
        .env("XDG_CACHE_HOME", run.path().join("cache"));
    for name in [
        "WARMSTART_DATA",
        "WARMSTART_FEATURE_CACHE",
        "WARMSTART_WEIGHTS",
        "HF_HOME",
        "HF_HUB_CACHE",
    ] {
        command.env_remove(name);
    }
    command
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log);
    command
}

pub(crate) fn start(run: &RunDir) -> Child {
    command(run).spawn().unwrap()
}

/// Runs the worker to its end; true when it exits with success.
pub(crate) fn finish(run: &RunDir) -> bool {
    start(run).wait().unwrap().success()
}

pub(crate) fn events(run: &RunDir) -> Vec<Record> {
    let (mut reader, mut records) = (EventReader::new(run.events()), Vec::new());
    loop {
        let poll = reader.poll().unwrap();
        records.extend(poll.records);
        // A poll reads a part of a long log.
        if !poll.more {
            return records;
        }
    }
}

/// The run's state, computed from its events.
pub(crate) fn state(run: &RunDir) -> RunState {
    RunState::fold(events(run))
}

/// The newest checkpoint, without its measured time.
pub(crate) fn last(run: &RunDir) -> Content {
    let mut content = checkpoint::newest(&Disk, run).unwrap().0.unwrap();
    content.state.train_time = 0.0;
    content
}

/// Kind, error and help of a run that failed.
pub(crate) fn failure(run: &RunDir) -> (FailureKind, String, String) {
    match state(run).outcome {
        Some(Outcome::Failed { kind, error, help }) => (kind, error, help),
        other => panic!("{other:?}: {}", log(run)),
    }
}

/// Waits for an event that `is_it` accepts; fails if the worker ends first.
pub(crate) fn wait_for(run: &RunDir, child: &mut Child, is_it: impl Fn(&Event) -> bool) {
    wait_after(run, 0, child, is_it);
}

/// The same, for an event after the first `seen` ones.
pub(crate) fn wait_after(
    run: &RunDir,
    seen: usize,
    child: &mut Child,
    is_it: impl Fn(&Event) -> bool,
) {
    let started = Instant::now();
    loop {
        // Before the log is read, so that the last event of a worker counts.
        let has_ended = child.try_wait().unwrap().is_some();
        let mut later = events(run).into_iter().skip(seen);
        if later.any(|record| is_it(&record.event)) {
            return;
        }
        assert!(!has_ended, "the worker ended: {}", log(run));
        assert!(started.elapsed() < PATIENCE, "nothing came: {}", log(run));
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn log(run: &RunDir) -> String {
    std::fs::read_to_string(run.worker_log()).unwrap_or_default()
}
