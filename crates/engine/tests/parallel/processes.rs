//! Real workers with `train.devices` above 1.

use std::fs;
use std::path::Path;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use warmstart_runs::change;
use warmstart_runs::checkpoint::Devices;
use warmstart_runs::run::RunDir;
use warmstart_schema::event::{Epoch, Event};
use warmstart_schema::state::Outcome;

use super::support::{
    command, events, failure, finish, last, log, new_run, start, state, wait_for,
};

/// A small network with batch normalization, dropout and augmentation.
const SMALL: [&str; 4] = [
    "model.backbone=tf_efficientnet_lite0",
    "model.freeze=4",
    "train.accumulate=2",
    "train.batch_size=16",
];
/// So many epochs that a test ends them.
const LONG: &str = "train.epochs=500";

fn run(root: &Path, changes: &[&str]) -> RunDir {
    new_run(root, &[&SMALL[..], changes].concat()).0
}

/// The processes of ranks above 0 of a run.
fn ranks(run: &RunDir) -> Vec<i32> {
    let folder = run.path().to_str().unwrap();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        if line.contains("\0rank\0") && line.contains(folder) {
            found.push(pid);
        }
    }
    found
}

/// Waits for the first processes of ranks above 0; fails if the worker ends first.
fn first_ranks(run: &RunDir, child: &mut Child) -> Vec<i32> {
    loop {
        let found = ranks(run);
        if !found.is_empty() {
            return found;
        }
        assert!(child.try_wait().unwrap().is_none(), "{}", log(run));
        thread::sleep(Duration::from_millis(1));
    }
}

/// Waits until no rank above 0 is left.
fn assert_none_left(run: &RunDir, within: Duration) {
    let began = Instant::now();
    while !ranks(run).is_empty() {
        assert!(began.elapsed() < within, "left: {:?}", ranks(run));
        thread::sleep(Duration::from_millis(20));
    }
}

fn send(pid: i32, signal: Signal) {
    kill(Pid::from_raw(pid), signal).unwrap();
}

fn id(child: &Child) -> i32 {
    i32::try_from(child.id()).unwrap()
}

fn figures(run: &RunDir) -> Vec<(u64, [u64; 4])> {
    let exact = |epoch: &Epoch| {
        let figures = [
            epoch.train_loss,
            epoch.train_acc,
            epoch.val_loss,
            epoch.val_acc,
        ];
        (epoch.step, figures.map(f64::to_bits))
    };
    state(run).epochs.iter().map(exact).collect()
}

/// The same last checkpoint, without printing its tensors.
fn assert_same(found: &RunDir, expected: &RunDir) {
    let (found, expected) = (last(found), last(expected));
    assert_eq!(found.state, expected.state);
    assert!(found.model == expected.model && found.optimizer == expected.optimizer);
}

fn start_training(run: &RunDir) -> Child {
    let mut child = start(run);
    wait_for(
        run,
        &mut child,
        |event| matches!(event, Event::Batch(batch) if batch.step > 0),
    );
    child
}

#[test]
fn two_processes_repeat_and_a_broken_run_ends_with_the_bits_of_an_unbroken_one() {
    let root = tempfile::tempdir().unwrap();
    let changes = ["train.devices=2", "train.epochs=3"];
    let [straight, again] = [0, 1].map(|_| run(root.path(), &changes));
    for run in [&straight, &again] {
        assert!(finish(run), "{}", log(run));
        assert_none_left(run, Duration::ZERO);
    }
    assert_same(&again, &straight);
    assert_eq!(figures(&straight), figures(&again));
    assert_eq!(last(&straight).state.conditions.devices, Devices(2));

    let broken = run(root.path(), &changes);
    // Stops in the middle of the first epoch, and is killed twice.
    let stopped = command(&broken).args(["--stop-after", "3"]).status();
    assert!(stopped.unwrap().success(), "{}", log(&broken));
    assert_none_left(&broken, Duration::ZERO);
    let stopped = last(&broken).state;
    assert_eq!(state(&broken).outcome, Some(Outcome::Stopped));
    assert!(stopped.epoch == 0 && stopped.batch == 6, "{stopped:?}");
    for epoch in [1, 2] {
        let mut child = start(&broken);
        wait_for(
            &broken,
            &mut child,
            |event| matches!(event, Event::Checkpoint(saved) if saved.epoch == epoch),
        );
        child.kill().unwrap();
        child.wait().unwrap();
        assert_none_left(&broken, Duration::from_secs(2));
    }
    assert!(finish(&broken), "{}", log(&broken));
    assert_same(&broken, &straight);
    assert_eq!(figures(&broken), figures(&straight));
    assert_eq!(
        state(&broken).test.unwrap().loss.to_bits(),
        state(&straight).test.unwrap().loss.to_bits()
    );
    let attempt = state(&broken).attempt.unwrap();
    assert_eq!((attempt.devices, attempt.not_exact.len()), (2, 0));
}

