use proptest::prelude::*;
use rstest::rstest;
use warmstart_schema::experiment::parse;

use super::*;

const FILE: &str = "\
# Question: one?
name: Lite0, freeze   # the name
seed: 42
dataset: { name: emoji98, validation: 0.3 }
model:
  # the base
  backbone: resnet18
  head: { hidden: 256, dropout: 0.2 }

# training
train:
  epochs: 20      # enough
  batch_size: 64
  optimizer: {
    name: adam, # a comment within
    learning_rate: 1.0e-3
  }
";

/// The lines that differ.
fn difference(before: &str, after: &str) -> String {
    let (before, after): (Vec<&str>, Vec<&str>) =
        (before.lines().collect(), after.lines().collect());
    let same = before
        .iter()
        .zip(&after)
        .take_while(|(a, b)| a == b)
        .count();
    let (before, after) = (&before[same..], &after[same..]);
    let end = before
        .iter()
        .rev()
        .zip(after.iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    let lines = |sign: &str, lines: &[&str]| {
        lines[..lines.len() - end]
            .iter()
            .map(|line| format!("{sign}{line}\n"))
            .collect::<Vec<_>>()
            .concat()
    };
    lines("-", before) + &lines("+", after)
}

#[rstest]
#[case::in_braces(
    "train.optimizer.learning_rate",
    "3e-4",
    "-    learning_rate: 1.0e-3\n+    learning_rate: 3e-4\n"
)]
#[case::beside_a_comment(
    "train.epochs",
    "5",
    "-  epochs: 20      # enough\n+  epochs: 5      # enough\n"
)]
#[case::before_a_comment_in_braces(
    "train.optimizer.name",
    "sgd",
    "-    name: adam, # a comment within\n+    name: sgd, # a comment within\n"
)]
#[case::absent_in_a_block("train.precision", "bfloat16", "+  precision: bfloat16\n")]
#[case::first_in_braces(
    "model.head.hidden",
    "8",
    "-  head: { hidden: 256, dropout: 0.2 }\n+  head: { hidden: 8, dropout: 0.2 }\n"
)]
#[case::absent_at_the_end_of_braces(
    "dataset.limit",
    "100",
    "-dataset: { name: emoji98, validation: 0.3 }\n+dataset: { name: emoji98, validation: 0.3, limit: 100 }\n"
)]
#[case::absent_with_its_section("train.schedule.name", "cosine", "+  schedule: { name: cosine }\n")]
#[case::absent_section("augment.zoom", "0.1", "+augment: { zoom: 0.1 }\n")]
#[case::in_the_middle("model.freeze", "backbone", "+  freeze: backbone\n")]
fn only_the_field_changes(#[case] path: &str, #[case] value: &str, #[case] expected: &str) {
    let after = set(FILE, path, value, false).unwrap();
    assert_eq!(difference(FILE, &after), expected, "{after}");
    parse(&after, "it").unwrap();
}

#[rstest]
#[case::plain("B", "name: B   # the name")]
#[case::a_comma_and_a_colon("a: b, c", "name: 'a: b, c'   # the name")]
#[case::a_number("12", "name: '12'   # the name")]
#[case::a_comment("x # y", "name: 'x # y'   # the name")]
#[case::a_quote("it's", "name: it's   # the name")]
#[case::both("'it's: so", "name: '''it''s: so'   # the name")]
#[case::an_alias("*x", "name: '*x'   # the name")]
fn texts_are_quoted_where_they_must_be(#[case] typed: &str, #[case] line: &str) {
    let after = set(FILE, "name", typed, true).unwrap();
    assert_eq!(after.lines().nth(1), Some(line));
    assert_eq!(parse(&after, "it").unwrap().name, typed);
}

#[test]
fn a_text_keeps_its_line_breaks() {
    for path in ["question", "dataset.path"] {
        let after = set(FILE, path, "it's\n\"two\"\tlines", true).unwrap();
        let read = value_of(&after, path);
        assert_eq!(read.as_deref(), Some("it's\n\"two\"\tlines"), "{after}");
    }
}

