//! The palette: its candidates, and what selecting them does.

use rstest::rstest;

use super::fixtures::{DONE, RESUMED, empty, id, typical};
use super::hostile::hostile;
use super::{drawn, press, text};
use crate::command::{Command, ListCommand, Show, TrainingCommand};
use crate::effect::Effect;
use crate::message::Message;
use crate::model::{Kind, Model, Palette, Popup, Screen, Target};
use crate::update::update;

fn palette(model: &Model) -> &Palette {
    match &model.popup {
        Some(Popup::Palette(palette)) => palette,
        other => panic!("{other:?}"),
    }
}

fn chosen(keys: &str) -> Target {
    let mut model = typical();
    press(&mut model, keys);
    palette(&model).chosen().unwrap().target.clone()
}

#[rstest]
#[case::by_its_name(":launch-all", Command::Training(TrainingCommand::LaunchAll))]
#[case::by_what_it_does(":without saving", Command::Training(TrainingCommand::StopNow))]
#[case::by_a_few_letters(":cmpr all", Command::Show(Show::Comparison))]
#[case::by_its_key(":s", Command::Training(TrainingCommand::Stop))]
#[case::by_its_other_key(":S", Command::Training(TrainingCommand::StopNow))]
#[case::by_a_key_that_many_have_in_their_words(":d", Command::Show(Show::Dataset))]
#[case::by_a_key_in_capitals(":D", Command::List(ListCommand::Delete))]
#[case::by_the_name_of_a_key(":tab", Command::List(ListCommand::Expand))]
#[case::by_a_control_key("<ctrl-p>ctrl-z", Command::Suspend)]
#[case::with_the_arrows(":stop<down>", Command::Training(TrainingCommand::StopNow))]
fn actions_are_found(#[case] keys: &str, #[case] command: Command) {
    assert_eq!(chosen(keys), Target::Action(command));
}

#[test]
fn palette_lists_every_action_with_its_key() {
    for (keys, context) in [
        ("", "experiments"),
        ("j<enter>", "run"),
        ("j<enter>l", "log"),
        ("c", "compare"),
        ("M", "machine"),
        ("jd", "dataset"),
    ] {
        let mut model = typical();
        press(&mut model, keys);
        assert_eq!(model.context().name(), context);
        let bindings: Vec<(Command, String)> = model
            .keys
            .bindings(model.context())
            .iter()
            .map(|binding| (binding.command, binding.keys[0].symbol()))
            .collect();
        press(&mut model, ":");
        let listed: Vec<&Target> = palette(&model)
            .hits()
            .map(|(candidate, _)| &candidate.target)
            .collect();
        for (command, key) in bindings {
            assert_eq!(
                listed.contains(&&Target::Action(command)),
                command != Command::Palette,
                "{key} on {context}"
            );
        }
    }
}

#[test]
fn palette_runs_selected_action_and_escape_cancels() {
    let mut model = typical();
    assert!(press(&mut model, "j:launch the exp<esc>").is_empty() && model.popup.is_none());
    let effects = press(&mut model, ":launch the exp<enter>");
    assert!(matches!(&effects[..], [Effect::Launch(file)] if file.stem == "1-resnet-original"));
    press(&mut model, ":stop-now<enter>");
    assert!(
        model
            .report
            .as_ref()
            .unwrap()
            .text
            .contains("nothing to stop")
    );
    press(&mut model, "j:stop-now<enter>");
    assert!(
        matches!(model.popup, Some(Popup::Question { .. })),
        "what asks still asks"
    );
    press(&mut model, "n:zzzzzz<enter>");
    assert!(
        palette(&model).chosen().is_none(),
        "it stays open where nothing was found"
    );
}

#[test]
fn palette_opens_runs_and_experiments_by_name() {
    let mut model = typical();
    press(&mut model, &format!("cj<enter>:{RESUMED}<enter>"));
    assert!(matches!(&model.open, Screen::Run(view) if view.id == id(RESUMED)));
    press(&mut model, "<esc><esc>");
    assert!(
        matches!(model.open, Screen::Compare(_)),
        "back leads where one came from"
    );
    press(&mut model, ":experiment lite0 tune<enter>");
    let entry = model.selected_entry().unwrap();
    assert_eq!(
        (entry.label(), entry.kind),
        ("Lite0, fine-tune", Kind::Experiment)
    );
    assert!(model.below.is_empty());
}

#[test]
fn palette_goes_from_the_dataset_back_to_its_run() {
    let mut model = typical();
    press(&mut model, &format!("j<enter>d:{DONE}"));
    let effects = press(&mut model, "<enter>");
    assert!(
        matches!(
            effects[..],
            [Effect::CloseDataset, Effect::ReadWorkerLog(_)]
        ),
        "{effects:?}"
    );
    assert!(matches!(&model.open, Screen::Run(view) if view.id == id(DONE)));
    assert_eq!(model.below.len(), 1, "escape leads to the list");
}

#[test]
fn palette_removes_filters_that_hide_the_experiment() {
    for before in ["/resnet<enter>", "v", "v/resnet<enter>"] {
        let mut model = typical();
        press(&mut model, &format!("{before}:experiment 5-lite0<enter>"));
        assert_eq!(
            model.selected_entry().unwrap().label(),
            "Lite0, fine-tune",
            "{before}"
        );
    }
    let mut model = typical();
    press(&mut model, "/lite0<enter>:experiment 5-lite0<enter>");
    assert_eq!(
        model.filter().unwrap().text(),
        "lite0",
        "what does not hide it stays"
    );
}

#[test]
fn filters_stay_if_the_experiment_is_gone() {
    let mut model = typical();
    press(&mut model, "/resnet<enter>:experiment 5-lite0");
    let mut catalogue = model.catalogue.take().unwrap();
    catalogue
        .files
        .retain(|file| !file.stem.starts_with("5-lite0"));
    update(&mut model, Message::Experiments(catalogue));
    press(&mut model, "<enter>");
    assert!(model.report.as_ref().unwrap().text.contains("5-lite0"));
    assert_eq!(model.filter().unwrap().text(), "resnet");
}

#[test]
fn palette_names_a_run_that_is_gone() {
    let mut model = typical();
    press(&mut model, &format!(":{DONE}"));
    model.runs = warmstart_runs::store::Runs::default();
    press(&mut model, "<enter>");
    assert!(model.report.as_ref().unwrap().text.contains(DONE));
}

#[test]
fn palette_is_drawn_at_every_size() {
    for (name, keys) in [
        ("palette", ":"),
        ("palette-found", "j:stop"),
        ("palette-on-a-run", "j<enter>:smo"),
    ] {
        for (width, height) in [(80, 24), (120, 40), (200, 60), (40, 10)] {
            let mut model = typical();
            press(&mut model, keys);
            insta::assert_snapshot!(
                format!("{name}-{width}x{height}"),
                text(&drawn(&model, width, height))
            );
        }
    }
    for make in [hostile, empty] {
        let mut model = make();
        press(&mut model, ":");
        for (width, height) in [(0, 0), (1, 1), (40, 10), (41, 11), (80, 24)] {
            drawn(&model, width, height);
        }
    }
}
