//! Each fault that ends a worker is named, comes with advice, and leaves a run that resumes. The tests use the real worker and
//! monitor, and real faults: signals, memory and disk limits, the kernel, and NaN values.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test's helpers fail by panicking"
)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::{command, events, failure, finish, last, log, new_run, state, wait_after, wait_for};
use warmstart_engine::data::{self, Batch, Batches, Input, Source, Subset};
use warmstart_engine::initial;
use warmstart_engine::interrupt::Interrupt;
use warmstart_engine::model::Model;
use warmstart_engine::optimizer::Optimizer;
use warmstart_engine::reporter::Reporter;
use warmstart_engine::train::{Examples, Setup, train};
use warmstart_engine::usage::Usage;
use warmstart_engine::weights::{self, LoadPolicy};
use warmstart_runs::checkpoint::{self, State};
use warmstart_runs::launcher::{self, MONITOR, WorkerState};
use warmstart_runs::run::RunDir;
use warmstart_runs::search_paths::SearchPaths;
use warmstart_runs::storage::Disk;
use warmstart_schema::event::{Event, FailureKind};
use warmstart_schema::experiment::{self, NumberFormat};
use warmstart_schema::look;
use warmstart_schema::state::Outcome;

/// A small network with two steps an epoch, and more epochs than faults.
const SHORT: [&str; 3] = [
    "dataset={name: emoji98, validation: 0.3, labels: coarse, limit: 100}",
    "model.backbone=tf_efficientnet_lite0",
    "train.epochs=4000",
];

/// The program with the monitor; cargo builds it beside the worker.
fn warmstart() -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_warmstart-worker")).with_file_name("warmstart");
    assert!(
        program.is_file(),
        "{} is missing: cargo build --workspace --bins",
        program.display()
    );
    program
}

/// A worker with its monitor. The same process runs the `shell` commands first.
fn supervised(run: &RunDir, worker: &Path, shell: &str) -> Command {
    let plain = command(run);
    let mut monitored = Command::new("sh");
    monitored.args(["-c", &format!("{shell}\nexec \"$@\""), "sh"]);
    monitored
        .arg(warmstart())
        .arg(MONITOR)
        .arg(worker)
        .arg(run.path());
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => monitored.env(name, value),
            None => monitored.env_remove(name),
        };
    }
    monitored.env_remove("WARMSTART_NOTIFY");
    let log = fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(run.worker_log())
        .unwrap();
    monitored
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log);
    monitored
}

fn real() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_warmstart-worker"))
}

fn worker_state(run: &RunDir) -> WorkerState {
    let worker = state(run).attempt.unwrap().worker;
    launcher::of_worker(&worker).state(&worker)
}

/// The process id of the worker itself.
fn worker(run: &RunDir) -> Pid {
    let worker = state(run).attempt.unwrap().worker;
    Pid::from_raw(i32::try_from(worker.pid().unwrap()).unwrap())
}

fn attempts(run: &RunDir) -> usize {
    events(run)
        .iter()
        .filter(|record| matches!(record.event, Event::Attempt(_)))
        .count()
}

/// Starts a worker and waits until its newest attempt reports an event that `is_it` accepts.
fn supervised_until(run: &RunDir, is_it: impl Fn(&Event) -> bool) -> Child {
    let before = events(run).len();
    let mut child = supervised(run, real(), "").spawn().unwrap();
    wait_after(run, before, &mut child, is_it);
    child
}

/// Training has begun and has a checkpoint to resume from. An epoch is too short for progress events.
fn is_epoch(event: &Event) -> bool {
    matches!(event, Event::Epoch(_))
}

