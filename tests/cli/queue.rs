//! The queue and the end of runs, with real processes: which runs wait, in which order, and which process resumes a run.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use warmstart_runs::queue::MOST_SLOTS;

use crate::place::{Place, Said, said_by};

const PATIENCE: Duration = Duration::from_secs(30);

fn wait(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn log(run: &Path) -> String {
    std::fs::read_to_string(run.join("events.jsonl")).unwrap_or_default()
}

fn attempts(run: &Path) -> usize {
    log(run).matches("\"attempt\",").count()
}

/// The process id of a run's worker.
fn worker(run: &Path) -> u64 {
    let text = std::fs::read_to_string(run.join("run.json")).unwrap();
    let info: Value = serde_json::from_str(&text).unwrap();
    info["worker"]["pid"].as_u64().unwrap()
}

fn signal(name: &str, pid: u64) {
    assert!(
        Command::new("kill")
            .args(["-s", name, &pid.to_string()])
            .status()
            .unwrap()
            .success()
    );
}

impl Place {
    fn queue(&self) -> Value {
        self.say(&["queue", "--json"]).json()
    }

    /// The waiting experiments, in the order of the queue.
    fn waiting(&self) -> Vec<String> {
        let waiting = self.queue()["waiting"].clone();
        waiting
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["experiment"].as_str().unwrap().to_owned())
            .collect()
    }

    fn folder_of(&self, id: &str) -> PathBuf {
        self.checkpoints().join(id)
    }

    /// Launches without following; returns the run's folder.
    fn launch(&self, mode: &str, experiment: &str) -> PathBuf {
        let said = self.say_with(mode, &["train", experiment, "--detach"]);
        assert_eq!(said.code, 0, "{}", said.err);
        self.folder_of(said.out.trim())
    }

    /// The process id of a run's monitor.
    fn monitor(&self) -> u64 {
        let text = std::fs::read_to_string(self.checkpoints().join("queue.json")).unwrap();
        let queue: Value = serde_json::from_str(&text).unwrap();
        queue["active"][0]["worker"]["pid"].as_u64().unwrap()
    }

    /// Processes whose arguments contain this folder.
    fn processes(&self) -> Vec<String> {
        let folder = self.checkpoints().display().to_string();
        let pids = std::fs::read_dir("/proc")
            .unwrap()
            .flatten()
            .map(|entry| entry.path().join("cmdline"));
        let lines = pids
            .filter_map(|file| std::fs::read_to_string(file).ok())
            .map(|line| line.replace('\0', " "));
        lines.filter(|line| line.contains(&folder)).collect()
    }
}

#[test]
fn a_resume_right_after_the_end_of_a_run_waits_for_its_monitor() {
    let place = Place::new();
    let run = place.launch("slow", "lite0-freeze");
    place.wait_for("lite0-freeze", "training");
    // A suspended monitor is as slow as one on a busy machine.
    let monitor = place.monitor();
    signal("STOP", monitor);
    signal("TERM", worker(&run));
    place.wait_for("lite0-freeze", "stopped");
    let mut resume = place.spawn("finish", &["resume", "lite0-freeze", "--detach"]);
    // The command waits: it is neither refused nor lost.
    std::thread::sleep(Duration::from_millis(300));
    assert!(
        resume.try_wait().unwrap().is_none(),
        "{}",
        said_by(resume).err
    );
    signal("CONT", monitor);
    let said = said_by(resume);
    assert_eq!(said.code, 0, "{}", said.err);
    place.wait_for("lite0-freeze", "done");
    assert_eq!(attempts(&run), 2);
}

#[test]
fn a_resume_is_refused_while_the_monitor_of_the_run_hangs() {
    let place = Place::new();
    let run = place.launch("slow", "lite0-freeze");
    place.wait_for("lite0-freeze", "training");
    let monitor = place.monitor();
    signal("STOP", monitor);
    signal("TERM", worker(&run));
    place.wait_for("lite0-freeze", "stopped");
    let said = place.say(&["resume", "lite0-freeze", "--detach"]);
    signal("CONT", monitor);
    assert_eq!(said.code, 2, "{}", said.err);
    assert!(
        said.err
            .contains("has ended, but its monitor is still running"),
        "{}",
        said.err
    );
    assert!(place.waiting().is_empty());
    wait("its monitor to exit", || place.processes().is_empty());
    assert_eq!(attempts(&run), 1);
}

