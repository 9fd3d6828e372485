//! The user's editor in the dashboard's terminal, and the settings file.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::pty::{Pty, scratch};

/// A fake editor: it waits for a line of keys, then runs the script on the file `$1`.
fn editor(folder: &tempfile::TempDir, script: &str) -> String {
    let path = folder.path().join("my editor");
    let text = format!(
        "#!/bin/sh\necho \"editing $1\"\nstty -a | tr ' ' '\\n' | grep -x -e icanon -e isig -e echo | tr '\\n' ' '\nread line\necho \"$line\" > got\n{script}\n"
    );
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    format!("'{}'", path.display())
}

fn file(folder: &tempfile::TempDir) -> PathBuf {
    folder
        .path()
        .join("experiments/quickstart/4-lite0-freeze.yaml")
}

/// The dashboard with this editor open on a file.
fn editing(folder: &tempfile::TempDir, variables: &[(&str, &str)], script: &str) -> Pty {
    let command = editor(folder, script);
    let all: Vec<(&str, &str)> = variables
        .iter()
        .copied()
        .chain([("EDITOR", &*command)])
        .collect();
    let mut pty = Pty::open(folder, 120, 30, &all);
    pty.wait_for(&["Lite0, freeze", "? help"]);
    pty.press("/4-lite0\r");
    pty.wait_for(&["experiment: 4-lite0"]);
    pty.press("e");
    pty.wait_until("the editor on the shell's screen", |screen| {
        let shown = screen.contents();
        !screen.alternate_screen()
            && shown.contains("editing experiments/quickstart/4-lite0-freeze.yaml")
    });
    pty
}

#[test]
fn the_file_is_opened_in_the_editor_and_read_again_afterwards() {
    let folder = scratch();
    let mut pty = editing(
        &folder,
        &[],
        "sed -i 's/epochs: 20/epochs: 7/' \"$1\"; stty -echo -icanon",
    );
    pty.wait_for(&["isig icanon echo"]);
    pty.resize(100, 30);
    pty.press("jq hello\r");
    pty.wait_for(&["4-lite0-freeze.yaml is valid", "? help"]);
    assert!(pty.screen().alternate_screen() && pty.screen().hide_cursor());
    assert_eq!(
        fs::read_to_string(folder.path().join("got")).unwrap(),
        "jq hello\n",
        "its keys are its own"
    );
    assert!(
        fs::read_to_string(file(&folder))
            .unwrap()
            .contains("epochs: 7")
    );
    let last = pty.screen().rows(0, 100).nth(29).unwrap();
    assert!(last.contains("? help"), "drawn at the new size");
    pty.press("q");
    assert!(pty.exit_status().success());
    pty.assert_terminal_restored();
}

#[test]
fn file_broken_by_the_editor_is_reported_with_its_line() {
    let folder = scratch();
    let mut pty = editing(
        &folder,
        &[],
        "sed -i 's/epochs: 20/epochs: none/' \"$1\"; exit 3",
    );
    pty.press("\r");
    pty.wait_for(&["the editor ended with exit code 3; 4-lite0-freeze.yaml:8:11: train"]);
    pty.press("q");
    assert!(pty.exit_status().success());
    pty.assert_terminal_restored();
}

#[test]
fn an_interrupt_in_the_editor_does_not_reach_the_dashboard() {
    let folder = scratch();
    let mut pty = editing(&folder, &[], "");
    pty.press("\x03");
    pty.wait_for(&["the editor was ended by SIGINT", "? help"]);
    pty.press("q");
    assert!(pty.exit_status().success());
    pty.assert_terminal_restored();
}

#[test]
fn a_suspended_editor_suspends_the_dashboard_too() {
    let folder = scratch();
    let mut pty = editing(&folder, &[("SHELL_JOBS", "yes")], "");
    pty.press("\x1a");
    pty.wait_for_stop();
    pty.continue_job();
    pty.press("again\r");
    pty.wait_for(&["is valid", "? help"]);
    assert_eq!(
        fs::read_to_string(folder.path().join("got")).unwrap(),
        "again\n"
    );
    pty.press("q");
    assert!(pty.exit_status().success());
    pty.assert_terminal_restored();
}

