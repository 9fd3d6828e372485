//! Tables fit the width of the terminal. Without a terminal they are complete.

use std::io::Read;

use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use unicode_width::UnicodeWidthStr;

use crate::compare;
use crate::place::Place;

/// The output of `warmstart` on a terminal with this many columns.
fn on_terminal(place: &Place, columns: u16, arguments: &[&str]) -> Vec<String> {
    said_on_terminal(&place.command(arguments), columns)
}

/// The output of a command on a terminal with this many columns.
pub(crate) fn said_on_terminal(plain: &std::process::Command, columns: u16) -> Vec<String> {
    String::from_utf8(bytes_on_terminal(plain, columns))
        .unwrap()
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect()
}

/// The same, byte by byte; the terminal has 24 rows.
pub(crate) fn bytes_on_terminal(plain: &std::process::Command, columns: u16) -> Vec<u8> {
    let size = PtySize {
        rows: 24,
        cols: columns,
        pixel_width: 0,
        pixel_height: 0,
    };
    let pair = native_pty_system().openpty(size).unwrap();
    let mut command = CommandBuilder::new(plain.get_program());
    command.args(plain.get_args());
    if let Some(folder) = plain.get_current_dir() {
        command.cwd(folder);
    }
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        }
    }
    let mut child = pair.slave.spawn_command(command).unwrap();
    drop(pair.slave);
    let mut text = Vec::new();
    // On Linux, a read fails once the program in the pseudo-terminal has ended.
    let _ = pair
        .master
        .try_clone_reader()
        .unwrap()
        .read_to_end(&mut text);
    assert!(
        child.wait().unwrap().success(),
        "{}",
        String::from_utf8_lossy(&text)
    );
    text
}

#[test]
fn no_row_is_wider_than_the_terminal_and_hidden_columns_are_named() {
    let place = compare::place();
    for arguments in [
        &["list"][..],
        &["runs"],
        &["models"],
        &["show", "evil"],
        &["params", "effnet-freeze"],
        &["compare", "--all"],
        &["compare", "--all", "--transpose"],
    ] {
        for columns in [40, 60, 80, 120, 200] {
            let lines = on_terminal(&place, columns, arguments);
            for line in &lines {
                assert!(
                    line.width() <= usize::from(columns),
                    "{arguments:?} at {columns}: {line:?}"
                );
            }
            let whole = place.say(arguments).out;
            let is_cut = whole
                .lines()
                .any(|line| line.width() > usize::from(columns));
            let is_table = arguments[0] != "show" && arguments[0] != "params";
            let is_said = lines
                .iter()
                .any(|line| line.contains("hidden: ") || line.contains('…'));
            assert!(
                !is_table || !is_cut || is_said,
                "{arguments:?} at {columns}: {lines:?}"
            );
        }
    }
}

#[test]
fn the_run_id_is_the_last_column_to_be_hidden() {
    let place = compare::place();
    for arguments in [&["runs"][..], &["compare", "--all"]] {
        let lines = on_terminal(&place, 80, arguments);
        for end in ["-aaaa", "-bbbb", "-cccc", "-dddd"] {
            let of_run: Vec<&String> = lines.iter().filter(|line| line.contains(end)).collect();
            assert_eq!(of_run.len(), 1, "{arguments:?}: {lines:?}");
        }
        let narrow = on_terminal(&place, 24, arguments);
        assert!(
            narrow.iter().any(|line| line.ends_with("-aaaa")),
            "{arguments:?}: {narrow:?}"
        );
    }
}

#[test]
fn columns_can_be_chosen_and_their_names_are_checked() {
    let place = compare::place();
    let text = place.say(&["runs", "--columns", "val_acc,run"]).out;
    let mut lines = text.lines();
    assert_eq!(
        lines.next().unwrap().split_whitespace().collect::<Vec<_>>(),
        ["val", "acc", "run"]
    );
    assert!(text.contains("0.4500  20260102-000000-bbbb"), "{text}");
    let wrong = place.say(&["list", "--columns", "experimnet"]);
    assert!(
        wrong.code == 2 && wrong.err.contains("did you mean `experiment`?"),
        "{}",
        wrong.err
    );
}

#[test]
fn a_note_keeps_its_lines_on_a_terminal() {
    let place = Place::new();
    let whole = place.say(&[]).err;
    assert!(whole.lines().count() > 1, "{whole}");
    let mut command = place.command(&[]);
    // The dashboard does not open there.
    command.env("TERM", "dumb");
    let lines = said_on_terminal(&command, 120);
    for line in whole.lines() {
        assert!(lines.iter().any(|said| said == line), "{line}: {lines:?}");
    }
}

#[test]
fn empty_lists_give_the_reason() {
    let place = Place::new();
    let err = |arguments: &[&str]| place.say(arguments).err;
    assert!(err(&["runs"]).contains("no folder"), "{}", err(&["runs"]));
    assert!(
        err(&["compare"]).contains("there is no run"),
        "{}",
        err(&["compare"])
    );
    std::fs::create_dir_all(place.checkpoints()).unwrap();
    assert!(
        err(&["runs"]).contains("there is no run in") && err(&["runs"]).contains("warmstart train")
    );
    let place = compare::place();
    let err = |arguments: &[&str]| place.say(arguments).err;
    assert!(err(&["runs", "--filter", "nothing"]).contains("fits the filter"));
    for run in [
        "20260101-000000-aaaa",
        "20260102-000000-bbbb",
        "20260103-000000-cccc",
        "20260101-000000-dddd",
    ] {
        assert_eq!(place.say(&["archive", run]).code, 0);
    }
    let away = err(&["runs"]);
    assert!(
        away.contains("are archived (4)") && away.contains("--filter is:archived"),
        "{away}"
    );
    assert!(
        away.contains("`warmstart runs --checkpoints "),
        "it can be pasted: {away}"
    );
    std::fs::create_dir_all(place.folder.path().join("none")).unwrap();
    let none = err(&["list", "--experiments", "none"]);
    assert!(
        none.contains("no experiment file in none") && none.contains("4 runs"),
        "{none}"
    );
}