/// Each signal needs a new start of the worker: CI tries the first three, `WARMSTART_FAULTS=all` tries all.
#[test]
fn every_signal_is_named_and_the_run_resumes_after_it() {
    let all = std::env::var("WARMSTART_FAULTS").is_ok_and(|faults| faults == "all");
    let root = tempfile::tempdir().unwrap();
    let run = new_run(root.path(), &SHORT).0;
    let faults = [
        (
            Signal::SIGKILL,
            FailureKind::Killed,
            "killed by SIGKILL: by someone",
        ),
        (
            Signal::SIGABRT,
            FailureKind::Crashed,
            "crashed with SIGABRT",
        ),
        (Signal::SIGXCPU, FailureKind::Killed, "killed by SIGXCPU"),
        (
            Signal::SIGSEGV,
            FailureKind::Crashed,
            "crashed with SIGSEGV",
        ),
        (Signal::SIGBUS, FailureKind::Crashed, "crashed with SIGBUS"),
        (Signal::SIGFPE, FailureKind::Crashed, "crashed with SIGFPE"),
        (Signal::SIGILL, FailureKind::Crashed, "crashed with SIGILL"),
        (
            Signal::SIGUSR1,
            FailureKind::Killed,
            "killed by SIGUSR1 from outside",
        ),
    ];
    let faults = if all { &faults[..] } else { &faults[..3] };
    for (number, (signal, kind, sign)) in faults.iter().copied().enumerate() {
        let mut child = supervised_until(&run, is_epoch);
        kill(worker(&run), signal).unwrap();
        // Rust's handler treats the first SIGSEGV or SIGBUS as a possible stack overflow; the second one kills. A real fault
        // repeats at once.
        if matches!(signal, Signal::SIGSEGV | Signal::SIGBUS) {
            thread::sleep(Duration::from_millis(200));
            kill(worker(&run), signal).unwrap();
        }
        assert!(!child.wait().unwrap().success());
        let (found, error, help) = failure(&run);
        assert!(
            found == kind && error.contains(sign) && help.contains("resum"),
            "{signal}: {found:?} {error} / {help}"
        );
        assert_eq!(
            attempts(&run),
            number + 1,
            "each attempt is the resume of the one before"
        );
    }
    // A second signal kills the worker while it saves after the first.
    let mut child = supervised_until(&run, is_epoch);
    kill(worker(&run), Signal::SIGSTOP).unwrap();
    let began = Instant::now();
    while worker_state(&run) != WorkerState::Suspended {
        assert!(
            began.elapsed().as_secs() < 10,
            "a thread of the worker still runs"
        );
    }
    kill(worker(&run), Signal::SIGTERM).unwrap();
    kill(worker(&run), Signal::SIGCONT).unwrap();
    wait_for(&run, &mut child, |event| matches!(event, Event::Stopping));
    let _ = kill(worker(&run), Signal::SIGKILL);
    child.wait().unwrap();
    let was_killed = match state(&run).outcome {
        Some(Outcome::Failed {
            kind: FailureKind::Killed,
            error,
            ..
        }) => error.contains("while it was saving"),
        // The worker finished before the kill.
        Some(Outcome::Stopped) => true,
        _ => false,
    };
    assert!(was_killed, "{}", log(&run));
    let stops = [Signal::SIGQUIT, Signal::SIGINT, Signal::SIGTERM];
    let stops = if all { &stops[..] } else { &stops[..1] };
    for &signal in stops {
        let mut child = supervised_until(&run, is_epoch);
        kill(worker(&run), signal).unwrap();
        child.wait().unwrap();
        assert_eq!(
            state(&run).outcome,
            Some(Outcome::Stopped),
            "{signal}: {}",
            log(&run)
        );
    }
    // The monitor forwards SIGTERM to the worker.
    let mut child = supervised_until(&run, is_epoch);
    kill(
        Pid::from_raw(i32::try_from(child.id()).unwrap()),
        Signal::SIGTERM,
    )
    .unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(state(&run).outcome, Some(Outcome::Stopped), "{}", log(&run));
    // Two more: the kill during a save, and the SIGTERM to the monitor.
    let tried = faults.len() + stops.len() + 2;
    println!(
        "FIGURE B6\tsignals to a worker, each named with its cause and what to do, the run resumed after each\t{tried}\t13\t{}",
        if tried >= 13 { "ok" } else { "UNDER" }
    );
}

