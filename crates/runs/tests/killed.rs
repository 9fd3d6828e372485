//! Kills a process at every call that changes the file system. The process creates a run, logs events, saves and removes
//! checkpoints, updates names.json, and finishes. Acknowledged data survive, and the next process reaches the same end.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

#[path = "../../engine/tests/support/strace.rs"]
mod strace;

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use strace::has_strace;
use warmstart_runs::checkpoint::{self, Content, State};
use warmstart_runs::event_log::{EventReader, EventWriter};
use warmstart_runs::run::{Labels, Launch, RunDir, RunInfo};
use warmstart_runs::storage::Disk;
use warmstart_runs::survey;
use warmstart_schema::event::{Checkpoint, Event, Phase};
use warmstart_schema::experiment;

/// Environment variable with the folder of the process that is killed.
const ROOT: &str = "WARMSTART_KILLED_IN";
const STEPS: u64 = 4;
const EXPERIMENT: &str = "
name: killed
dataset: { name: emoji98 }
model: { backbone: resnet18, weights: random }
train: { epochs: 4, batch_size: 32, optimizer: { name: adam, learning_rate: 0.001 } }
";
const CALLS: &str =
    "openat,write,fsync,fdatasync,rename,renameat,renameat2,mkdir,mkdirat,unlink,unlinkat,rmdir";

fn content(step: u64) -> Content {
    let bytes = |salt: u64| {
        (0..100)
            .map(|i| u8::try_from((step * 7 + salt * i) % 251).unwrap())
            .collect()
    };
    Content {
        state: State {
            step,
            epoch: u32::try_from(step).unwrap(),
            // Step 1 is the best until step 3; then each new step is the best.
            best_step: Some(if step < 3 { 1 } else { step }),
            train_time: 2.5,
            ..State::default()
        },
        model: bytes(3),
        optimizer: bytes(5),
    }
}

fn only_run(root: &Path) -> Option<RunDir> {
    let runs = survey::list(root).unwrap();
    assert!(runs.len() <= 1, "{runs:?}");
    Some(RunDir::of(root, runs.first()?))
}

/// Does the work of a launcher and a worker, starting from the state on disk.
fn work(root: &Path) {
    let run = only_run(root).unwrap_or_else(|| {
        let experiment = experiment::parse(EXPERIMENT, "killed.yaml").unwrap();
        let launch = Launch {
            experiment: &experiment,
            source: Path::new("killed.yaml"),
            device: "cpu",
        };
        RunDir::create(root, &launch).unwrap().0
    });
    let _lock = run.lock().unwrap().unwrap();
    let info = run.info().unwrap();
    run.write_info(&RunInfo {
        worker: Some(warmstart_runs::launcher::current()),
        ..info
    })
    .unwrap();
    checkpoint::recover(&Disk, &run).unwrap();
    let mut log = EventWriter::open(&run.events()).unwrap();
    run.write_labels(&Labels {
        names: vec!["a".into(), "b".into()],
        train_images: vec![1, 2],
    })
    .unwrap();
    let saved = checkpoint::newest(&Disk, &run)
        .unwrap()
        .0
        .map_or(0, |content| content.state.step);
    for step in saved + 1..=STEPS {
        log.write(&Event::Phase {
            phase: Phase::Saving,
        })
        .unwrap();
        let bytes = checkpoint::save(&Disk, &run, &content(step), 2).unwrap();
        let epoch = u32::try_from(step).unwrap();
        log.write(&Event::Checkpoint(Checkpoint {
            step,
            epoch,
            best: true,
            bytes,
            seconds: 0.1,
        }))
        .unwrap();
    }
    log.write(&Event::Finished {
        train_time: 1.0,
        stopped_early: false,
    })
    .unwrap();
    log.sync().unwrap();
}

#[test]
fn worker_process_to_kill() {
    if let Some(root) = std::env::var_os(ROOT) {
        work(&PathBuf::from(root));
    }
}