#[test]
fn a_text_in_braces_is_quoted_if_it_contains_commas_or_braces() {
    let after = set(FILE, "dataset.path", "a, b}", true).unwrap();
    assert!(after.contains("path: 'a, b}' }"), "{after}");
}

#[rstest]
#[case::another_field("train.epochs", "5\nbatch_size: 3")]
#[case::a_mapping("train.epochs", "{ a: 1 }")]
#[case::out_of_its_braces("model.head.hidden", "1, x: 2")]
#[case::a_comment("train.epochs", "# nothing")]
#[case::a_section("train.optimizer", "adam")]
#[case::below_a_value("seed.x", "1")]
fn a_value_that_changes_more_than_the_field_is_refused(#[case] path: &str, #[case] value: &str) {
    assert!(
        set(FILE, path, value, false).is_err(),
        "{:?}",
        set(FILE, path, value, false)
    );
}

#[test]
fn an_anchor_with_aliases_is_not_changed() {
    let file = "a: &x 1\nb: *x\n";
    assert!(set(file, "a", "2", false).is_err(), "b would change too");
    assert_eq!(set(file, "b", "2", false).unwrap(), "a: &x 1\nb: 2\n");
}

#[test]
fn line_endings_are_kept() {
    assert_eq!(
        set("a: 1\r\nb: 2\r\n", "c", "3", false).unwrap(),
        "a: 1\r\nb: 2\r\nc: 3\r\n"
    );
    assert_eq!(
        set("a: |\r\n  long\r\n  text\r\nb: 1\r\n", "a", "x", true).unwrap(),
        "a: x\r\nb: 1\r\n"
    );
    assert_eq!(set("a: 1", "c", "3", false).unwrap(), "a: 1\nc: 3\n");
    assert_eq!(
        set("\u{feff}a: 1\n", "a", "3", false).unwrap(),
        "\u{feff}a: 3\n"
    );
}

#[test]
fn nothing_else_changes_whatever_the_form_of_the_value() {
    assert_eq!(set("a:\nb: 1\n", "a", "3", false).unwrap(), "a: 3\nb: 1\n");
    assert_eq!(
        set("a: # why\nb: 1\n", "a.c", "3", false).unwrap(),
        "a: { c: 3 } # why\nb: 1\n"
    );
    assert_eq!(set("a: {}\n", "a.c", "3", false).unwrap(), "a: { c: 3 }\n");
    assert_eq!(
        set("a: |\n  long\n  text\nb: 1\n", "a", "x", true).unwrap(),
        "a: x\nb: 1\n"
    );
    assert_eq!(
        set("a: \"x\"\nb: 'y'\n", "b", "z", true).unwrap(),
        "a: \"x\"\nb: z\n"
    );
    assert_eq!(
        set("q: ä ö\nb: { c: ü, d: 1 }\n", "b.d", "2", false).unwrap(),
        "q: ä ö\nb: { c: ü, d: 2 }\n"
    );
}

#[rstest]
#[case::a_line("seed", "-seed: 42\n")]
#[case::with_its_comment("train.epochs", "-  epochs: 20      # enough\n")]
#[case::the_last_in_braces(
    "dataset.validation",
    "-dataset: { name: emoji98, validation: 0.3 }\n+dataset: { name: emoji98 }\n"
)]
#[case::the_first_in_braces(
    "model.head.hidden",
    "-  head: { hidden: 256, dropout: 0.2 }\n+  head: { dropout: 0.2 }\n"
)]
#[case::a_section("model.head", "-  head: { hidden: 256, dropout: 0.2 }\n")]
fn a_field_is_removed(#[case] path: &str, #[case] expected: &str) {
    assert_eq!(difference(FILE, &remove(FILE, path).unwrap()), expected);
}