#[test]
fn a_worker_that_does_not_start_is_distinguished_from_one_that_crashed() {
    let root = tempfile::tempdir().unwrap();
    let script = |name: &str, text: &str| {
        use std::os::unix::fs::PermissionsExt;
        let path = root.path().join(name);
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    };
    let without_library = script(
        "without-library",
        "echo 'libtorch_cpu.so: cannot open shared object file' >&2; exit 127",
    );
    let without_word = script(
        "without-word",
        &format!(
            "'{}' \"$@\" & until grep -q '\"attempt\"' \"$2/events.jsonl\" 2>/dev/null; do sleep 0.05; done\nkill -9 $!; wait; exit 9",
            real().display()
        ),
    );
    for (worker, kind, sign, advice) in [
        (
            root.path().join("nowhere"),
            FailureKind::NotStarted,
            "did not start: No such file or directory",
            "make build",
        ),
        (
            without_library,
            FailureKind::NotStarted,
            "did not start (exit code 127)",
            "warmstart doctor",
        ),
        (
            without_word,
            FailureKind::Crashed,
            "exited with code 9 and without a message",
            "resume continues",
        ),
    ] {
        let run = new_run(root.path(), &["train.epochs=1", SHORT[0], SHORT[1]]).0;
        assert!(!supervised(&run, &worker, "").status().unwrap().success());
        let (found, error, help) = failure(&run);
        assert!(
            found == kind && error.contains(sign) && help.contains(advice),
            "{found:?} {error} / {help}"
        );
        assert!(finish(&run), "{}", log(&run));
    }
    // Every other run would fail for the same missing program, so the queue pauses instead of starting them.
    let queue = warmstart_runs::queue::Queue::new(root.path())
        .content()
        .unwrap();
    let paused = queue.paused.unwrap();
    assert!(
        paused.starts_with("the worker cannot be started: ") && paused.ends_with("nowhere"),
        "{paused}"
    );
    println!(
        "FIGURE B6\ta worker that is missing, lacks a library, or exits without a message\t3 of 3\t3\tok"
    );
}

#[test]
fn out_of_memory_and_out_of_disk_are_distinguished() {
    let root = tempfile::tempdir().unwrap();
    // `ulimit` makes allocations fail, and the worker can report that.
    let large = [
        "input={resize: 512}",
        "train.batch_size=64",
        "train.epochs=1",
        SHORT[0],
        SHORT[1],
    ];
    let run = new_run(root.path(), &large).0;
    assert!(
        !supervised(&run, real(), "ulimit -v 3000000")
            .status()
            .unwrap()
            .success()
    );
    let (kind, error, help) = failure(&run);
    assert!(
        kind == FailureKind::OutOfMemory && help.contains("train.batch_size"),
        "{kind:?} {error} / {help}"
    );

    let run = new_run(root.path(), &["train.epochs=1", SHORT[0], SHORT[1]]).0;
    assert!(
        !supervised(&run, real(), "ulimit -f 2000")
            .status()
            .unwrap()
            .success()
    );
    let (kind, error, help) = failure(&run);
    assert!(
        kind == FailureKind::Disk && error.contains("checkpoint") && help.contains("resume"),
        "{kind:?} {error} / {help}"
    );
    assert!(finish(&run), "{}", log(&run));
    println!(
        "FIGURE B6\ta limit of memory and one of disk, reported by the worker itself\t2 of 2\t2\tok"
    );
}

/// A control group with a memory limit, if the system allows one.
struct Group(PathBuf);