/// `WARMSTART_RACES` sets how often two processes resume one run at the same time (default 10; the soak test does 200).
#[test]
fn of_two_resumes_at_once_one_starts_and_the_other_is_refused_with_the_reason() {
    let wanted: usize = std::env::var("WARMSTART_RACES").map_or(10, |races| races.parse().unwrap());
    let place = Place::new();
    let mut reasons = BTreeSet::new();
    for _ in 0..wanted {
        let run = place.launch("stops", "lite0-freeze");
        let id = run.file_name().unwrap().to_str().unwrap();
        wait("the run to stop", || log(&run).contains("\"stopped\""));
        let pair = [(); 2].map(|()| place.spawn("finish", &["resume", id, "--detach"]));
        let said: [Said; 2] = pair.map(said_by);
        let started = said.iter().filter(|said| said.code == 0).count();
        let refused: Vec<&Said> = said.iter().filter(|said| said.code == 2).collect();
        assert_eq!(
            (started, refused.len()),
            (1, 1),
            "{}\n{}",
            said[0].err,
            said[1].err
        );
        assert!(
            refused[0].err.contains("error: run ") && refused[0].err.contains("help: "),
            "{}",
            refused[0].err
        );
        reasons.insert(refused[0].err.lines().next().unwrap().replace(id, "RUN"));
        wait("the run to end", || log(&run).contains("\"finished\""));
        wait("every process to leave", || place.processes().is_empty());
        assert_eq!(attempts(&run), 2, "{}", log(&run));
        std::fs::remove_dir_all(&run).unwrap();
    }
    let target = if std::env::var_os("WARMSTART_RACES").is_some() {
        200
    } else {
        10
    };
    println!(
        "FIGURE A8\traces of two `warmstart resume RUN` that exactly one won, the other refused with code 2 ({})\t{wanted}\t{target}\t{}",
        reasons.into_iter().collect::<Vec<_>>().join(" / "),
        if wanted >= target { "ok" } else { "UNDER" }
    );
}

#[test]
fn the_order_can_be_changed_and_a_failed_run_does_not_stop_the_queue() {
    let place = Place::new();
    let first = place.launch("slow-4-lite0-freeze", "lite0-freeze");
    place.wait_for("lite0-freeze", "training");
    for experiment in ["lite0-original", "lite0-resized", "resnet18-scratch"] {
        place.launch("finish", experiment);
    }
    let [original, resized, scratch] = [
        "Lite0, original input",
        "Lite0, resized input",
        "ResNet18, from scratch",
    ];
    assert_eq!(place.waiting(), [original, resized, scratch]);
    for (to, place_then, order) in [
        ("top", 1, [scratch, original, resized]),
        ("down", 2, [original, scratch, resized]),
        ("up", 1, [scratch, original, resized]),
        ("3", 3, [original, resized, scratch]),
        ("99", 3, [original, resized, scratch]),
        ("2", 2, [original, scratch, resized]),
    ] {
        let said = place.say(&["queue", "move", "resnet18-scratch", to, "--json"]);
        assert_eq!(
            (said.code, said.json()["place"].as_u64()),
            (0, Some(place_then)),
            "{to}: {}",
            said.err
        );
        assert_eq!(place.waiting(), order, "{to}");
    }
    let text = place.say(&["queue"]).out;
    let row = |words: &[&str]| {
        text.lines()
            .any(|line| words.iter().all(|word| line.contains(word)))
    };
    assert!(
        row(&["–", "Lite0, freeze", "cpu", "training"])
            && row(&["2", scratch, "cpu", "waits for cpu"]),
        "{text}"
    );
    // A running or unknown run cannot be moved, and a position is `up`, `down` or a number from 1.
    let refused = place.say(&["queue", "move", "lite0-freeze", "up"]);
    assert_eq!(refused.code, 2);
    assert!(
        refused.err.contains("does not wait in the queue") && refused.err.contains("help"),
        "{}",
        refused.err
    );
    assert_eq!(place.say(&["queue", "move", "nothing-such", "up"]).code, 3);
    assert_eq!(
        place
            .say(&["queue", "move", "lite0-original", "sideways"])
            .code,
        2
    );
    assert_eq!(place.say(&["queue", "move", "lite0-original", "0"]).code, 2);

    let gone = place.say(&["queue", "remove", "lite0-original"]);
    assert_eq!(gone.code, 0, "{}", gone.err);
    assert_eq!(place.waiting(), [scratch, resized]);
    assert!(
        !place.runs().iter().any(|run| run["experiment"] == original),
        "what never started leaves nothing"
    );

    // A signal kills the running run: the next runs start in the new order by themselves, and leave no process.
    signal("KILL", worker(&first));
    wait("all to end", || {
        let states: Vec<Value> = place
            .runs()
            .iter()
            .map(|run| run["state"].clone())
            .collect();
        states.iter().filter(|state| *state == "done").count() == 2
            && states.contains(&"failed".into())
    });
    let started = |experiment: &str| {
        let run = place
            .runs()
            .into_iter()
            .find(|run| run["experiment"] == experiment)
            .unwrap();
        let text = log(&place.folder_of(run["run"].as_str().unwrap()));
        let line = text
            .lines()
            .find(|line| line.contains("\"attempt\""))
            .unwrap()
            .to_owned();
        serde_json::from_str::<Value>(&line).unwrap()["t"]
            .as_f64()
            .unwrap()
    };
    assert!(started(scratch) < started(resized));
    wait("every process to leave", || place.processes().is_empty());
}

