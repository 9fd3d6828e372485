//! `warmstart cache`: what is there, and its removal.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::place::{Place, Said, said};

/// A place whose cache has an intact file and a damaged one.
fn filled() -> (Place, PathBuf) {
    let place = Place::new();
    let folder = place.folder.path().join("cache/warmstart/features");
    fs::create_dir_all(&folder).unwrap();
    let header = r#"{"__metadata__":{"backbone":"resnet18","dataset":"emoji98","part":"train","images":"12","pixels":"96","precision":"float32","device":"cpu","format":"1"}}"#;
    let length = (header.len() as u64).to_le_bytes();
    let intact = [&length[..], header.as_bytes(), &[0; 1000]].concat();
    let file = |letter: &str| folder.join(format!("{}.safetensors", letter.repeat(64)));
    fs::write(file("a"), intact).unwrap();
    fs::write(file("b"), "not a file of features").unwrap();
    // Files of others stay.
    fs::write(folder.join("notes.txt"), "mine").unwrap();
    (place, folder)
}

fn say(place: &Place, limit: &str, arguments: &[&str]) -> Said {
    let mut command = place.command(arguments);
    let cache = place.folder.path().join("cache");
    said(
        command
            .env("XDG_CACHE_HOME", cache)
            .env("WARMSTART_FEATURE_CACHE", limit),
    )
}

#[test]
fn cache_lists_files_with_what_they_were_computed_from() {
    let (place, _) = filled();
    let said = say(&place, "2GB", &["cache"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let row = |begin: &str| said.out.lines().find(|line| line.contains(begin)).unwrap();
    let cells: Vec<&str> = row("resnet18").split_whitespace().collect();
    assert_eq!(
        cells[..7],
        ["resnet18", "emoji98", "train", "12", "96", "float32", "cpu"]
    );
    assert_eq!(cells.last(), Some(&"aaaaaaaaaaaa"));
    assert!(row("(damaged)").contains("bbbbbbbbbbbb"), "{}", said.out);
    assert!(said.err.contains("at most 2.0"), "{}", said.err);
    let json = say(&place, "2GB", &["cache", "--json"]).json();
    assert_eq!(json["limit"], 2_000_000_000_u64);
    assert_eq!(json["files"].as_array().unwrap().len(), 2);
    let off = say(&place, "off", &["cache"]);
    assert!(off.err.contains("turns the cache off"), "{}", off.err);
}

#[test]
fn clear_removes_features_and_nothing_else() {
    let (place, folder) = filled();
    let said = say(&place, "", &["cache", "--clear"]);
    assert!(
        said.code == 0 && said.out.starts_with("2 removed, "),
        "{}{}",
        said.out,
        said.err
    );
    let left: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "lock")
        .collect();
    assert_eq!(left, ["notes.txt"]);
    assert_eq!(
        say(&place, "", &["cache", "--clear", "--json"]).json()["removed"],
        0
    );
    let empty = say(&place, "", &["cache"]);
    assert!(
        empty.code == 0 && empty.err.contains("is empty"),
        "{}",
        empty.err
    );
}

#[test]
fn a_cache_that_cannot_be_cleared_is_named_so() {
    let (place, folder) = filled();
    // No file can be opened where its lock is a folder.
    fs::create_dir(folder.join("lock")).unwrap();
    let said = say(&place, "", &["cache", "--clear"]);
    assert!(
        said.code != 0 && said.err.contains("cannot be cleared"),
        "{}",
        said.err
    );
}

#[test]
fn cache_refuses_a_limit_that_is_no_size() {
    let (place, _) = filled();
    let said = say(&place, "plenty", &["cache"]);
    assert!(
        said.code != 0 && said.err.contains("expected a size such as 20GB"),
        "{}",
        said.err
    );
}

#[test]
fn json_answers_where_the_folder_of_the_cache_is_no_text() {
    let place = Place::new();
    let folder = place.folder.path().join(OsStr::from_bytes(b"ca\xffche"));
    let mut command = place.command(&["cache", "--json"]);
    let said = said(command.env("XDG_CACHE_HOME", folder));
    assert_eq!(said.code, 0, "{}", said.err);
    let shown = said.json()["folder"].as_str().unwrap().to_owned();
    assert!(shown.contains("ca\u{fffd}che/warmstart"), "{shown}");
}

#[test]
fn a_limit_that_is_no_text_is_refused_and_not_taken_for_none() {
    let place = Place::new();
    let mut command = place.command(&["cache"]);
    command.env("WARMSTART_FEATURE_CACHE", OsStr::from_bytes(b"\xff"));
    let said = said(&mut command);
    assert_eq!(said.code, 2, "{}", said.err);
    assert!(said.err.contains("expected a size"), "{}", said.err);
}
