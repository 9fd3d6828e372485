//! Snapshots of every screen and popup without colours; `styles` tests the colours.

use super::dataset::{DatasetSource, looking};
use super::fixtures::{LIVE, empty, id, typical};
use super::{drawn, press, text};
use crate::message::Message;
use crate::model::Model;
use crate::theme::{Appearance, Palette, Theme};
use crate::update::update;
use warmstart_runs::store::Change;

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 60)];

fn pictures(name: &str, model: &Model) {
    for (width, height) in SIZES {
        insta::assert_snapshot!(
            format!("{name}-{width}x{height}"),
            text(&drawn(model, width, height))
        );
    }
}

fn after(keys: &str) -> Model {
    let mut model = typical();
    press(&mut model, keys);
    model
}

#[test]
fn experiments() {
    pictures("experiments", &after("jj"));
}

#[test]
fn live_run() {
    pictures("run-live", &after("jj<enter>"));
}

#[test]
fn resumed_and_finished_run() {
    pictures("run-done", &after("jjjj<enter>"));
}

#[test]
fn failed_run() {
    pictures("run-failed", &after("jjjjj<enter>"));
}

#[test]
fn comparison() {
    pictures("compare", &after("coooj"));
    pictures("compare-differing", &after("cd"));
    pictures("compare-config", &after("cD"));
    pictures("compare-chart", &after("cv]]]j"));
    pictures("compare-transposed", &after("cjpt"));
}

#[test]
fn in_ascii() {
    let ascii = Appearance {
        ascii: true,
        theme: Theme::Dark,
        palette: Palette::True,
    };
    for (name, keys) in [
        ("ascii-experiments", "jj"),
        ("ascii-run", "jj<enter>"),
        ("ascii-compare", "cj"),
        ("ascii-log", "jjjj<enter>l"),
        ("ascii-machine", "M"),
        ("ascii-help", "?"),
        ("ascii-question", "jjs"),
        ("ascii-export", "E"),
        ("ascii-columns", "|"),
        ("ascii-palette", ":stop"),
        ("ascii-fields", "jjC"),
        ("ascii-editor", "jjCbatch<enter>6"),
        ("ascii-partners", "jjylite"),
        ("ascii-difference", "jjjjyfine<enter>"),
        ("ascii-extension", "ju3"),
    ] {
        let model = Model {
            appearance: ascii,
            ..looking(keys, &DatasetSource::typical())
        };
        let picture = text(&drawn(&model, 80, 24));
        assert!(picture.is_ascii(), "{picture}");
        insta::assert_snapshot!(name, picture);
    }
}

#[test]
fn popups_and_prompts() {
    for (name, keys) in [
        ("filter", "/lite"),
        ("filter-empty", "/"),
        ("filter-mistake", "/lite val_acc>0.5 statsu:done"),
        ("filter-without-match", "/nothing like it<enter>"),
        ("help", "?"),
        ("help-on-a-run", "jj<enter>?"),
        ("stop", "jjs"),
        ("stop-now", "jjS"),
        ("launch-all", "a"),
        ("launch-without-data", "r"),
        ("launch-again", "jjr"),
        ("export", "Ej"),
        ("broken-file", "G<enter>"),
        ("cursor", "jjjj<enter><left><left>"),
        ("log", "jjjjj<enter>l"),
        ("scrolled-compare", "c<right><right><right>"),
    ] {
        insta::assert_snapshot!(name, text(&drawn(&after(keys), 80, 24)));
    }
}

