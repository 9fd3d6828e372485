//! Experiment files: a new file with one change, a change in place, a comparison of two files, and the user's editor.

use std::path::PathBuf;

use super::fixtures::{DONE, RESUMED, data, typical};
use super::{drawn, press, says, text};
use crate::effect::{Effect, Writing};
use crate::message::{Message, Report};
use crate::model::{Editor, Kind, Model, Popup, Screen};
use crate::update::update;

/// Presses keys, and answers requests for experiment files with the recorded files.
fn answered(model: &mut Model, keys: &str) -> Vec<Effect> {
    let mut others = Vec::new();
    for event in super::events(keys) {
        let Some(message) = model.keys.message(model.context(), &event) else {
            continue;
        };
        for effect in update(model, message) {
            match effect {
                Effect::ReadExperiment(path) => {
                    let text = std::fs::read_to_string(data().join(&path))
                        .map_err(|error| error.to_string());
                    update(model, Message::ExperimentRead { path, text });
                }
                effect => others.push(effect),
            }
        }
    }
    others
}

/// The dashboard after these keys. `jjjj` selects `Lite0, freeze`, because its group has the first row.
fn after(keys: &str) -> Model {
    let mut model = typical();
    answered(&mut model, keys);
    model
}

fn editor(model: &Model) -> &Editor {
    match &model.popup {
        Some(Popup::Editor(editor)) => editor,
        other => panic!("{other:?}"),
    }
}

fn problems(keys: &str) -> String {
    editor(&after(keys)).draft.as_ref().unwrap_err().join("; ")
}

fn written(keys: &str) -> Writing {
    let mut model = typical();
    let mut effects = answered(&mut model, keys);
    match effects.pop() {
        Some(Effect::WriteExperiment(writing)) => *writing,
        other => panic!("{other:?}"),
    }
}

/// Clears the input.
const CLEAR: &str = "<ctrl-u>";

#[test]
fn changed_field_is_written_to_new_file_with_new_name() {
    let writing = written(&format!("jjjjClearning_rate<enter>{CLEAR}3e-4<enter>"));
    assert_eq!(writing.stem.as_deref(), Some("4-lite0-freeze-lr-3e-4"));
    assert_eq!(
        writing.source,
        PathBuf::from("experiments/quickstart/4-lite0-freeze.yaml")
    );
    let expected = writing
        .before
        .replace("learning_rate: 1.0e-3", "learning_rate: 3e-4")
        .replace("name: Lite0, freeze\n", "name: Lite0, freeze, lr 3e-4\n");
    assert_eq!(writing.text, expected);
}

#[test]
fn typing_replaces_value_and_cursor_keys_edit_it() {
    let value = |keys: &str| {
        editor(&after(&format!("jjjjClearning_rate<enter>{keys}")))
            .value
            .value()
            .to_owned()
    };
    assert_eq!(value(""), "0.001");
    assert_eq!(value("1e-3"), "1e-3");
    assert_eq!(value("<end>5"), "0.0015");
    assert_eq!(value("<left>2"), "0.0021");
    assert_eq!(value("<home><delete>1"), "1.001");
    assert_eq!(value("<backspace>"), "");
    assert_eq!(value("<delete>7"), "7");
    assert_eq!(value("3<backspace>"), "");
    let mut model = after("jjjjClearning_rate<enter>");
    update(&mut model, Message::Paste("2e-4".to_owned()));
    assert_eq!(editor(&model).value.value(), "2e-4");
    assert_eq!(
        written("jjjjClearning_rate<enter>3e-4<enter>")
            .stem
            .as_deref(),
        Some("4-lite0-freeze-lr-3e-4")
    );
}

#[test]
fn long_pasted_text_is_cut_without_an_ellipsis() {
    let mut model = after("jjjjClearning_rate<enter>");
    update(&mut model, Message::Paste("1".repeat(5000)));
    let value = editor(&model).value.value();
    assert!(
        value.len() > 1000 && value.chars().all(|c| c == '1'),
        "{value}"
    );
}

#[test]
fn change_in_place_keeps_the_name() {
    let writing = written(&format!("jjjjCepochs<enter><tab>{CLEAR}5<enter>"));
    assert_eq!(
        (writing.stem, writing.text),
        (None, writing.before.replace("epochs: 20", "epochs: 5"))
    );
}

#[test]
fn omitted_field_is_added_and_field_can_be_removed() {
    let writing = written(&format!("jjjjCweight_decay<enter>{CLEAR}0.01<enter>"));
    assert!(
        writing
            .text
            .contains("{ name: adam, learning_rate: 1.0e-3, weight_decay: 0.01 }"),
        "{}",
        writing.text
    );
    let writing = written(&format!("jjjjCinput.resize<enter>{CLEAR}<enter>"));
    assert!(
        writing.text.contains("input: {  }") || writing.text.contains("input: { }"),
        "{}",
        writing.text
    );
    assert_eq!(
        writing.stem.as_deref(),
        Some("4-lite0-freeze-resize-default")
    );
}