#[test]
fn another_number_of_devices_resumes_and_says_that_it_is_not_exact() {
    let root = tempfile::tempdir().unwrap();
    let run = run(root.path(), &["train.devices=2", "train.epochs=2"]);
    let stopped = command(&run).args(["--stop-after", "3"]).status();
    assert!(stopped.unwrap().success(), "{}", log(&run));
    let changed = change::change(&run, &["train.devices=1".to_owned()], false).unwrap();
    assert_eq!(changed[0].from, "2");
    assert!(finish(&run), "{}", log(&run));
    let attempt = state(&run).attempt.unwrap();
    assert_eq!(attempt.devices, 1);
    assert!(
        attempt
            .not_exact
            .contains(&"the number of devices was 2, is 1".to_owned()),
        "{:?}",
        attempt.not_exact
    );
}

#[test]
fn a_killed_rank_fails_the_run_with_a_sentence_and_leaves_no_process() {
    let root = tempfile::tempdir().unwrap();
    let run = run(root.path(), &["train.devices=3", LONG]);
    let mut child = start_training(&run);
    let all = ranks(&run);
    assert_eq!(all.len(), 2);
    let began = Instant::now();
    send(all[1], Signal::SIGKILL);
    assert!(!child.wait().unwrap().success(), "{}", log(&run));
    assert!(began.elapsed() < Duration::from_secs(10));
    assert_none_left(&run, Duration::ZERO);
    let (_, error, help) = failure(&run);
    assert!(
        error.contains(&format!("process {}", all[1])) && error.contains("killed by SIGKILL"),
        "{error}"
    );
    assert!(help.contains("train.devices"), "{help}");
}

#[test]
fn a_killed_worker_leaves_no_process() {
    let root = tempfile::tempdir().unwrap();
    let run = run(root.path(), &["train.devices=3", LONG]);
    let mut child = start_training(&run);
    assert_eq!(ranks(&run).len(), 2);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_none_left(&run, Duration::from_secs(2));
    // Also while the others load.
    let mut child = start(&run);
    first_ranks(&run, &mut child);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_none_left(&run, Duration::from_secs(5));
}

#[test]
fn a_stop_that_reaches_all_processes_saves_and_leaves_none() {
    let root = tempfile::tempdir().unwrap();
    let run = run(root.path(), &["train.devices=2", LONG]);
    let mut child = start_training(&run);
    for pid in ranks(&run) {
        send(pid, Signal::SIGTERM);
        send(pid, Signal::SIGINT);
    }
    thread::sleep(Duration::from_millis(300));
    assert!(child.try_wait().unwrap().is_none(), "{}", log(&run));
    send(id(&child), Signal::SIGTERM);
    assert!(child.wait().unwrap().success(), "{}", log(&run));
    assert_none_left(&run, Duration::ZERO);
    assert_eq!(state(&run).outcome, Some(Outcome::Stopped));
    assert!(last(&run).state.step > 0);

    // While the others load, before they ignore it.
    let mut child = start(&run);
    let others = first_ranks(&run, &mut child);
    send(id(&child), Signal::SIGTERM);
    for pid in others {
        send(pid, Signal::SIGTERM);
    }
    assert!(child.wait().unwrap().success(), "{}", log(&run));
    assert_none_left(&run, Duration::ZERO);
    assert_eq!(state(&run).outcome, Some(Outcome::Stopped));
}

#[test]
fn a_rank_that_fails_says_why_through_the_run() {
    let root = tempfile::tempdir().unwrap();
    let run = run(root.path(), &["train.devices=2", "train.epochs=1"]);
    let mut child = start(&run);
    // The rank reads the experiment when it begins.
    first_ranks(&run, &mut child);
    let text = fs::read(run.experiment_yaml()).unwrap();
    fs::write(run.experiment_yaml(), b"name: [").unwrap();
    let succeeded = child.wait().unwrap().success();
    fs::write(run.experiment_yaml(), text).unwrap();
    assert!(!succeeded, "{}", log(&run));
    assert_none_left(&run, Duration::ZERO);
    let (_, error, _) = failure(&run);
    assert!(
        error.contains("rank 1 of 2") && error.contains("experiment.yaml"),
        "{error}"
    );
}

#[test]
fn features_of_a_frozen_backbone_are_not_kept_and_the_log_says_so() {
    let root = tempfile::tempdir().unwrap();
    let changes = ["model.freeze=backbone", "augment={}", "train.epochs=1"];
    let run = run(root.path(), &[&changes[..], &["train.devices=2"]].concat());
    assert!(finish(&run), "{}", log(&run));
    let state = state(&run);
    assert!(!state.model.unwrap().cached_features);
    let notes: Vec<_> = state.notes.iter().map(|note| &*note.text).collect();
    // What a rank has to say is said once.
    assert_eq!(
        notes
            .iter()
            .filter(|note| note.contains("features of the frozen backbone are not kept"))
            .count(),
        1,
        "{notes:?}"
    );
    assert!(state.frozen.unwrap().unchanged());
    assert!(
        events(&run)
            .iter()
            .all(|record| !matches!(record.event, Event::CheckpointFailed { .. }))
    );
}