impl Group {
    fn new(bytes: u64) -> Option<Self> {
        let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
        let name = format!("warmstart-test-{}", std::process::id());
        let v1 = groups
            .lines()
            .find_map(|line| line.split_once(":memory:").map(|(_, path)| path.to_owned()));
        let (folder, limit) = match v1 {
            Some(_) => (
                PathBuf::from("/sys/fs/cgroup/memory").join(name),
                "memory.limit_in_bytes",
            ),
            None => (PathBuf::from("/sys/fs/cgroup").join(name), "memory.max"),
        };
        fs::create_dir(&folder).ok()?;
        let group = Self(folder);
        fs::write(group.0.join(limit), bytes.to_string()).ok()?;
        // Swap would hide the limit. Some systems cannot limit it.
        let _ = fs::write(group.0.join("memory.swap.max"), "0");
        Some(group)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn a_kill_by_the_kernel_for_memory_is_reported_as_such() {
    let Some(group) = Group::new(120 << 20) else {
        eprintln!("SKIPPED: no control group with a limit of memory can be made here");
        return;
    };
    let root = tempfile::tempdir().unwrap();
    let run = new_run(root.path(), &["train.epochs=1", SHORT[0], SHORT[1]]).0;
    let join = format!("echo $$ > '{}/cgroup.procs' || exit 99", group.0.display());
    assert!(!supervised(&run, real(), &join).status().unwrap().success());
    let (kind, error, help) = failure(&run);
    assert!(
        kind == FailureKind::KernelOutOfMemory
            && error.contains("out of memory (kernel)")
            && help.contains("batch_size"),
        "{kind:?} {error} / {help}: {}",
        log(&run)
    );
    assert!(finish(&run), "{}", log(&run));
    println!(
        "FIGURE B8\tkilled by the kernel in a control group of 120 MB: named, and continues with more\tout of memory (kernel)\tnamed\tok"
    );
}

/// Finite weights whose products overflow.
fn huge_weights(root: &Path) -> String {
    let small = experiment::parse(support::SMALL, "small.yaml").unwrap();
    let model = Model::new(&initial::model_spec(&small, 9, 5), 1, tch::Device::Cpu).unwrap();
    let tensors: Vec<(String, tch::Tensor)> = model
        .tensors()
        .iter()
        .map(|named| {
            (
                named.name.clone(),
                named.tensor.detach().clamp(-1.0, 1.0) * 1e37,
            )
        })
        .collect();
    let path = root.join("huge.safetensors");
    fs::write(&path, weights::write(&tensors).unwrap()).unwrap();
    format!("model.weights={}", path.display())
}

#[test]
fn a_loss_that_is_always_nan_fails_the_run_under_every_policy() {
    let root = tempfile::tempdir().unwrap();
    let huge = huge_weights(root.path());
    let run = new_run(root.path(), &[&huge]).0;
    assert!(!finish(&run));
    let (kind, error, help) = failure(&run);
    assert!(
        kind == FailureKind::NonFinite && error.contains("NaN"),
        "{kind:?} {error}"
    );
    assert!(
        help.contains("learning_rate") && help.contains("train.on_nan: skip"),
        "{help}"
    );
    assert!(
        !help.contains("last checkpoint"),
        "there is no checkpoint: {help}"
    );

    let run = new_run(
        root.path(),
        &[&huge, "train.on_nan=skip", "train.batch_size=8"],
    )
    .0;
    assert!(!finish(&run));
    let (kind, error, help) = failure(&run);
    assert!(
        kind == FailureKind::NonFinite && error.contains("10 steps in a row"),
        "{error} / {help}"
    );
    assert!(!help.contains("on_nan"), "it is asked for already: {help}");
    assert!(
        !help.contains("last checkpoint"),
        "there is no checkpoint: {help}"
    );
    assert_eq!(state(&run).skipped, (1..=10).collect::<Vec<u64>>());
    let told: Vec<u32> = events(&run)
        .iter()
        .filter_map(|record| {
            if let Event::Skipped { in_a_row, .. } = record.event {
                Some(in_a_row)
            } else {
                None
            }
        })
        .collect();
    assert_eq!(told, (1..=10).collect::<Vec<_>>());
    println!(
        "FIGURE B8\ta loss that is not a number: policies stop and skip, recorded step by step\t2 of 2\t2\tok"
    );
}

/// Pictures of which one has only NaN values.
#[derive(Debug)]
struct Poisoned {
    pictures: Rc<dyn Source>,
    poison: u32,
}

impl Source for Poisoned {
    fn batches(&self, order: &[u32], size: usize) -> anyhow::Result<Batches> {
        let poison = self.poison;
        Ok(Box::new(self.pictures.batches(order, size)?.map(
            move |batch| {
                let batch = batch?;
                let is_poisoned = batch.members.contains(&poison);
                let input = match batch.input {
                    Input::Images(images) if is_poisoned => Input::Images(images * f64::NAN),
                    input => input,
                };
                Ok(Batch { input, ..batch })
            },
        )))
    }
}

/// Trains such a run from its newest checkpoint up to a step; returns the number of skipped steps.
fn train_poisoned(run: &RunDir, stop_after: Option<u64>) -> u64 {
    tch::set_num_threads(1);
    let experiment = experiment::load(&run.experiment_yaml(), &[]).unwrap();
    let device = tch::Device::Cpu;
    let places = SearchPaths {
        weights: vec![],
        datasets: vec![],
        downloads: "/nowhere".into(),
        hub: "/nowhere".into(),
        offline: true,
    };
    let splits = data::splits(&experiment, &places, device).unwrap();
    let Subset {
        source: pictures,
        members,
    } = splits.train;
    let poisoned = Poisoned {
        pictures,
        poison: members[0],
    };
    let model = Model::new(&initial::model_spec(&experiment, 9, 17), 1, device).unwrap();
    let mut optimizer = Optimizer::new(&experiment.train.optimizer, model.trainable()).unwrap();
    let fresh = State::default();
    let state = checkpoint::newest(&Disk, run)
        .unwrap()
        .0
        .map_or(fresh, |saved| {
            weights::load_bytes(&model, &saved.model, LoadPolicy::Exact).unwrap();
            let tensors = weights::parse(&saved.optimizer).unwrap();
            let tensors = tensors
                .iter()
                .map(|(name, entry)| (name.clone(), entry.tensor().unwrap()))
                .collect();
            optimizer.load_state(&tensors).unwrap();
            assert_eq!(
                u64::try_from(optimizer.steps()).unwrap() + saved.state.skipped.steps,
                saved.state.step
            );
            saved.state
        });
    let usage = Usage::new(None, run.path().to_path_buf());
    let mut reporter = Reporter::open(&run.events(), usage, Duration::ZERO).unwrap();
    let setup = Setup {
        experiment: &experiment,
        run,
        model,
        optimizer,
        average: None,
        train: Examples::new(
            look::Split::Train,
            Subset {
                source: Rc::new(poisoned),
                members,
            },
        ),
        validation: Examples::new(look::Split::Validation, splits.validation),
        test: Examples::new(look::Split::Test, splits.test),
        class_weights: None,
        state,
        format: NumberFormat::Float32,
        stop_after,
        pause_after: None,
        reporter: &mut reporter,
        interrupt: &Interrupt::default(),
        rank: None,
    };
    train(setup).unwrap();
    checkpoint::newest(&Disk, run)
        .unwrap()
        .0
        .unwrap()
        .state
        .skipped
        .steps
}

#[test]
fn a_skipped_step_changes_no_tensor_and_survives_a_resume() {
    let root = tempfile::tempdir().unwrap();
    let changes = [
        "train.on_nan=skip",
        "train.epochs=3",
        "train.batch_size=16",
        "train.schedule={name: constant}",
        SHORT[0],
        SHORT[1],
    ];
    let new = || new_run(root.path(), &changes).0;
    // Five steps an epoch; one of them contains the NaN picture.
    let straight = new();
    assert_eq!(train_poisoned(&straight, None), 3, "one step an epoch");
    let skipped = state(&straight).skipped;
    assert!(skipped.len() == 3 && skipped.is_sorted(), "{skipped:?}");
    for named in weights::parse(&last(&straight).model)
        .unwrap()
        .into_values()
    {
        assert!(bool::try_from(named.tensor().unwrap().isfinite().all()).unwrap());
    }
    assert!(
        state(&straight)
            .epochs
            .iter()
            .all(|epoch| epoch.train_loss.is_finite() && epoch.val_loss.is_finite())
    );

    // The skipped step counts as done, and changes no bit of weights, statistics or moments.
    let [before, after] = [skipped[0] - 1, skipped[0]].map(|step| {
        let run = new();
        train_poisoned(&run, Some(step));
        last(&run)
    });
    assert_eq!(
        (before.state.step + 1, before.state.skipped.steps),
        (after.state.step, 0)
    );
    assert_eq!(
        (after.state.skipped.steps, after.state.skipped.in_a_row),
        (1, 1)
    );
    assert!(before.model == after.model);
    // The optimizer's own step count does not change either.
    assert!(before.optimizer == after.optimizer);

    // Stops right after the skipped step, and resumes.
    let broken = new();
    train_poisoned(&broken, Some(skipped[0]));
    train_poisoned(&broken, None);
    assert_eq!(last(&broken), last(&straight));
    println!(
        "FIGURE B8\tpolicy skip: weights, statistics and moments after a step left out are those before it, bit for bit; a resume too\tequal\tequal\tok"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn an_answer_that_a_full_disk_lost_is_a_failure() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full");
    let output = Command::new(env!("CARGO_BIN_EXE_warmstart-worker"))
        .arg("--version")
        .stdout(full.unwrap())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{output:?}");
    assert!(said.contains("the answer cannot be written"), "{said}");
}