#[test]
fn a_missing_editor_is_reported() {
    let folder = scratch();
    let mut pty = Pty::open(&folder, 120, 24, &[("VISUAL", "/nowhere/ed --wait")]);
    pty.wait_for(&["Lite0, freeze", "? help"]);
    pty.press("e");
    pty.wait_for(&[
        "the editor `/nowhere/ed` cannot be started",
        "EDITOR or VISUAL",
        "? help",
    ]);
    assert!(pty.screen().alternate_screen());
    pty.press("q");
    assert!(pty.exit_status().success());
    pty.assert_terminal_restored();
}

#[test]
fn a_missing_controlling_terminal_is_not_blamed_on_the_editor() {
    let folder = scratch();
    // As under `su -c`, the dashboard's session has no terminal.
    let mut pty = Pty::open_script(&folder, "setsid -w \"$PROGRAM\"", true);
    pty.wait_for(&["Lite0, freeze", "? help"]);
    pty.press("e");
    pty.wait_for(&["the editor needs a controlling terminal"]);
    pty.press("q");
    assert!(pty.exit_status().success());
    pty.assert_terminal_restored();
}

#[test]
fn a_changed_field_creates_a_file_and_selects_it() {
    let folder = scratch();
    let mut pty = Pty::open(&folder, 100, 30, &[]);
    pty.wait_for(&["Lite0, freeze", "? help"]);
    pty.press("/4-lite0\rC");
    pty.wait_for(&["duplicate with one field changed: Lite0, freeze"]);
    pty.press("learning_rate\r\x153e-4");
    pty.wait_for(&["4-lite0-freeze-lr-3e-4", "→ 3e-4", "Lite0, freeze, lr 3e-4"]);
    pty.press("\r");
    pty.wait_for(&["wrote experiments/quickstart/4-lite0-freeze-lr-3e-4.yaml"]);
    pty.wait_until("the new row to be selected", |screen| {
        screen
            .contents()
            .lines()
            .any(|line| line.contains('▐') && line.contains("lr 3e-4"))
    });
    let new = fs::read_to_string(
        folder
            .path()
            .join("experiments/quickstart/4-lite0-freeze-lr-3e-4.yaml"),
    )
    .unwrap();
    let old = fs::read_to_string(file(&folder)).unwrap();
    assert_eq!(new.lines().count(), old.lines().count());
    assert!(new.contains("learning_rate: 3e-4") && old.contains("learning_rate: 1.0e-3"));
    pty.press("q");
    assert!(pty.exit_status().success());
}

fn settings(folder: &tempfile::TempDir, text: &str) {
    let place = folder.path().join("config/warmstart");
    fs::create_dir_all(&place).unwrap();
    fs::write(place.join("config.yaml"), text).unwrap();
}

#[test]
fn keys_and_columns_follow_the_settings_and_choices_are_restored() {
    let folder = scratch();
    settings(
        &folder,
        "keys: { quit: [Q, ctrl-c], filter: f }\ncolumns: [seed]\n",
    );
    let mut pty = Pty::open(&folder, 80, 24, &[]);
    pty.wait_for(&["seed", "? help"]);
    pty.press("f4-lite0\r");
    pty.wait_for(&["experiment: 4-lite0"]);
    pty.press("qv");
    pty.wait_for(&["all runs, the newest first"]);
    pty.press("Q");
    assert!(pty.exit_status().success());
    let pty = Pty::open(&folder, 80, 24, &[]);
    pty.wait_for(&["all runs, the newest first", "seed"]);
}

#[test]
fn wrong_setting_is_reported_and_the_others_apply() {
    let folder = scratch();
    settings(&folder, "keys:\n  run.stpo: x\n  quit: Q\n");
    let mut pty = Pty::open(&folder, 80, 24, &[]);
    pty.wait_for(&[
        " keys.run.stpo: no action is called `stpo` on `run` (config.yaml:2; ! for all)",
        "? help",
        "Q quit",
    ]);
    pty.press("j!");
    pty.wait_for(&["config.yaml:2:13", "did you mean `stop`?", "left out"]);
    pty.press("q");
    pty.wait_for(&["Q quit"]);
    pty.press("Q");
    assert!(pty.exit_status().success());
}
