//! The next dashboard restores the choices of the screen.

use std::fs;
use std::path::{Path, PathBuf};

use super::fixtures::typical;
use super::press;
use crate::choices::{ChoiceTracker, current};
use crate::memory::Memory;
use crate::model::{Model, Screen};

fn screen(model: &Model) -> Memory {
    current(model, Path::new("/e")).unwrap()
}

/// What is kept after these keys, and the choices that the screen then has.
fn after(memory: &Memory, keys: &str) -> (Memory, Memory) {
    let mut model = typical();
    let mut choices = ChoiceTracker::start(&mut model, memory);
    assert_eq!(choices.changed(&model), None, "nothing was chosen yet");
    press(&mut model, keys);
    let mut left = memory.clone();
    left.merge(choices.changed(&model).unwrap_or_default());
    (left, screen(&model))
}

#[test]
fn choices_are_restored() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("deep/state.json");
    for keys in [
        "ooO",
        "|<space>jj<space><esc>",
        "v",
        "j<tab>",
        "jjjj<enter>mm<esc><esc>",
    ] {
        let (left, shown) = after(&Memory::default(), keys);
        left.write(&file).unwrap();
        let (_, again) = after(&Memory::read(&file), "");
        assert_eq!(again, shown, "{keys}");
        assert_ne!(again, screen(&typical()), "{keys}");
    }
    let (left, _) = after(&Memory::default(), "ooO");
    assert_eq!(
        serde_json::to_value(&left).unwrap(),
        serde_json::json!({ "sort": "-px" }),
        "what nobody chose follows the settings"
    );
    let (left, _) = after(&left, "O");
    let (_, again) = after(&left, "");
    assert_eq!(serde_json::to_value(&again).unwrap()["sort"], "px");
}

#[test]
fn choices_of_two_dashboards_are_both_kept() {
    let (mut one, mut other) = (typical(), typical());
    let mut memory = Memory::default();
    let mut of_one = ChoiceTracker::start(&mut one, &memory);
    let mut of_other = ChoiceTracker::start(&mut other, &memory);
    press(&mut one, "v");
    press(&mut other, "o");
    memory.merge(of_one.changed(&one).unwrap());
    memory.merge(of_other.changed(&other).unwrap());
    let saved = serde_json::to_value(&memory).unwrap();
    assert_eq!(saved["flat"], true);
    assert!(saved["sort"].is_string(), "{saved}");
}

#[test]
fn files_that_two_dashboards_expand_are_both_kept() {
    let (mut one, mut other) = (typical(), typical());
    let mut memory = Memory::default();
    let mut of_one = ChoiceTracker::start(&mut one, &memory);
    let mut of_other = ChoiceTracker::start(&mut other, &memory);
    let expand = |model: &mut Model, files: &[&str]| {
        let Screen::Experiments(list) = &mut model.open else {
            panic!("the list of experiments is not open")
        };
        list.expanded = files.iter().map(PathBuf::from).collect();
    };
    let expanded = |memory: &Memory| -> Vec<PathBuf> {
        let files = memory.expanded.values().flatten();
        files.cloned().collect()
    };
    expand(&mut one, &["a.yaml"]);
    memory.merge(of_one.changed(&one).unwrap());
    expand(&mut other, &["b.yaml"]);
    memory.merge(of_other.changed(&other).unwrap());
    assert_eq!(
        expanded(&memory),
        [PathBuf::from("a.yaml"), PathBuf::from("b.yaml")]
    );
    expand(&mut one, &[]);
    memory.merge(of_one.changed(&one).unwrap());
    assert_eq!(expanded(&memory), [PathBuf::from("b.yaml")]);
}

#[test]
fn the_folder_that_is_open_is_never_forgotten() {
    let expanded = |folder: &str| Memory {
        expanded: [(folder.into(), ["file".into()].into())].into(),
        ..Memory::default()
    };
    let mut memory = Memory::default();
    for number in 0..50 {
        memory.merge(expanded(&format!("/z{number}")));
    }
    // The first of all in the order of the alphabet.
    memory.merge(expanded("/a"));
    assert_eq!(memory.expanded.len(), 50);
    assert!(memory.expanded.contains_key(Path::new("/a")));
}

#[test]
fn invalid_memory_is_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.json");
    assert_eq!(Memory::read(&file), Memory::default());
    assert_eq!(Memory::read(folder.path()), Memory::default());
    for text in ["", "{", "[]", "{\"sort\": 3}", "\u{0}"] {
        fs::write(&file, text).unwrap();
        assert_eq!(Memory::read(&file), Memory::default(), "{text}");
    }
    fs::write(
        &file,
        r#"{"columns":["gone","val acc"],"sort":"-gone","detail":"what","later":1}"#,
    )
    .unwrap();
    let (_, shown) = after(&Memory::read(&file), "");
    assert_eq!(
        serde_json::to_value(&shown).unwrap()["columns"],
        serde_json::json!(["val acc"])
    );
    assert!(
        Memory::default()
            .write(Path::new("/proc/nothing/state.json"))
            .is_err()
    );
}
