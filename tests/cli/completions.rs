//! Completions in a real bash, what the program answers to a shell's script, and the files that `docs --share` writes.

use std::fs;
use std::process::Command;

use warmstart_runs::change;
use warmstart_schema::slurm::Slurm;

use crate::compare;
use crate::place::{Place, inherit, said};

/// A word as bash splits it: runs of `=` and `:` are words of their own.
fn parts(word: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut before: Option<bool> = None;
    for c in word.chars() {
        let splits = "=:".contains(c);
        if before.is_some_and(|before| before != splits) {
            parts.push(String::new());
        }
        before = Some(splits);
        parts.last_mut().unwrap().push(c);
    }
    parts
}

/// The completions that bash offers at the end of a line of these words.
fn offered(place: &Place, words: &[&str]) -> Vec<String> {
    let plain = place.command(&["completions", "bash"]);
    let program = plain.get_program().to_str().unwrap().to_owned();
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "'\\''"));
    let parts: Vec<String> = words.iter().flat_map(|word| parts(word)).collect();
    let last = parts.last().unwrap();
    // Behind `=`, bash completes an empty word.
    let typed = if last.starts_with(['=', ':']) {
        ""
    } else {
        last.as_str()
    };
    let script = format!(
        "source <({} completions bash) || exit 1\n\
         [[ $(complete -p warmstart) == *'-F _warmstart '* ]] || exit 1\n\
         COMP_WORDS=(warmstart {}); COMP_CWORD={}; COMP_TYPE=9; COMP_LINE={}\n\
         _warmstart warmstart {} ''\n\
         printf '%s\\n' \"${{COMPREPLY[@]}}\"\n",
        quoted(&program),
        parts
            .iter()
            .map(|part| quoted(part))
            .collect::<Vec<_>>()
            .join(" "),
        parts.len(),
        quoted(&format!("warmstart {}", words.join(" "))),
        quoted(typed)
    );
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", &script]);
    inherit(&mut bash, &plain);
    let output = bash.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|line| line.trim().to_owned())
        .filter(|line| !line.is_empty())
        .collect()
}

/// The same; these must be among them.
fn has(place: &Place, words: &[&str], expected: &[&str]) -> Vec<String> {
    let offered = offered(place, words);
    for word in expected {
        assert!(
            offered.iter().any(|other| other == word),
            "{words:?}: {word} in {offered:?}"
        );
    }
    offered
}

#[test]
fn bash_is_offered_runs_experiments_backbones_and_settings() {
    let place = compare::place();
    has(
        &place,
        &["show", "2026010"],
        &["20260101-000000-aaaa", "20260102-000000-bbbb"],
    );
    has(&place, &["resume", "pl"], &["plain"]);
    let runs = has(&place, &["compare", ""], &["20260103-000000-cccc", "evil"]);
    assert_eq!(runs[0], "20260103-000000-cccc", "the newest first");
    has(&place, &["train", "4-"], &["4-effnet-freeze"]);
    has(
        &place,
        &["prefetch", "--backbone", "resnet"],
        &["resnet18", "resnet50"],
    );
    has(
        &place,
        &["train", "x", "--set", "train.ep"],
        &["train.epochs="],
    );
    has(
        &place,
        &["compare", "--columns", "run,val_"],
        &["run,val_acc", "run,val_loss"],
    );
    has(
        &place,
        &["compare", "--baseline", "20260102"],
        &["20260102-000000-bbbb"],
    );
    assert_eq!(
        offered(&place, &["compare", "--baseline", "publ"]),
        ["published"]
    );
    has(&place, &["sho"], &["show"]);
}

