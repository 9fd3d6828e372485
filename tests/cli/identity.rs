//! Which experiment a run belongs to, and runs with missing files. A fake worker replaces the real one.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use warmstart_runs::checkpoint::{self, Conditions, Content, Sums};
use warmstart_runs::run::RunDir;
use warmstart_runs::storage::Disk;
use warmstart_schema::policy::Progress;

use crate::place::{Place, Said, said, said_by};

fn yaml(name: &str, rate: &str, more: &str) -> String {
    format!(
        "name: {name}\ndataset: {{ name: emoji98 }}\nmodel: {{ backbone: resnet18, weights: random }}\n{more}\
         train: {{ epochs: 3, batch_size: 32, optimizer: {{ name: adam, learning_rate: {rate} }} }}\n"
    )
}

impl Place {
    /// Runs a command on the experiments in `mine`.
    fn with(&self, arguments: &[&str]) -> Said {
        said(self.command(arguments).env("WARMSTART_EXPERIMENTS", "mine"))
    }

    /// The same, with this behaviour of the fake worker.
    fn in_mode(&self, mode: &str, arguments: &[&str]) -> Said {
        said(
            self.command(arguments)
                .env("WARMSTART_EXPERIMENTS", "mine")
                .env("STAND_IN", mode),
        )
    }

    /// For each experiment in the list: its newest run, and whether its file has changed since.
    fn newest(&self) -> Vec<(String, Option<String>, Option<bool>)> {
        let listed = self.with(&["list", "--json"]).json();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let one = |row: &Value| {
            (
                text(&row["experiment"]).unwrap(),
                text(&row["newest"]["run"]),
                row["changed"].as_bool(),
            )
        };
        listed.as_array().unwrap().iter().map(one).collect()
    }

    fn train(&self, name: &str) -> String {
        let said = self.with(&["train", name, "--quiet", "--json"]);
        assert_eq!(said.code, 0, "{}", said.err);
        said.json()[0]["run"].as_str().unwrap().to_owned()
    }

    /// A run that was stopped after its first checkpoint.
    fn stopped(&self) -> PathBuf {
        self.write("mine/a.yaml", &yaml("A", "0.1", ""));
        assert_eq!(self.in_mode("stops", &["train", "a", "--quiet"]).code, 130);
        self.checkpoints()
            .join(self.runs()[0]["run"].as_str().unwrap())
    }
}