fn traced(root: &Path, expressions: &[String], output: &Path) -> std::process::ExitStatus {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-y", "-qq", "-o"]).arg(output);
    for expression in expressions {
        strace.args(["-e", expression]);
    }
    strace.arg(std::env::current_exe().unwrap());
    strace.args([
        "--exact",
        "worker_process_to_kill",
        "--nocapture",
        "--test-threads=1",
    ]);
    strace.env(ROOT, root).output().unwrap().status
}

/// Calls of the traced process that change something in `root`: the name, and the number among the calls of that name.
fn points(trace: &str, root: &str) -> Vec<(String, usize)> {
    // The test harness runs the test in another thread, and strace counts calls by thread.
    let thread = trace
        .lines()
        .find(|line| line.contains(root))
        .and_then(|line| line.split(' ').next())
        .unwrap();
    let (mut numbers, mut points) = (BTreeMap::<String, usize>::new(), Vec::new());
    for line in trace.lines() {
        let Some((_, rest)) = line.split_once(' ').filter(|(of, _)| *of == thread) else {
            continue;
        };
        let Some((name, arguments)) = rest.trim_start().split_once('(') else {
            continue;
        };
        let number = numbers.entry(name.to_owned()).or_default();
        *number += 1;
        if arguments.contains(root) && (name != "openat" || arguments.contains("O_CREAT")) {
            points.push((name.to_owned(), *number));
        }
    }
    points
}

/// Acknowledged data are there, no reader finds a partial file, and the next process ends like an uninterrupted one.
fn assert_recovers(root: &Path, what: &str) {
    if let Some(run) = only_run(root) {
        let events = EventReader::new(run.events()).poll().unwrap().records;
        let acknowledged = events.iter().rev().find_map(|record| match &record.event {
            Event::Checkpoint(checkpoint) => Some(checkpoint.step),
            _ => None,
        });
        let (newest, skipped) = checkpoint::newest(&Disk, &run).unwrap();
        assert!(skipped.is_empty(), "{what}: {skipped:?}");
        assert!(
            newest.map(|content| content.state.step) >= acknowledged,
            "{what}"
        );
        run.names(&Disk).unwrap();
    }
    work(root);
    let run = only_run(root).unwrap();
    assert_eq!(
        checkpoint::newest(&Disk, &run).unwrap().0.unwrap(),
        content(STEPS),
        "{what}"
    );
    assert_eq!(
        checkpoint::best(&Disk, &run).unwrap().unwrap(),
        content(STEPS),
        "{what}"
    );
    let names = std::fs::read_dir(run.checkpoints())
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    assert!(
        names
            .into_iter()
            .all(|name| name.to_string_lossy().starts_with("step-")),
        "{what}"
    );
}

#[test]
fn kills_at_any_call_keep_acknowledged_data() {
    if !has_strace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (root, trace) = (folder.path().join("unbroken"), folder.path().join("trace"));
    std::fs::create_dir(&root).unwrap();
    assert!(traced(&root, &[format!("trace={CALLS}")], &trace).success());
    let points = points(
        &std::fs::read_to_string(&trace).unwrap(),
        root.to_str().unwrap(),
    );
    let mut kinds = BTreeMap::<&str, usize>::new();
    for (index, (name, number)) in points.iter().enumerate() {
        let root = folder.path().join(index.to_string());
        std::fs::create_dir(&root).unwrap();
        let inject = [
            format!("trace={name}"),
            format!("inject={name}:signal=SIGKILL:when={number}"),
        ];
        let status = traced(&root, &inject, Path::new("/dev/null"));
        assert!(
            status.signal() == Some(9) || status.code() == Some(137),
            "{name} {number} was not met: {status:?}"
        );
        assert_recovers(&root, &format!("{name} {number}"));
        *kinds.entry(name).or_default() += 1;
        std::fs::remove_dir_all(&root).unwrap();
    }
    println!(
        "FIGURE A2\tcalls that change the run folder at which a process was killed, all recovered ({kinds:?})\t{}\t60\tok",
        points.len()
    );
    assert!(points.len() >= 60, "{kinds:?}");
}