#[test]
fn new_file_name_can_be_edited() {
    let writing = written(&format!(
        "jjjjCepochs<enter>{CLEAR}5<down>{CLEAR}mine<enter>"
    ));
    assert_eq!(writing.stem.as_deref(), Some("mine"));
    let wrong = problems(&format!("jjjjCepochs<enter>{CLEAR}5<down>{CLEAR}../mine"));
    assert!(wrong.contains("dot"), "{wrong}");
}

#[test]
fn mistake_is_shown_while_typing_and_blocks_enter() {
    for (field, typed, message) in [
        (
            "train.epochs",
            "0",
            "expected a whole number from 1 to 100000, found 0",
        ),
        (
            "train.epochs",
            "many",
            "expected a whole number from 1 to 100000, found text \"many\"",
        ),
        ("train.epochs", "20", "that is what it says already"),
        (
            "train.epochs",
            "",
            "is missing; add `epochs: …` below `train`",
        ),
        ("model.backbone", "resnet81", "did you mean `resnet"),
        ("optimizer.name", "adm", "did you mean `adam`?"),
        ("head.dropout", "1", "a share from 0 to below 1"),
        ("head.dropout", "0.1 }", "does not allow this change"),
        (
            "schedule.name",
            "step",
            "train.schedule.step_epochs: expected a whole number with `name: step`",
        ),
        ("train.precision", "", "the file leaves it out already"),
    ] {
        let keys = format!("jjjjC{field}<enter>{CLEAR}{typed}");
        let said = problems(&keys);
        assert!(said.contains(message), "{field} {typed}: {said}");
        let mut model = typical();
        assert!(answered(&mut model, &format!("{keys}<enter>")).is_empty());
        editor(&model);
    }
}

#[test]
fn untouched_value_is_no_change() {
    assert!(problems("jjjjCweight_decay<enter>").contains("default"));
    let mut model = typical();
    // YAML ends a text of several lines with a line break, which nobody types.
    let path = PathBuf::from("experiments/quickstart/4-lite0-freeze.yaml");
    let text = std::fs::read_to_string(data().join(&path)).unwrap();
    let text = Ok(text.replace("question: ", "question: |\n  "));
    update(&mut model, Message::ExperimentRead { path, text });
    let effects = answered(&mut model, "question<enter><enter>");
    assert!(effects.is_empty(), "{effects:?}");
    assert!(editor(&model).value.value().contains("features"));
    assert!(editor(&model).draft.is_err());
}

#[test]
fn broken_or_missing_file_is_refused_with_reason() {
    let mut model = after("GC");
    assert!(model.popup.is_none() && says(&model).contains("has a mistake"));
    let broken = Message::ExperimentRead {
        path: "a.yaml".into(),
        text: Ok("name: [".to_owned()),
    };
    update(&mut model, broken);
    assert!(says(&model).starts_with("a.yaml:2:1"), "{}", says(&model));
    let gone = Message::ExperimentRead {
        path: "a.yaml".into(),
        text: Err("a.yaml cannot be read: gone".to_owned()),
    };
    update(&mut model, gone);
    assert!(says(&model).contains("gone"));
}

#[test]
fn file_that_is_read_late_opens_over_no_popup_and_no_filter() {
    let path = PathBuf::from("experiments/quickstart/4-lite0-freeze.yaml");
    let text = std::fs::read_to_string(data().join(&path)).unwrap();
    let gone = "the file is gone".to_owned();
    for keys in ["?", "/lite"] {
        let mut model = after(keys);
        let before = model.context();
        for text in [Ok(text.clone()), Err(gone.clone())] {
            let path = path.clone();
            update(&mut model, Message::ExperimentRead { path, text });
            assert_eq!(model.context(), before, "{keys}");
        }
        assert_eq!(model.report.unwrap().text, gone, "{keys}");
    }
}

#[test]
fn written_file_is_selected_once_listed() {
    let mut model = after("/resnet<enter>");
    let path = PathBuf::from("experiments/quickstart/4-lite0-freeze-lr-3e-4.yaml");
    let report = Report {
        good: true,
        text: "wrote it".to_owned(),
    };
    update(
        &mut model,
        Message::ExperimentWritten {
            path: path.clone(),
            report,
        },
    );
    let mut catalogue = model.catalogue.take().unwrap();
    let mut file = catalogue
        .files
        .iter()
        .find(|file| file.stem == "4-lite0-freeze")
        .unwrap()
        .clone();
    (file.path, file.stem) = (path, "4-lite0-freeze-lr-3e-4".to_owned());
    catalogue.files.insert(5, file);
    update(&mut model, Message::Experiments(catalogue));
    assert_eq!(
        model.selected_entry().unwrap().file.unwrap().stem,
        "4-lite0-freeze-lr-3e-4"
    );
    press(&mut model, "k");
    assert_eq!(
        model.selected_entry().unwrap().file.unwrap().stem,
        "4-lite0-freeze"
    );
}