#[test]
fn runs_of_two_files_with_one_name_are_not_mixed() {
    let place = Place::new();
    let one = place.write("mine/quick.yaml", &yaml("Quick", "0.1", ""));
    let other = place.write("mine/sub/quick.yaml", &yaml("Quick", "0.2", ""));
    let first = place.train("mine/quick.yaml");
    let mine = |place: &Place| {
        place
            .newest()
            .into_iter()
            .map(|(name, run, _)| (name, run))
            .collect::<Vec<_>>()
    };
    let names = ["quick.yaml".to_owned(), "sub/quick.yaml".to_owned()];
    for name in &names {
        let said = place.with(&["params", name]);
        assert_eq!(said.code, 0, "{name}: {}", said.err);
    }
    assert_eq!(
        mine(&place),
        [
            (names[0].clone(), Some(first.clone())),
            (names[1].clone(), None)
        ]
    );
    let second = place.train("sub/quick");
    assert_eq!(
        mine(&place),
        [
            (names[0].clone(), Some(first.clone())),
            (names[1].clone(), Some(second.clone()))
        ]
    );

    let shown = |name: &str| {
        place.with(&["show", name, "--json"]).json()["run"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(
        (shown("sub/quick"), shown(&one)),
        (second.clone(), first.clone())
    );
    for words in [
        ["train", "quick"],
        ["show", "quick"],
        ["resume", "quick"],
        ["params", "quick"],
    ] {
        let said = place.with(&words);
        assert_eq!(said.code, 2, "{words:?}: {}", said.err);
        for file in ["mine/quick.yaml", "mine/sub/quick.yaml"] {
            assert!(said.err.contains(file), "{words:?}: {}", said.err);
        }
    }
    // Each file has one run, although both experiments have the same name.
    assert_eq!(
        place
            .with(&["compare", "--json"])
            .json()
            .as_array()
            .unwrap()
            .len(),
        2
    );

    for (from, meant) in [
        ("sub/quick", Some(&other)),
        ("../mine/quick.yaml", Some(&one)),
        ("quick", None),
        ("sub/none", None),
    ] {
        let heir = place.write(
            "mine/heir.yaml",
            &yaml("Heir", "0.1", &format!("init: {{ from: {from} }}\n")),
        );
        let checked = place.with(&["check", &heir]);
        assert_eq!(
            checked.code,
            if meant.is_some() { 0 } else { 2 },
            "{from}: {}",
            checked.err
        );
        if let Some(meant) = meant {
            let run = place.train(&heir);
            let info: Value = serde_json::from_slice(
                &fs::read(place.checkpoints().join(run).join("run.json")).unwrap(),
            )
            .unwrap();
            let meant = fs::canonicalize(meant).unwrap();
            assert_eq!(info["init_file"].as_str(), meant.to_str(), "{from}");
        }
    }
}

#[test]
fn an_experiment_starts_from_one_that_is_named_with_it_outside_the_folder() {
    let place = Place::new();
    let first = place.write("elsewhere/first.yaml", &yaml("First", "0.1", ""));
    let init = "init: { from: first }\n";
    let second = place.write("elsewhere/second.yaml", &yaml("Second", "0.1", init));
    let checked = place.say(&["check", &second, &first]);
    assert_eq!(checked.code, 0, "{}", checked.err);
    let launched = place.say(&["train", &second, &first, "--detach"]);
    assert_eq!(launched.code, 0, "{}", launched.err);
    let runs = place.runs();
    let starts: Vec<PathBuf> = runs
        .iter()
        .map(|run| place.checkpoints().join(run["run"].as_str().unwrap()))
        .filter_map(|folder| RunDir::new(folder).info().unwrap().init_file)
        .collect();
    assert_eq!(starts, [fs::canonicalize(first).unwrap()]);
}

#[test]
fn a_changed_file_marks_its_runs_and_a_renamed_file_keeps_them() {
    let place = Place::new();
    place.write("mine/a.yaml", &yaml("A", "0.1", ""));
    let run = place.train("a");
    assert_eq!(
        place.newest(),
        [("a".to_owned(), Some(run.clone()), Some(false))]
    );
    // A changed comment is not a changed experiment.
    place.write("mine/a.yaml", &format!("# mine\n{}", yaml("A", "0.1", "")));
    assert_eq!(
        place.newest(),
        [("a".to_owned(), Some(run.clone()), Some(false))]
    );
    place.write("mine/a.yaml", &yaml("A", "0.5", ""));
    assert_eq!(
        place.newest(),
        [("a".to_owned(), Some(run.clone()), Some(true))]
    );
    assert!(
        place
            .with(&["list"])
            .err
            .contains("changed since the run that is shown: a")
    );
    assert!(
        place
            .with(&["show", &run])
            .out
            .contains("a.yaml, changed since this run")
    );
    // A file in the place of the folder: nobody knows which experiments are there.
    let unread = said(
        place
            .command(&["show", &run])
            .env("WARMSTART_EXPERIMENTS", "mine/a.yaml"),
    );
    assert!(
        unread
            .out
            .contains("a.yaml; the experiments here cannot be read"),
        "{}",
        unread.out
    );

    place.write("mine/a.yaml", &yaml("A", "0.1", ""));
    fs::rename(
        place.folder.path().join("mine/a.yaml"),
        place.folder.path().join("mine/b.yaml"),
    )
    .unwrap();
    assert_eq!(
        place.newest(),
        [("b".to_owned(), Some(run.clone()), Some(false))]
    );
    fs::remove_file(place.folder.path().join("mine/b.yaml")).unwrap();
    place.write("mine/c.yaml", &yaml("C", "0.1", ""));
    assert_eq!(place.newest(), [("c".to_owned(), None, None)]);
    let listed = place.with(&["list"]);
    assert!(
        listed.err.contains("1 run is of files that are not here") && listed.err.contains("a.yaml"),
        "{}",
        listed.err
    );
    assert_eq!(
        place.with(&["show", "a", "--json"]).json()["run"],
        run.as_str()
    );
}

#[test]
fn another_split_rule_is_a_changed_file() {
    let place = Place::new();
    for class in ["ape", "bee"] {
        place.write(&format!("pictures/{class}/1.png"), "");
    }
    let with = |split: &str| {
        let dataset = format!("name: image_folder, path: pictures{split}");
        yaml("A", "0.1", "").replace("name: emoji98", &dataset)
    };
    place.write("mine/a.yaml", &with(""));
    let run = place.train("a");
    for (split, is_changed) in [
        (", split: by_name", false),
        (", split: by_order", true),
        ("", false),
    ] {
        place.write("mine/a.yaml", &with(split));
        assert_eq!(
            place.newest(),
            [("a".to_owned(), Some(run.clone()), Some(is_changed))],
            "{split}"
        );
    }
}

#[test]
fn a_run_without_checkpoints_is_refused_unless_from_start_is_given() {
    let place = Place::new();
    let run = place.stopped();
    let ckpt = run.join("ckpt");
    let log = fs::read(run.join("events.jsonl")).unwrap();
    let damages: [(&str, &dyn Fn()); 4] = [
        ("is not there", &|| fs::remove_dir_all(&ckpt).unwrap()),
        ("holds none", &|| fs::create_dir(&ckpt).unwrap()),
        ("is not there", &|| {
            fs::remove_dir(&ckpt).unwrap();
            symlink("/nowhere/at/all", &ckpt).unwrap();
        }),
        ("names.json knows of step 10", &|| {
            fs::write(run.join("names.json"), "{\"last\":10,\"best\":10}").unwrap();
        }),
    ];
    for (said, damage) in damages {
        damage();
        let resumed = place.with(&["resume", "a"]);
        assert_eq!(resumed.code, 2, "{}", resumed.err);
        assert!(
            resumed.err.contains("checkpoints are gone") && resumed.err.contains(said),
            "{}",
            resumed.err
        );
        assert!(
            resumed.err.contains("step 10") && resumed.err.contains("--from-start"),
            "{}",
            resumed.err
        );
        assert_eq!(
            fs::read(run.join("events.jsonl")).unwrap(),
            log,
            "nothing was begun"
        );
    }
    let resumed = place.with(&["resume", "a", "--from-start", "--quiet"]);
    assert_eq!(resumed.code, 0, "{}", resumed.err);
    assert!(
        fs::read_to_string(run.join("events.jsonl"))
            .unwrap()
            .contains("\"start_over\"")
    );
}

/// A checkpoint at step 10, without tensors.
fn checkpoint_at_step_10() -> Content {
    let state = serde_json::json!({
        "step": 10,
        "epoch": 1,
        "batch": 0,
        "sums": Sums::default(),
        "progress": Progress::default(),
        "best_step": 10,
        "stopped_early": false,
        "train_time": 1.0,
        "machine": Conditions::default(),
    });
    Content {
        state: serde_json::from_value(state).unwrap(),
        model: Vec::new(),
        optimizer: Vec::new(),
    }
}

#[test]
fn resume_uses_a_checkpoint_that_was_put_aside() {
    let place = Place::new();
    let run = RunDir::new(place.stopped());
    checkpoint::save(&Disk, &run, &checkpoint_at_step_10(), 1).unwrap();
    let aside = run.checkpoints().join(".step-00000010.old");
    fs::rename(run.checkpoint(10), &aside).unwrap();
    let resumed = place.with(&["resume", "a", "--quiet"]);
    assert_eq!(resumed.code, 0, "{}", resumed.err);
    assert!(run.checkpoint(10).exists() && !aside.exists());
}

#[test]
fn other_folders_and_unreadable_runs_are_unchanged_and_reported() {
    let place = Place::new();
    let run = place.stopped();
    let other = |name: &str| place.checkpoints().join(name);
    fs::create_dir(other("exports")).unwrap();
    let copy = Command::new("cp")
        .arg("-r")
        .arg(&run)
        .arg(other("Copy of it"))
        .status()
        .unwrap();
    assert!(copy.success());
    let elsewhere = place.folder.path().join("elsewhere");
    fs::rename(&run, &elsewhere).unwrap();
    symlink(&elsewhere, &run).unwrap();
    symlink(&elsewhere, other("twice")).unwrap();
    // A run with an unreadable log and run.json.
    fs::create_dir_all(other("unreadable/events.jsonl")).unwrap();
    fs::create_dir_all(other("unreadable/run.json")).unwrap();

    let runs = place.runs();
    let states: Vec<&str> = runs
        .iter()
        .map(|run| run["state"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["stopped", "unreadable"], "{runs:?}");
    assert!(
        runs[1]["trouble"]
            .as_str()
            .unwrap()
            .starts_with("cannot be read: "),
        "{runs:?}"
    );
    let said = place.with(&["runs"]).err;
    for part in [
        "3 folders are skipped",
        "exports (no run.json)",
        "Copy of it (a run, but its name",
        "twice (a link to a run",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    for words in [["resume", "unreadable"], ["stop", "unreadable"]] {
        let said = place.with(&words);
        assert!(
            said.code == 2 && said.err.contains("cannot be read"),
            "{words:?}: {}",
            said.err
        );
    }
    let said = place.with(&["trash", "put", "unreadable"]);
    assert!(
        said.code == 2
            && said.err.contains("cannot be read")
            && !said.err.contains("`warmstart stop"),
        "a stop would not help: {}",
        said.err
    );
    for verb in [
        &["resume", "exports"][..],
        &["stop", "exports"],
        &["trash", "put", "exports"],
        &["show", "exports"],
    ] {
        assert_eq!(place.with(verb).code, 3, "{verb:?}");
    }
    assert_eq!(fs::read_dir(other("exports")).unwrap().count(), 0);
    assert_eq!(fs::read_dir(other("unreadable")).unwrap().count(), 2);
    // A linked folder is a run too.
    assert_eq!(place.with(&["resume", "a", "--quiet"]).code, 0);
    assert_eq!(place.runs()[0]["state"], "done");
}

#[test]
fn relative_paths_belong_to_the_folder_of_the_launch() {
    let place = Place::new();
    let (here, there) = (place.folder.path().join("A"), place.folder.path().join("B"));
    let pictures = "dataset: { name: image_folder, path: ~/pictures }";
    let text = yaml("Mine", "0.1", "").replace("weights: random", "weights: mine.safetensors");
    let text = text.replace("dataset: { name: emoji98 }", pictures);
    for folder in [&here, &there] {
        fs::create_dir_all(folder).unwrap();
        fs::write(
            folder.join("mine.safetensors"),
            folder.display().to_string(),
        )
        .unwrap();
    }
    fs::write(here.join("r.yaml"), text).unwrap();
    let at = |folder: &Path, words: &[&str]| {
        let mut command = place.command(words);
        said(
            command
                .current_dir(folder)
                .env("STAND_IN", "slow")
                .env("HOME", "/home/me"),
        )
    };
    assert_eq!(at(&here, &["queue", "pause"]).code, 0);
    let launched = at(&here, &["train", "r.yaml", "--detach"]);
    assert_eq!(launched.code, 0, "{}", launched.err);
    let run = place.checkpoints().join(launched.out.trim());
    let frozen = fs::read_to_string(run.join("experiment.yaml")).unwrap();
    for path in [
        here.join("mine.safetensors").display().to_string(),
        "/home/me/pictures".to_owned(),
    ] {
        assert!(frozen.contains(&path), "{path}\n{frozen}");
    }
    assert_eq!(at(&there, &["queue", "resume"]).code, 0);
    place.wait_for("r", "training");
    // The worker finds `.weights` in the folder from which the run was launched.
    let info: Value = serde_json::from_slice(&fs::read(run.join("run.json")).unwrap()).unwrap();
    let worker = fs::read_link(format!("/proc/{}/cwd", info["worker"]["pid"])).unwrap();
    assert_eq!(worker, fs::canonicalize(&here).unwrap());
    assert_eq!(at(&there, &["stop", "r"]).code, 0);
    place.wait_for("r", "stopped");
}

#[test]
fn a_path_with_shell_syntax_is_refused_with_the_reason() {
    let place = Place::new();
    let text =
        yaml("A", "0.1", "").replace("name: emoji98", "name: image_folder, path: $HOME/pictures");
    let file = place.write("a.yaml", &text);
    let said = place.say(&["check", &file]);
    assert_eq!(said.code, 2);
    assert!(
        said.err.contains("$HOME is not replaced") && said.err.contains("write ~ for your home"),
        "{}",
        said.err
    );
    assert!(said.err.contains("a.yaml:2:"), "{}", said.err);
}

#[test]
fn stop_continues_a_suspended_worker_so_that_it_saves() {
    let place = Place::new();
    place.write("mine/a.yaml", &yaml("A", "0.1", ""));
    assert_eq!(place.in_mode("slow", &["train", "a", "--detach"]).code, 0);
    place.wait_for("a", "training");
    let run = place
        .checkpoints()
        .join(place.runs()[0]["run"].as_str().unwrap());
    let info: Value = serde_json::from_slice(&fs::read(run.join("run.json")).unwrap()).unwrap();
    let pid = info["worker"]["pid"].to_string();
    assert!(
        Command::new("kill")
            .args(["-STOP", &pid])
            .status()
            .unwrap()
            .success()
    );
    place.wait_for("a", "suspended");
    let said = place.with(&["stop", "a"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(
        said.out.contains("was suspended (SIGSTOP)") && said.out.contains("SIGCONT"),
        "{}",
        said.out
    );
    place.wait_for("a", "stopped");
}

#[test]
fn commands_on_a_run_of_another_machine_are_refused_with_its_host() {
    let place = Place::new();
    let run = place.stopped();
    // A run of a worker on another machine: this machine sees no lock, only a heartbeat.
    let log = fs::read_to_string(run.join("events.jsonl")).unwrap();
    let kept: Vec<&str> = log
        .lines()
        .filter(|line| !line.contains("\"stopped\""))
        .collect();
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let theirs = kept
        .join("\n")
        .replace(boot.trim(), "another-boot")
        .replace("\"host\":\"h\"", "\"host\":\"gpu07\"")
        + "\n";
    fs::write(run.join("events.jsonl"), theirs).unwrap();
    let info = fs::read_to_string(run.join("run.json")).unwrap();
    fs::write(
        run.join("run.json"),
        info.replace(boot.trim(), "another-boot"),
    )
    .unwrap();
    fs::File::open(run.join("run.lock"))
        .unwrap()
        .set_modified(std::time::SystemTime::now())
        .unwrap();
    for words in [
        &["stop", "a"][..],
        &["stop", "a", "--now"],
        &["resume", "a"],
        &["trash", "put", "a"],
    ] {
        let said = place.with(words);
        assert_eq!(said.code, 2, "{words:?}: {}", said.err);
        assert!(
            said.err.contains("gpu07") && said.err.contains("stop it"),
            "{words:?}: {}",
            said.err
        );
    }
    assert_eq!(place.runs()[0]["state"], "training");
}

#[test]
fn a_run_folder_removed_while_followed_is_reported() {
    let place = Place::new();
    place.write("mine/a.yaml", &yaml("A", "0.1", ""));
    let child = place.spawn("slow", &["train", "mine/a.yaml"]);
    place.wait_for("a", "training");
    let run = place
        .checkpoints()
        .join(place.runs()[0]["run"].as_str().unwrap());
    let info: Value = serde_json::from_slice(&fs::read(run.join("run.json")).unwrap()).unwrap();
    // The command ends at once with an error, although the worker still writes.
    fs::rename(&run, place.folder.path().join("removed")).unwrap();
    let said = said_by(child);
    let _ = Command::new("kill")
        .args(["-KILL", &info["worker"]["pid"].to_string()])
        .status();
    assert_eq!(said.code, 1, "{}", said.err);
    assert!(
        said.err
            .contains("is gone: its folder was moved or removed"),
        "{}",
        said.err
    );
}

#[test]
fn a_failed_extension_is_reported_and_the_run_stays_done() {
    let place = Place::new();
    place.write("mine/a.yaml", &yaml("A", "0.1", ""));
    let run = place.train("a");
    let said = place.in_mode("fail", &["resume", "a", "--set", "train.epochs=5"]);
    assert_eq!(said.code, 1, "{}", said.err);
    assert!(
        said.err
            .contains("attempt 2 failed before it had anything new: no weights"),
        "{}",
        said.err
    );
    let runs = place.runs();
    assert_eq!(
        (runs[0]["state"].as_str(), runs[0]["test_acc"].as_f64()),
        (Some("done"), Some(0.4321))
    );
    assert!(
        runs[0]["trouble"]
            .as_str()
            .unwrap()
            .contains("attempt 2 failed"),
        "{runs:?}"
    );
    let shown = place.with(&["show", &run, "--json"]).json();
    assert_eq!(
        (
            shown["failure"]["error"].as_str(),
            shown["test"]["accuracy"].as_f64()
        ),
        (Some("no weights"), Some(0.4321))
    );
    assert_eq!(
        place.with(&["compare", "--json"]).json()[0]["test_acc"].as_f64(),
        Some(0.4321)
    );
    // The same change can be tried again.
    assert_eq!(place.with(&["resume", "a", "--quiet"]).code, 0);
    assert!(place.runs()[0]["trouble"].is_null());
}
