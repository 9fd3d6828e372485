//! `--log` and `WARMSTART_LOG`.

use std::fs;

use crate::place::{Place, said};

#[test]
fn the_debug_log_has_the_command_and_its_exit_code() {
    let place = Place::new();
    let file = place.checkpoints().with_file_name("debug.log");
    let asked = file.display().to_string();
    assert_eq!(place.say(&["list", "--log", &asked]).code, 0);
    let mut show = place.command(&["show", "nothing"]);
    assert_eq!(said(show.env("WARMSTART_LOG", &asked)).code, 3);
    let log = fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = log.lines().collect();
    assert!(
        lines[0].contains("warmstart starts") && lines[0].contains("\"list\""),
        "{log}"
    );
    assert!(lines[1].contains("warmstart ends code=0"), "{log}");
    assert!(log.contains("no run is called `nothing`"), "{log}");
    assert!(lines.last().unwrap().contains("code=3"), "{log}");
}

#[test]
fn a_debug_log_that_cannot_be_written_stops_the_command() {
    let place = Place::new();
    let said = place.say(&["list", "--log", "/nowhere/debug.log"]);
    assert_eq!(said.code, 1);
    assert!(
        said.err.contains("/nowhere/debug.log cannot be written"),
        "{}",
        said.err
    );
    assert!(said.out.is_empty());
}