#[test]
fn bash_is_offered_the_runs_of_the_folder_in_the_line() {
    let (place, other) = (compare::place(), Place::new());
    let folder = place.checkpoints().display().to_string();
    let joined = format!("--checkpoints={folder}");
    let found = offered(&other, &["--checkpoints", &folder, "show", "20260102"]);
    assert_eq!(found, ["20260102-000000-bbbb"]);
    let found = offered(&other, &[joined.as_str(), "show", "20260102"]);
    assert_eq!(found, ["20260102-000000-bbbb"]);
    assert!(offered(&other, &["show", "2026"]).is_empty());
    // As scripts of earlier versions and other shells ask.
    for folder in [
        &["--checkpoints", "=", &folder][..],
        &["--checkpoints", "~/checkpoints"],
    ] {
        let mut command = other.command(&["--", "warmstart"]);
        command
            .args(folder)
            .args(["show", "20260102"])
            .env("WARMSTART_COMPLETE", "fish")
            .env("HOME", place.folder.path());
        let said = said(&mut command);
        assert!(
            said.out.contains("20260102-000000-bbbb"),
            "{folder:?}: {}{}",
            said.out,
            said.err
        );
    }
}

#[test]
fn every_experiment_that_bash_is_offered_is_found() {
    let place = Place::new();
    let yaml = "name: a\ndataset: { name: emoji98 }\nmodel: { backbone: resnet18 }\n\
                train: { epochs: 1, batch_size: 8, optimizer: { name: adam, learning_rate: 0.001 } }\n";
    for name in ["twins/a/x.yaml", "twins/b/x.yaml", "twins/b/only.yaml"] {
        place.write(name, yaml);
    }
    let cases: [(&str, &[&str]); 4] = [
        ("a", &["a/x.yaml"]),
        ("b", &["b/x.yaml"]),
        ("o", &["only"]),
        ("x", &[]),
    ];
    for (typed, expected) in cases {
        let words = ["params", "--experiments", "twins", typed];
        assert_eq!(offered(&place, &words), expected, "{typed}");
        for &name in expected {
            let said = place.say(&["params", "--experiments", "twins", name]);
            assert_eq!(said.code, 0, "{name}: {}", said.err);
        }
    }
}

#[test]
fn bash_is_offered_what_follows_an_equals_sign() {
    let place = Place::new();
    let values = has(
        &place,
        &["train", "x", "--set", "model.backbone="],
        &["resnet18", "resnet50"],
    );
    assert!(!values.concat().contains('='), "{values:?}");
    for words in [
        &["train", "x", "--set", "model.backbone=convnext_t"][..],
        &["train", "x", "--set=model.backbone=convnext_t"],
        &[
            "train",
            "--slurm",
            "time=2:00:00",
            "--set",
            "model.backbone=convnext_t",
        ],
    ] {
        assert_eq!(offered(&place, words), ["convnext_tiny"], "{words:?}");
    }
    assert_eq!(
        offered(&place, &["train", "x", "--set=train.epo"]),
        ["train.epochs="]
    );
    let values = offered(&place, &["train", "x", "--set", "train.epochs="]);
    assert!(values.is_empty(), "{values:?}");
    // A blank ends the value.
    has(
        &place,
        &["train", "--set", "train.epochs=", "4-"],
        &["4-effnet-freeze"],
    );
}

#[test]
fn every_option_is_offered_what_it_accepts() {
    let place = compare::place();
    let slurm = offered(&place, &["train", "x", "--slurm", ""]);
    assert!(slurm.len() >= 10, "{slurm:?}");
    for field in &slurm {
        let value = if field == "options=" {
            "--exclusive"
        } else {
            "1"
        };
        let set = Slurm::default().set(&format!("{field}{value}"));
        assert_eq!(set, Ok(()), "{field}");
    }
    let changes = offered(&place, &["resume", "plain", "--set", ""]);
    let field = |change: &String| change.split('=').next().unwrap().to_owned();
    let mut fields: Vec<String> = changes.iter().map(field).collect();
    fields.sort_unstable();
    fields.dedup();
    let mut expected = change::FIELDS.to_vec();
    expected.sort_unstable();
    assert_eq!(fields, expected);
    let help = place.say(&["resume", "--help"]).out;
    for field in change::FIELDS {
        assert!(help.contains(&format!("`{field}`")), "{field}: {help}");
    }
    for command in ["list", "models", "runs"] {
        let columns = offered(&place, &[command, "--columns", ""]);
        assert!(columns.len() >= 8, "{command}: {columns:?}");
        let said = place.say(&[command, "--columns", &columns.join(",")]);
        assert_eq!(said.code, 0, "{command}: {}", said.err);
    }
    assert_eq!(
        offered(&place, &["models", "--columns", "gmacs,para"]),
        ["gmacs,params"]
    );
}

