//! Charts of recorded runs as SVG and PNG.

use std::path::Path;

use crate::place::{Place, said};

const DONE: &str = "20261122-110000-4b12";
const OTHER: &str = "20261122-100107-7f3a";

fn plot(place: &Place, arguments: &[&str]) -> crate::place::Said {
    let runs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/runs");
    said(
        place
            .command(&[&["plot"], arguments].concat())
            .env("WARMSTART_CHECKPOINTS", runs),
    )
}

#[test]
fn one_run_shows_training_and_validation_and_several_one_line_each() {
    let place = Place::new();
    let one = plot(&place, &[DONE]);
    assert_eq!((one.code, one.err.as_str()), (0, ""));
    assert!(
        one.out.starts_with("<svg ") && one.out.ends_with("</svg>\n"),
        "{}",
        one.out
    );
    assert!(one.out.contains(">accuracy</text>") && one.out.contains(">loss</text>"));
    assert!(one.out.contains(">train</text>") && one.out.contains(">val</text>"));
    // Twenty validation points, each marked, in two charts.
    assert_eq!(one.out.matches("<circle").count(), 40);
    let two = plot(
        &place,
        &[
            DONE, OTHER, "--charts", "loss", "--along", "time", "--detail", "medium", "--log-y",
        ],
    );
    assert!(
        two.out.contains(">validation loss</text>")
            && two.out.contains(">Lite0, freeze 4b12</text>"),
        "{}",
        two.out
    );
    assert!(
        two.out.contains(">ResNet, original input 7f3a</text>")
            && !two.out.contains(">train</text>")
    );
}

#[test]
fn a_chart_that_has_nothing_to_draw_is_named() {
    // Runs that logged epochs, and no figures within them.
    let place = crate::compare::place();
    let run = "20260101-000000-aaaa";
    // The second is the former name of the first.
    for option in ["--charts", "--figures"] {
        let said = place.say(&["plot", run, option, "loss,gradient-norm"]);
        assert_eq!(said.code, 0, "{}", said.err);
        assert_eq!(
            said.err,
            format!("warning: Plain ({run}) has no figures for the chart of gradient norm\n")
        );
    }
}

#[test]
fn a_chart_never_overwrites_a_file_and_has_the_format_of_its_name() {
    let place = Place::new();
    let written = plot(&place, &[DONE, "--output", "charts.svg"]);
    assert!(
        written.code == 0
            && written.out.is_empty()
            && written.err.contains("charts written to charts.svg")
    );
    let content = std::fs::read_to_string(place.folder.path().join("charts.svg")).unwrap();
    assert_eq!(content, plot(&place, &[DONE]).out);
    assert_ne!(plot(&place, &[DONE, "--output", "charts.svg"]).code, 0);
    assert_eq!(
        plot(&place, &[DONE, "--output", "charts.svg", "--overwrite"]).code,
        0
    );
    let other = plot(&place, &[DONE, "--output", "charts.pdf"]);
    assert!(
        other.code == 2 && other.err.contains("charts.pdf is the name of neither"),
        "{}",
        other.err
    );
    assert!(!place.folder.path().join("charts.pdf").exists());
    assert_eq!(plot(&place, &["nobody"]).code, 3);
}

#[test]
fn a_png_is_the_chart_at_twice_the_size() {
    let place = Place::new();
    let written = plot(&place, &[DONE, "--output", "charts.PNG"]);
    assert_eq!(
        (written.code, written.out.as_str()),
        (0, ""),
        "{}",
        written.err
    );
    let png = std::fs::read(place.folder.path().join("charts.PNG")).unwrap();
    assert!(png.starts_with(b"\x89PNG\r\n\x1a\n"));
    let size = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
    let svg = plot(&place, &[DONE]).out;
    let twice = |name: &str| {
        let (_, rest) = svg.split_once(&format!(" {name}=\"")).unwrap();
        2 * rest.split('"').next().unwrap().parse::<u32>().unwrap()
    };
    assert_eq!((size(16), size(20)), (twice("width"), twice("height")));
    assert_ne!(plot(&place, &[DONE, "--output", "charts.PNG"]).code, 0);
}
