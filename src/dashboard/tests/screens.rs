//! Every screen and popup as it is drawn, compared with the screen itself. Colours are not in these pictures: see `styles`.

use super::fixtures::{empty, typical};
use super::{drawn, press, text};
use crate::dashboard::model::Model;
use crate::dashboard::theme::Look;

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 60)];

fn pictures(name: &str, model: &Model) {
    for (width, height) in SIZES {
        insta::assert_snapshot!(format!("{name}-{width}x{height}"), text(&drawn(model, width, height)));
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
fn a_run_that_trains() {
    pictures("run-live", &after("jj<enter>"));
}

#[test]
fn a_run_that_is_done_and_was_resumed() {
    pictures("run-done", &after("jjjj<enter>"));
}

#[test]
fn a_run_that_failed() {
    pictures("run-failed", &after("jjjjj<enter>"));
}

#[test]
fn the_comparison() {
    pictures("compare", &after("coooj"));
}

#[test]
fn in_ascii() {
    let ascii = Look { ascii: true, colour: true };
    for (name, keys) in [("ascii-experiments", "jj"), ("ascii-run", "jj<enter>"), ("ascii-compare", "cj")] {
        let model = Model { look: ascii, ..after(keys) };
        let picture = text(&drawn(&model, 80, 24));
        assert!(picture.is_ascii(), "{picture}");
        insta::assert_snapshot!(name, picture);
    }
}

#[test]
fn what_stands_in_front() {
    for (name, keys) in [
        ("filter", "/lite"),
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
fn with_nothing_there() {
    let mut model = empty();
    insta::assert_snapshot!("reading", text(&drawn(&model, 80, 24)));
    model.catalogue = Some(crate::dashboard::message::Catalogue::default());
    model.runs_read = true;
    insta::assert_snapshot!("empty", text(&drawn(&model, 80, 24)));
    insta::assert_snapshot!("too-small", text(&drawn(&model, 39, 9)));
}
