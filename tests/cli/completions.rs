//! Completions in a real bash.

use std::process::Command;

use crate::compare;
use crate::place::Place;

/// The completions that bash offers for the last of these words.
fn offered(place: &Place, words: &[&str]) -> Vec<String> {
    let plain = place.command(&["completions", "bash"]);
    let program = plain.get_program().to_str().unwrap().to_owned();
    let quoted = words
        .iter()
        .map(|word| format!("'{}'", word.replace('\'', "'\\''")))
        .collect::<Vec<_>>()
        .join(" ");
    let script = format!(
        "source <('{program}' completions bash) || exit 1\n\
         complete -p warmstart >/dev/null || exit 1\n\
         COMP_WORDS=(warmstart {quoted}); COMP_CWORD={}; COMP_TYPE=9\n\
         _clap_complete_warmstart warmstart \"${{COMP_WORDS[COMP_CWORD]}}\" ''\n\
         printf '%s\\n' \"${{COMPREPLY[@]}}\"\n",
        words.len()
    );
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", &script])
        .current_dir(place.folder.path());
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => bash.env(name, value),
            None => bash.env_remove(name),
        };
    }
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

#[test]
fn bash_is_offered_runs_experiments_backbones_and_settings() {
    let place = compare::place();
    let has = |words: &[&str], expected: &[&str]| {
        let offered = offered(&place, words);
        for word in expected {
            assert!(
                offered.iter().any(|other| other == word),
                "{words:?}: {word} in {offered:?}"
            );
        }
        offered
    };
    has(
        &["show", "2026010"],
        &["20260101-000000-aaaa", "20260102-000000-bbbb"],
    );
    has(&["resume", "pl"], &["plain"]);
    let runs = has(&["compare", ""], &["20260103-000000-cccc", "evil"]);
    assert_eq!(runs[0], "20260103-000000-cccc", "the newest first");
    has(&["train", "4-"], &["4-effnet-freeze"]);
    has(
        &["prefetch", "--backbone", "resnet"],
        &["resnet18", "resnet50"],
    );
    has(&["train", "x", "--set", "train.ep"], &["train.epochs="]);
    has(
        &["compare", "--columns", "run,val_"],
        &["run,val_acc", "run,val_loss"],
    );
    has(
        &["compare", "--baseline", "20260102"],
        &["20260102-000000-bbbb"],
    );
    has(&["sho"], &["show"]);
    // In the folder that the command line names.
    let other = Place::new();
    let folder = place.checkpoints().display().to_string();
    let found = offered(&other, &["--checkpoints", &folder, "show", "20260102"]);
    assert_eq!(found, ["20260102-000000-bbbb"]);
    assert!(offered(&other, &["show", "2026"]).is_empty());
}