#[test]
fn caret_below_a_filter_marks_its_mistake_or_nothing() {
    let (mut left, mut right) = (0, 0);
    for words in 0..20 {
        let keys = format!("/{}statsu:done", "lite ".repeat(words));
        let picture = text(&drawn(&after(&keys), 80, 24));
        let lines: Vec<Vec<char>> = picture.lines().map(|line| line.chars().collect()).collect();
        let [.., filter, mistake] = &lines[..] else {
            panic!("{picture}")
        };
        let said: String = mistake.iter().collect();
        assert!(said.contains("did you mean status?"), "{picture}");
        if let Some(caret) = mistake.iter().position(|c| *c == '^') {
            let marked: String = filter[caret..].iter().take(6).collect();
            assert_eq!(marked, "statsu", "{picture}");
            let is_left = said.trim_end().ends_with('^');
            let side = if is_left { &mut left } else { &mut right };
            *side += 1;
        }
    }
    assert!(
        left > 0 && right > 0,
        "{left} to the left, {right} to the right"
    );
}

#[test]
fn caret_below_a_filter_counts_each_of_the_letters_that_a_font_joins() {
    let (lam, alef) = ('\u{644}', '\u{627}');
    let keys = format!("/{lam}{alef}{lam}{alef} statsu:done");
    let picture = text(&drawn(&after(&keys), 80, 24));
    let lines: Vec<Vec<char>> = picture.lines().map(|line| line.chars().collect()).collect();
    let [.., filter, mistake] = &lines[..] else {
        panic!("{picture}")
    };
    let caret = mistake.iter().position(|c| *c == '^').unwrap();
    let marked: String = filter[caret..].iter().take(6).collect();
    assert_eq!(marked, "statsu", "{picture}");
}

#[test]
fn the_cursor_of_a_filter_is_visible_on_wide_characters_too() {
    for width in 80..84 {
        let model = after(&format!("/{}終<left>", "猫".repeat(60)));
        let picture = text(&drawn(&model, width, 24));
        let filter = picture.lines().nth(22).unwrap();
        assert!(filter.ends_with("猫終"), "{width}: {picture}");
    }
}

#[test]
fn empty_dashboard() {
    let mut model = empty();
    insta::assert_snapshot!("reading", text(&drawn(&model, 80, 24)));
    model.catalogue = Some(crate::message::Catalogue::default());
    model.runs_read = true;
    insta::assert_snapshot!("empty", text(&drawn(&model, 80, 24)));
    insta::assert_snapshot!("too-small", text(&drawn(&model, 39, 9)));
}

#[test]
fn small_terminal_says_what_is_missing() {
    for (width, height) in [(39, 24), (80, 9), (20, 5)] {
        let picture = text(&drawn(&typical(), width, height)).replace('\n', " ");
        assert!(picture.contains("needs 40×10"), "{picture}");
    }
}

#[test]
fn loading_shows_progress_without_alert() {
    let mut model = after("jj<enter>");
    let lines = [
        r#"{"t":1795342500,"event":"attempt","number":2,"worker":{"boot_id":"b","pid":1,"start_ticks":1},"host":"h","device":"cpu","device_name":"d","device_reason":"r","threads":2,"libtorch":"2.13.0","epochs":12,"resumed_from":0}"#,
        r#"{"t":1795342501,"event":"phase","phase":"loading"}"#,
        r#"{"t":1795342502,"event":"batch","epoch":0,"step":0,"batch":23,"batches":47,"loss":"NaN","accuracy":"NaN","learning_rate":"NaN","images_per_second":44.0,"gradient_norm":"NaN"}"#,
    ];
    let records = lines
        .map(|line| serde_json::from_str(line).unwrap())
        .into_iter()
        .collect();
    let change = Change::Events {
        id: id(LIVE),
        records,
        damaged: 0,
        restarted: false,
    };
    update(
        &mut model,
        Message::Changes {
            now: 1_795_342_503.0,
            changes: vec![change],
        },
    );
    let picture = text(&drawn(&model, 120, 40));
    assert!(
        picture.contains("reading pictures ━")
            && picture.contains("49 %")
            && picture.contains("44 img/s"),
        "{picture}"
    );
    assert!(
        !picture.contains("NaN") && !picture.contains('⚠') && !picture.contains("left in all"),
        "{picture}"
    );
}