#[test]
fn paused_queue_starts_nothing_until_unpaused() {
    let place = Place::new();
    assert_eq!(place.say(&["queue", "pause"]).code, 0);
    let said = place.say(&["train", "lite0-freeze", "--detach"]);
    assert!(
        said.code == 0 && said.err.contains("the queue is paused: by hand"),
        "{}",
        said.err
    );
    let run = place.folder_of(said.out.trim());
    assert_eq!(place.queue()["paused"], "by hand");
    assert!(
        place.queue()["waiting"][0]["waits_for"]
            .as_str()
            .unwrap()
            .contains("paused")
    );
    // No monitor waits for the run.
    assert!(place.processes().is_empty() && attempts(&run) == 0);
    let started = place.say(&["queue", "resume"]);
    assert_eq!(started.code, 0, "{}", started.err);
    place.wait_for("lite0-freeze", "done");
    assert_eq!(place.queue()["paused"], Value::Null);
    wait("every process to leave", || place.processes().is_empty());
}

#[test]
fn every_command_has_the_same_limit_of_slots() {
    let place = Place::new();
    let [most, more] = [MOST_SLOTS, MOST_SLOTS + 1].map(|slots| slots.to_string());
    for refused in [
        &["queue", "slots", &more][..],
        &["train", "lite0-freeze", "--slots", &more],
    ] {
        assert_eq!(place.say(refused).code, 2, "{refused:?}");
    }
    assert_eq!(place.say(&["queue", "slots", &most]).code, 0);
    let help = place.say(&["queue", "slots", "--help"]).out;
    assert!(help.contains(&format!("From 1 to {most}\n")), "{help}");
}

#[test]
fn a_device_runs_as_many_runs_as_its_slots() {
    let place = Place::new();
    let said = place.say_with(
        "slow",
        &[
            "train",
            "lite0-freeze",
            "lite0-resized",
            "lite0-original",
            "--slots",
            "2",
            "--detach",
        ],
    );
    assert_eq!(said.code, 0, "{}", said.err);
    let running = || place.queue()["running"].as_array().unwrap().len();
    wait("two to run", || running() == 2);
    assert_eq!(
        (place.waiting().len(), place.queue()["slots"].as_u64()),
        (1, Some(2))
    );
    // With one more slot a run starts at once. With fewer slots no run stops.
    assert_eq!(place.say_with("slow", &["queue", "slots", "3"]).code, 0);
    wait("three to run", || running() == 3);
    assert_eq!(place.say(&["queue", "slots", "1"]).code, 0);
    assert_eq!(running(), 3);
    assert_eq!(place.say(&["queue", "slots", "0"]).code, 2);
    for run in said.out.lines() {
        assert_eq!(place.say(&["stop", run]).code, 0);
    }
    wait("every process to leave", || place.processes().is_empty());
}

#[test]
fn a_queue_that_cannot_be_read_for_a_moment_ends_no_follower() {
    let place = Place::new();
    let mut child = place.spawn("ticks", &["train", "lite0-freeze", "lite0-resized"]);
    place.wait_for("lite0-freeze", "training");
    place.wait_for("lite0-resized", "queued");
    let runs = place.runs();
    let running = runs.iter().find(|run| run["state"] == "training").unwrap();
    let run = place.folder_of(running["run"].as_str().unwrap());
    let queue = place.checkpoints().join("queue.json");
    let content = std::fs::read(&queue).unwrap();
    std::fs::write(&queue, "{").unwrap();
    // Ten take a second or more, and the follower advances the queue every two seconds.
    let steps = || log(&run).matches("\"batch\",").count();
    let later = steps() + 40;
    wait("more steps", || steps() >= later);
    assert!(
        child.try_wait().unwrap().is_none(),
        "{}",
        said_by(child).err
    );
    std::fs::write(&queue, content).unwrap();
    signal("INT", child.id().into());
    let said = said_by(child);
    assert_eq!(said.code, 130, "{}", said.err);
    wait("every process to leave", || place.processes().is_empty());
}

#[test]
fn moves_by_many_processes_at_once_lose_no_run() {
    let place = Place::new();
    assert_eq!(place.say(&["queue", "pause"]).code, 0);
    let names = [
        "lite0-freeze",
        "lite0-original",
        "lite0-resized",
        "resnet18-scratch",
    ];
    for name in names {
        place.launch("finish", name);
    }
    let before: BTreeSet<String> = place.waiting().into_iter().collect();
    std::thread::scope(|scope| {
        for name in names {
            let place = &place;
            scope.spawn(move || {
                for to in ["top", "down", "3", "up", "down"] {
                    let mut command = place.command(&["queue", "move", name, to]);
                    assert!(command.stdout(Stdio::null()).status().unwrap().success());
                }
            });
        }
    });
    let after = place.waiting();
    assert_eq!(
        (after.len(), after.into_iter().collect::<BTreeSet<_>>()),
        (4, before)
    );
}