#[test]
fn written_file_is_selected_though_a_filter_or_the_list_of_runs_hides_it() {
    for hiding in ["/resnet<enter>j<enter>", "v<enter>"] {
        let mut model = after(hiding);
        assert!(matches!(model.open, Screen::Run(_)), "{hiding}");
        let report = Report {
            good: true,
            text: "wrote it".to_owned(),
        };
        let path = PathBuf::from("experiments/quickstart/4-lite0-freeze.yaml");
        update(&mut model, Message::ExperimentWritten { path, report });
        press(&mut model, "<esc>");
        let entry = model.selected_entry().unwrap();
        assert_eq!(entry.label(), "Lite0, freeze", "{hiding}");
        assert_eq!(entry.kind, Kind::Experiment, "{hiding}");
    }
}

#[test]
fn written_file_leaves_a_filter_that_is_being_typed() {
    let mut model = after("/resnet");
    let report = Report {
        good: true,
        text: "wrote it".to_owned(),
    };
    let path = PathBuf::from("experiments/quickstart/4-lite0-freeze.yaml");
    update(&mut model, Message::ExperimentWritten { path, report });
    assert!(press(&mut model, "r").is_empty());
    assert_eq!(model.filter().unwrap().text(), "resnetr");
}

#[test]
fn editor_opens_selected_file_even_if_broken() {
    let opened = |keys: &str| match &press(&mut typical(), keys)[..] {
        [.., Effect::Edit(path)] => path.display().to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        opened("je"),
        "experiments/quickstart/1-resnet-original.yaml"
    );
    assert_eq!(opened("Ge"), "experiments/quickstart/6-typo.yaml");
    assert_eq!(
        opened("jj<enter>e"),
        "experiments/quickstart/2-resnet-resized.yaml"
    );
}

#[test]
fn two_experiments_are_compared_side_by_side() {
    let mut model = after("jjjjyfine-tune<enter>");
    let shown = text(&drawn(&model, 100, 30));
    let differing = shown
        .lines()
        .find(|line| line.contains("model.freeze"))
        .unwrap();
    assert!(
        differing.contains("backbone") && differing.contains("none"),
        "{shown}"
    );
    assert!(!shown.contains("model.backbone"), "{shown}");
    press(&mut model, "d");
    let shown = text(&drawn(&model, 100, 30));
    assert!(
        shown.contains("model.backbone") && shown.contains("±"),
        "{shown}"
    );
    press(&mut model, "q");
    assert!(model.popup.is_none());
    let marked = after("j<space>j<space>y").popup;
    assert!(
        matches!(&marked, Some(Popup::Difference(difference)) if difference.titles[0].contains("(2026")),
        "{marked:?}"
    );
    let broken = after("jjjjy6-typo<enter>");
    assert!(says(&broken).contains("cannot be read"));
}

#[test]
fn long_names_and_values_show_their_ends() {
    let stem = format!("{}-end", "x".repeat(100));
    let value = format!("jjjjClearning_rate<enter>{CLEAR}3e-4");
    let named = format!("{value}<down>{CLEAR}{stem}");
    // With the cursor in the name, and outside of it.
    for keys in [&named, &format!("{named}<up>")] {
        let shown = text(&drawn(&after(keys), 80, 24));
        let file = shown.lines().find(|line| line.starts_with("│ file"));
        let file = file.unwrap().trim_end_matches([' ', '│']);
        assert!(file.contains("-end") && file.contains(".yaml"), "{shown}");
    }
    let shown = text(&drawn(&after(&value), 40, 24));
    assert!(shown.contains("0.001 → 3e-4"), "{shown}");
}

#[test]
fn two_runs_of_one_experiment_are_told_apart_in_a_small_terminal() {
    let mut model = after("jjjjyfine-tune<enter>");
    let Some(Popup::Difference(difference)) = &mut model.popup else {
        panic!("no comparison is open");
    };
    difference.titles = [DONE, RESUMED].map(|run| format!("ResNet, resized input ({run})"));
    let shown = text(&drawn(&model, 80, 24));
    let ends = [DONE, RESUMED].map(|run| format!("{})", &run[11..]));
    assert!(ends.iter().all(|end| shown.contains(end)), "{shown}");
}

#[test]
fn editor_popups_are_drawn_at_every_size() {
    let long = format!("jjjjClearning_rate<enter>{CLEAR}3e-4");
    for (name, keys) in [
        ("fields", "jjjjC"),
        ("editor", &*long),
        ("editor-in-place", &format!("{long}<tab>")),
        (
            "editor-mistake",
            &format!("jjjjCbackbone<enter>{CLEAR}resnet81"),
        ),
        ("difference", "jjjjyfine-tune<enter>"),
        ("difference-all", "jjjjyfine-tune<enter>d"),
        ("partners", "jjjjylite"),
    ] {
        let model = after(keys);
        for (width, height) in [(80, 24), (120, 40), (200, 60)] {
            insta::assert_snapshot!(
                format!("{name}-{width}x{height}"),
                text(&drawn(&model, width, height))
            );
        }
        for (width, height) in [(0, 0), (40, 10), (41, 11), (60, 15)] {
            drawn(&model, width, height);
        }
    }
}
