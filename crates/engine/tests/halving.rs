//! Successive halving of a group of real runs, launched by the program that users call.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use tempfile::TempDir;
use warmstart_runs::checkpoint::{self, Content};
use warmstart_runs::launcher::Handle;
use warmstart_runs::queue::Queue;
use warmstart_runs::run::{RunDir, RunId};
use warmstart_runs::storage::Disk;
use warmstart_schema::event::Phase;
use warmstart_schema::state::{Outcome, RunState};

/// Five steps an epoch. The schedule depends on the planned epochs.
const TINY: &str = "
name: Tiny
dataset: { name: emoji98, validation: 0.3, labels: coarse, limit: 28 }
augment: { rotation: 15, horizontal_flip: true }
model: { backbone: tf_efficientnet_lite0, weights: random, freeze: 8, head: { hidden: 8, dropout: 0.5 } }
train:
  epochs: 5
  batch_size: 4
  optimizer: { name: adam, learning_rate: 0.01 }
  schedule: { name: cosine, warmup_epochs: 0.5 }
";
const HALVED: &str =
    "grid: { train.optimizer.learning_rate: [0.3, 0.03, 0.01, 0.001] }\nhalving: { epochs: [3] }\n";

/// Longer than any of these groups takes on a slow machine.
const PATIENCE: Duration = Duration::from_mins(2);

struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn root(&self) -> PathBuf {
        self.0.path().join("checkpoints")
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let worker = Path::new(env!("CARGO_BIN_EXE_warmstart-worker"));
        let mut command = Command::new(worker.with_file_name("warmstart"));
        command
            .args(arguments)
            .current_dir(self.0.path())
            .env("WARMSTART_EXPERIMENTS", self.0.path())
            .env("WARMSTART_CHECKPOINTS", self.root())
            .env("WARMSTART_WORKER", worker)
            .env("XDG_CONFIG_HOME", self.0.path().join("config"))
            .env("XDG_CACHE_HOME", self.0.path().join("cache"))
            .env("HF_HUB_OFFLINE", "1")
            .env("OMP_NUM_THREADS", "1")
            .env("OMP_WAIT_POLICY", "passive");
        for name in ["WARMSTART_NOTIFY", "WARMSTART_DATA", "WARMSTART_WEIGHTS"] {
            command.env_remove(name);
        }
        command.stdin(Stdio::null());
        command
    }

    /// The exit code, the answer, and what was said.
    fn say(&self, arguments: &[&str]) -> (i32, String, String) {
        said(&self.command(arguments).output().unwrap())
    }

    fn spawn(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    /// All runs, by their id.
    fn runs(&self) -> Vec<RunDir> {
        let folders = fs::read_dir(self.root()).into_iter().flatten().flatten();
        let mut ids: Vec<RunId> = folders
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(|id| RunDir::of(&self.root(), id).info().is_ok())
            .collect();
        ids.sort_unstable();
        ids.iter().map(|id| RunDir::of(&self.root(), id)).collect()
    }

    fn with(&self, is_it: impl Fn(&RunState) -> bool) -> Vec<RunDir> {
        let mut runs = self.runs();
        runs.retain(|run| is_it(&run.state().unwrap()));
        runs
    }

    fn ended(&self, outcome: &Outcome) -> Vec<RunDir> {
        self.with(|state| state.outcome.as_ref() == Some(outcome))
    }

    fn wait_until(&self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        let began = Instant::now();
        while !is_so(self) {
            let runs = self.runs();
            let outcomes = runs.iter().map(|run| run.state().unwrap().outcome);
            assert!(
                began.elapsed() < PATIENCE,
                "waited in vain until {what}: {:?}",
                outcomes.collect::<Vec<_>>()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The first run that trains.
    fn training(&self) -> RunDir {
        let trains = |state: &RunState| state.phase == Phase::Training && state.outcome.is_none();
        let mut found = Vec::new();
        // It may end before a second look.
        self.wait_until("a run trains", |place| {
            found = place.with(trains);
            !found.is_empty()
        });
        found.remove(0)
    }
}

fn said(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let code = output.status.code().unwrap_or(-1);
    (code, text(&output.stdout), text(&output.stderr))
}

const FINISHED: Outcome = Outcome::Finished {
    stopped_early: false,
};

/// Kills a process and waits for its exit, before which its locks are held.
fn kill(worker: &Handle) {
    let pid = Pid::from_raw(i32::try_from(worker.pid().unwrap()).unwrap());
    nix::sys::signal::kill(pid, Signal::SIGKILL).unwrap();
    let began = Instant::now();
    let is_there = || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok();
        stat.is_some_and(|stat| !stat.contains(") Z"))
    };
    while is_there() {
        assert!(began.elapsed() < PATIENCE, "{pid} does not exit");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn id(run: &RunDir) -> String {
    run.info().unwrap().id.to_string()
}

fn last(run: &RunDir) -> Content {
    let mut content = checkpoint::newest(&Disk, run).unwrap().0.unwrap();
    content.state.train_time = 0.0;
    content
}

/// The bits of each epoch's figures.
fn figures(run: &RunDir) -> Vec<[u64; 3]> {
    let epochs = run.state().unwrap().epochs;
    let bits = epochs
        .iter()
        .map(|epoch| [epoch.train_loss, epoch.val_loss, epoch.learning_rate].map(f64::to_bits));
    bits.collect()
}

fn attempts(run: &RunDir) -> u32 {
    run.state().unwrap().attempt.unwrap().number
}

fn equals_a_run_that_never_waited(run: &RunDir) {
    let state = run.state().unwrap();
    assert!(state.attempt.as_ref().unwrap().not_exact.is_empty());
    let alone = Place::new();
    let yaml = fs::read_to_string(run.experiment_yaml()).unwrap();
    let file = alone.write("alone.yaml", &yaml);
    let (code, _, said) = alone.say(&["train", &file, "--device", "cpu"]);
    assert_eq!(code, 0, "{said}");
    let whole = alone.runs().remove(0);
    assert_eq!(attempts(&whole), 1);
    let (one, other) = (last(run), last(&whole));
    assert_eq!(one.model, other.model);
    assert_eq!(one.optimizer, other.optimizer);
    assert_eq!(one.state, other.state);
    assert_eq!(figures(run), figures(&whole));
    assert_eq!(state.test, whole.state().unwrap().test);
}

#[test]
fn processes_that_train_a_run_together_wait_together() {
    let place = Place::new();
    let tiny = TINY
        .replace("epochs: 5", "epochs: 3\n  devices: 2")
        .replace("batch_size: 4", "batch_size: 8");
    let grid = "grid: { train.optimizer.learning_rate: [0.03, 0.01] }\nhalving: { epochs: [1] }\n";
    let file = place.write("tiny.yaml", &format!("{tiny}{grid}"));
    let (code, _, said) = place.say(&["train", &file, "--device", "cpu"]);
    assert_eq!(code, 0, "{said}");
    let (loser, winner) = (
        place.ended(&Outcome::Halved).remove(0),
        place.ended(&FINISHED).remove(0),
    );
    assert_eq!((figures(&loser).len(), figures(&winner).len()), (1, 3));
    equals_a_run_that_never_waited(&winner);
}

#[test]
fn the_worse_half_stops_and_the_better_half_trains_as_if_it_had_never_waited() {
    let place = Place::new();
    let file = place.write("tiny.yaml", &format!("{TINY}{HALVED}"));
    let notices = place.0.path().join("notices");
    let mut train = place.command(&["train", &file, "--device", "cpu"]);
    train.env(
        "WARMSTART_NOTIFY",
        format!("cat >> '{}'", notices.display()),
    );
    let (code, _, said) = said(&train.output().unwrap());
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("epoch 3 is done; waits for its group")
            && said.contains("halving: epoch 3, 4th of 4 settings by val_loss"),
        "{said}"
    );
    let (losers, winners) = (place.ended(&Outcome::Halved), place.ended(&FINISHED));
    assert_eq!((losers.len(), winners.len()), (2, 2), "{said}");
    // Neither a pause nor the end of a worse setting is worth a notice.
    let sent = || {
        let text = fs::read_to_string(&notices).unwrap_or_default();
        text.lines().count()
    };
    place.wait_until("the last notice is sent", |_| sent() >= 2);
    assert_eq!(sent(), 2);
    let best = |run: &RunDir| {
        let epochs = run.state().unwrap().epochs;
        let losses = epochs.iter().take(3).map(|epoch| epoch.val_loss);
        losses.fold(f64::INFINITY, f64::min)
    };
    for loser in &losers {
        let state = loser.state().unwrap();
        assert_eq!((state.epochs.len(), attempts(loser)), (3, 1));
        assert!(state.test.is_none());
        assert!(winners.iter().all(|winner| best(winner) <= best(loser)));
    }
    assert!(
        Queue::new(place.root())
            .content()
            .unwrap()
            .halving
            .is_empty()
    );

    // The same settings without a group, in a folder of their own.
    for winner in &winners {
        assert_eq!(attempts(winner), 2);
        equals_a_run_that_never_waited(winner);
    }

    // Another launch trains nothing.
    let before: Vec<u32> = place.runs().iter().map(attempts).collect();
    let (code, _, said) = place.say(&["train", &file]);
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("4 runs: 2 done and skipped, 2 stopped by halving"),
        "{said}"
    );
    assert_eq!(
        place.runs().iter().map(attempts).collect::<Vec<_>>(),
        before
    );
    let (_, list, _) = place.say(&["list"]);
    assert!(list.contains("done, 2 halved"), "{list}");
    let (_, shown, _) = place.say(&["show", &id(&losers[0])]);
    assert!(
        shown.contains("stopped by halving") && shown.contains("of 4 settings"),
        "{shown}"
    );

    // By hand, a stopped run trains to the end.
    let (code, _, said) = place.say(&["resume", &id(&losers[0])]);
    assert_eq!(code, 0, "{said}");
    let state = losers[0].state().unwrap();
    assert_eq!((state.outcome, state.epochs.len()), (Some(FINISHED), 5));
}

#[test]
fn a_killed_worker_does_not_delay_its_group() {
    let place = Place::new();
    let file = place.write("tiny.yaml", &format!("{TINY}{HALVED}"));
    let train = place.spawn(&["train", &file, "--device", "cpu"]);
    let victim = place.training();
    kill(&victim.state().unwrap().attempt.unwrap().worker);
    let (code, _, said) = said(&train.wait_with_output().unwrap());
    assert_ne!(code, 0, "{said}");
    let state = victim.state().unwrap();
    assert!(matches!(state.outcome, Some(Outcome::Failed { .. })));
    assert_eq!(
        (state.halvings[0].rank, state.halvings[0].figure),
        (4, None)
    );
    assert_eq!(place.ended(&Outcome::Halved).len(), 1);
    assert_eq!(place.ended(&FINISHED).len(), 2);
    let (code, _, said) = place.say(&["train", &file]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("2 stopped by halving"), "{said}");
    assert_eq!(attempts(&victim), 1);
}

#[test]
fn a_round_waits_for_a_run_that_its_user_stopped() {
    let place = Place::new();
    let file = place.write("tiny.yaml", &format!("{TINY}{HALVED}"));
    let (code, _, said) = place.say(&["train", &file, "--device", "cpu", "--detach"]);
    assert_eq!(code, 0, "{said}");
    let stopped = place.training();
    let (code, _, said) = place.say(&["stop", &id(&stopped)]);
    assert_eq!(code, 0, "{said}");
    place.wait_until("three runs wait", |place| {
        place.ended(&Outcome::Paused).len() == 3 && place.ended(&Outcome::Stopped).len() == 1
    });
    let waiting = place.ended(&Outcome::Paused);
    // The processes of the others exit a moment after their runs.
    place.wait_until("the reason is shown", |place| {
        let (_, shown, _) = place.say(&["show", &id(&waiting[0])]);
        shown.contains("paused: waits for 1 run of its group at epoch 3, which was stopped")
    });
    let (code, _, said) = place.say(&["resume", &id(&waiting[0])]);
    assert!(code != 0 && said.contains("waits for its group"), "{said}");
    // Neither a look at the queue nor the end of another run decides.
    let (code, ..) = place.say(&["queue"]);
    assert_eq!((code, place.ended(&Outcome::Paused).len()), (0, 3));
    let (code, _, said) = place.say(&["train", &file]);
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("1 to resume, 3 waiting for their group"),
        "{said}"
    );
    assert_eq!(place.ended(&FINISHED).len(), 2);
    assert_eq!(place.ended(&Outcome::Halved).len(), 2);
}

#[test]
fn a_group_that_nobody_watches_is_halved_by_the_next_look_at_the_queue() {
    let place = Place::new();
    let file = place.write("tiny.yaml", &format!("{TINY}{HALVED}"));
    let (code, _, said) = place.say(&["train", &file, "--device", "cpu", "--detach"]);
    assert_eq!(code, 0, "{said}");
    place.wait_until("three wait", |place| {
        place.ended(&Outcome::Paused).len() == 3
    });
    // The last one and its monitor are lost, as where the machine restarts.
    let last = place.training();
    let active = Queue::new(place.root()).content().unwrap().active;
    let monitor = active.iter().find(|it| it.entry.run.as_str() == id(&last));
    kill(&monitor.unwrap().worker);
    kill(&last.state().unwrap().attempt.unwrap().worker);
    assert_eq!(place.ended(&Outcome::Paused).len(), 3);
    // A deleted run is not waited for.
    let deleted = place.ended(&Outcome::Paused).remove(0);
    fs::remove_dir_all(deleted.path()).unwrap();
    let (code, _, said) = place.say(&["queue"]);
    assert_eq!(code, 0, "{said}");
    place.wait_until("the group ends", |place| {
        place.ended(&FINISHED).len() + place.ended(&Outcome::Halved).len() == 3
    });
    assert_eq!(place.ended(&FINISHED).len(), 2);
    assert_eq!(last.state().unwrap().outcome, Some(Outcome::Halved));
}