#[test]
fn restore_is_offered_deleted_runs_and_no_others() {
    let (place, id) = (compare::place(), "20260101-000000-dddd");
    let restore = ["trash", "restore", "2026"];
    assert!(offered(&place, &restore).is_empty());
    assert_eq!(place.say(&["trash", "put", id]).code, 0);
    assert_eq!(offered(&place, &restore), [id]);
    let put = offered(&place, &["trash", "put", "2026"]);
    assert!(
        !put.is_empty() && put.iter().all(|other| other != id),
        "{put:?}"
    );
}

/// The program's answer to a shell's completion script, with the cursor after the last word.
fn completed(place: &Place, words: &[&str]) -> Vec<String> {
    let mut command = place.command(&["--", "warmstart"]);
    command.args(words).env("WARMSTART_COMPLETE", "fish");
    let said = said(&mut command);
    assert_eq!(said.code, 0, "{}", said.err);
    said.out
        .lines()
        .map(|line| line.split('\t').next().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn completions_know_experiments_runs_backbones_and_fields() {
    let place = Place::new();
    assert_eq!(place.say(&["train", "lite0-freeze", "--quiet"]).code, 0);
    let id = place.runs()[0]["run"].as_str().unwrap().to_owned();
    assert_eq!(
        completed(&place, &["train", "5-"]),
        ["5-effnet-finetune", "5-lite0-finetune"]
    );
    assert_eq!(
        completed(&place, &["show", ""])[..2],
        [id.clone(), "4-lite0-freeze".to_owned()]
    );
    assert_eq!(
        completed(&place, &["compare", "--baseline", &id[..8]]),
        [id.as_str()]
    );
    assert_eq!(
        completed(&place, &["trash", "put", &id[..4]]),
        [id.as_str()]
    );
    assert_eq!(
        completed(&place, &["prefetch", "--backbone", "convnext_t"]),
        ["convnext_tiny"]
    );
    assert_eq!(
        completed(&place, &["prefetch", "--dataset", ""]),
        ["cifar100", "cifar10"]
    );
    assert_eq!(
        completed(&place, &["train", "--set", "train.epo"]),
        ["train.epochs="]
    );
    let names = completed(&place, &["train", "--set", "train.optimizer.name=s"]);
    assert_eq!(names, ["train.optimizer.name=sgd"]);
    // In the folder that the command line names.
    place.write("elsewhere/own.yaml", "name: x");
    assert_eq!(
        completed(&place, &["--experiments", "elsewhere", "check", "o"]),
        ["own"]
    );
}

#[test]
fn every_shell_gets_a_script_and_the_manual_names_every_command() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let said = place.say(&["completions", shell]);
        assert!(
            said.code == 0 && said.out.contains("WARMSTART_COMPLETE"),
            "{shell}: {}{}",
            said.out,
            said.err
        );
    }
    let folder = place.folder.path().join("share");
    assert_eq!(place.say(&["docs", "--share", "share"]).code, 0);
    for path in [
        "bash-completion/completions/warmstart",
        "zsh/site-functions/_warmstart",
        "man/man1/warmstart-queue-move.1",
    ] {
        assert!(folder.join(path).is_file(), "{path}");
    }
    let manual = fs::read_to_string(folder.join("man/man1/warmstart.1")).unwrap();
    assert!(
        manual.contains("warmstart\\-verify\\-resume(1)") && !manual.contains("docs"),
        "{manual}"
    );
}