#[rstest]
#[case::a_list("a:\n  b:\n    c:\n      - x\n      - y # why\n\n  # about d\n  d: 1\n")]
#[case::a_list_beside_its_key("a:\n  b:\n    c:\n    - x\n  d: 1\n")]
#[case::a_list_of_mappings("a:\n  b:\n    c:\n      - x: 1\n        y: 2\n  d: 1\n")]
#[case::a_text("a:\n  b:\n    c: |\n      long\n      text\n  d: 1\n")]
fn a_value_over_lines_ends_before_the_next_field(#[case] file: &str) {
    let blank = blanked(file, &["a", "b", "c"]).unwrap();
    let document: Value = serde_yaml::from_str(&blank).unwrap();
    assert_eq!(document["a"]["b"], Value::Null, "{blank}");
    assert_eq!(document["a"]["d"], Value::from(1), "{blank}");
    let after = set(file, "a.b.e", "2", false).unwrap();
    assert_eq!(difference(file, &after), "+    e: 2\n");
    assert_eq!(remove(&after, "a.b.e").unwrap(), file);
    let kept = remove(&after, "a.b.c").unwrap();
    assert_eq!(value_of(&kept, "a.d").as_deref(), Some("1"), "{kept}");
}

#[rstest]
#[case::the_last("a: {\n  b: 1, # of b\n  c: 2\n}\n")]
#[case::in_the_middle("a: {\n  b: 1, # of b\n  c: 2,\n  d: 3\n}\n")]
#[case::with_a_comma_behind_it("a: {\n  b: 1, # of b\n  c: 2,\n}\n")]
fn the_comment_of_the_field_before_stays_in_braces(#[case] file: &str) {
    let after = remove(file, "a.c").unwrap();
    assert!(after.contains("b: 1, # of b\n"), "{after}");
    assert_eq!(value_of(&after, "a.c"), None);
}

#[test]
fn a_text_over_lines_is_replaced_before_an_indented_field() {
    assert_eq!(
        set("a:\n  c: |\n    long\n    text\n  d: 1\n", "a.c", "x", true).unwrap(),
        "a:\n  c: x\n  d: 1\n"
    );
}

#[test]
fn a_missing_field_cannot_be_removed() {
    assert!(remove(FILE, "train.precision").is_err() && remove(FILE, "a.b").is_err());
}

#[test]
fn every_field_of_every_shipped_experiment_can_be_changed() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments");
    let files = warmstart_runs::store::experiments(&folder).unwrap();
    assert!(files.len() >= 10);
    for file in files {
        let source = std::fs::read_to_string(&file.path).unwrap();
        for field in fields() {
            let value = match value_of(&source, &field.path) {
                Some(value) if value.parse::<f64>().is_ok() => "1".to_owned(),
                _ => field
                    .words
                    .first()
                    .cloned()
                    .unwrap_or_else(|| "2".to_owned()),
            };
            let after = set(&source, &field.path, &value, field.is_text).unwrap();
            assert_eq!(
                value_of(&after, &field.path),
                Some(value),
                "{} of {}",
                field.path,
                file.path.display()
            );
            assert!(remove(&after, &field.path).is_ok(), "{}", field.path);
        }
    }
}

proptest! {
    /// For any typed text, either nothing changes or exactly that field changes.
    #[test]
    fn any_typed_text_changes_one_field_or_none(typed in "[ -~äß'\"{}:#,&*|>\\[\\]]{0,12}", text in any::<bool>()) {
        for path in ["name", "model.head.dropout", "train.schedule.name", "dataset.path"] {
            if let Ok(after) = set(FILE, path, &typed, text) {
                let mut before: Value = serde_yaml::from_str(FILE).unwrap();
                let now: Value = serde_yaml::from_str(&after).unwrap();
                let keys: Vec<&str> = path.split('.').collect();
                let mut place = &now;
                for key in &keys { place = place.get(key).unwrap(); }
                change(&mut before, &keys, Some(place.clone())).unwrap();
                prop_assert_eq!(&before, &now);
                if text { prop_assert_eq!(place.as_str(), Some(typed.trim())); }
            }
        }
    }
}
