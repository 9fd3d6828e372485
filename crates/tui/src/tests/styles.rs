//! Properties that snapshots without colour do not show: the selection, marks of the best value, and that `NO_COLOR` hides
//! nothing.

use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier};

use super::dataset::{DatasetSource, looking};
use super::fixtures::typical;
use super::{drawn, press, text};
use crate::theme::{Appearance, Palette, Theme};

fn row_with(buffer: &Buffer, wanted: &str) -> u16 {
    let row = text(buffer)
        .lines()
        .position(|line| line.contains(wanted))
        .unwrap_or_else(|| panic!("no {wanted}"));
    u16::try_from(row).unwrap()
}

fn is_reversed(buffer: &Buffer, y: u16) -> bool {
    (1..buffer.area.width).all(|x| buffer[(x, y)].modifier.contains(Modifier::REVERSED))
}

#[test]
fn only_selected_row_is_reversed_in_every_theme() {
    for theme in [Theme::Dark, Theme::Light, Theme::Ansi, Theme::Mono] {
        for (keys, selected, other) in [
            ("jj", "ResNet, resized", "ResNet, original"),
            ("cj", "ResNet, resized", "Lite0, freeze"),
        ] {
            let mut model = typical();
            model.appearance = Appearance {
                ascii: false,
                theme,
                palette: Palette::True,
            };
            press(&mut model, keys);
            let buffer = drawn(&model, 80, 24);
            // The header also names the live experiment, so the search starts below it.
            let rows: Vec<u16> = (2..20).filter(|y| is_reversed(&buffer, *y)).collect();
            let lines: Vec<String> = text(&buffer).lines().map(str::to_owned).collect();
            assert_eq!(rows.len(), 1, "{rows:?}");
            assert!(lines[usize::from(rows[0])].contains(selected));
            assert!(!is_reversed(&buffer, row_with(&buffer, other)));
        }
    }
}

/// Some screens and popups.
const KEYS: [&str; 19] = [
    "jj",
    "jj<enter>",
    "jjjjj<enter>",
    "jjjj<enter>l",
    "c",
    "M",
    "?",
    "jjs",
    "E",
    "|",
    "/x",
    "/val_acc>x",
    ":stop",
    "jjC",
    "jjCbatch<enter>6",
    "jjCbatch<enter>x",
    "jjylite",
    "jjjjyfine<enter>d",
    "ju3",
];

fn themed(theme: Theme, keys: &str) -> Buffer {
    let mut model = looking(keys, &DatasetSource::typical());
    model.appearance.theme = theme;
    drawn(&model, 120, 40)
}

#[test]
fn mono_theme_has_no_colours_but_same_text_and_weight() {
    for keys in KEYS {
        let (coloured, plain) = (themed(Theme::Ansi, keys), themed(Theme::Mono, keys));
        assert!(coloured.content.iter().any(|cell| cell.fg != Color::Reset));
        assert!(
            plain
                .content
                .iter()
                .all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset)
        );
        let shape = |buffer: &Buffer| -> Vec<(String, Modifier)> {
            buffer
                .content
                .iter()
                .map(|cell| (cell.symbol().to_owned(), cell.modifier))
                .collect()
        };
        assert_eq!(shape(&coloured), shape(&plain), "{keys}");
    }
}

#[test]
fn themes_change_only_colours() {
    for keys in KEYS {
        let dark = themed(Theme::Dark, keys);
        for theme in [Theme::Light, Theme::Ansi, Theme::Mono] {
            assert_eq!(text(&dark), text(&themed(theme, keys)), "{theme:?} {keys}");
        }
    }
}

#[test]
fn every_role_becomes_a_colour() {
    for theme in [Theme::Dark, Theme::Light, Theme::Ansi, Theme::Mono] {
        for keys in KEYS {
            let left = |colour: Color| matches!(colour, Color::Indexed(0..=15));
            assert!(
                !themed(theme, keys)
                    .content
                    .iter()
                    .any(|cell| left(cell.fg) || left(cell.bg)),
                "{theme:?} {keys}"
            );
        }
    }
}

#[test]
fn sixteen_colour_terminal_gets_no_other_colours() {
    for (theme, keys) in [
        (Theme::Ansi, "jj"),
        (Theme::Dark, "jj<enter>"),
        (Theme::Light, "c"),
    ] {
        let mut model = typical();
        press(&mut model, keys);
        model.appearance = Appearance {
            ascii: false,
            theme,
            palette: Palette::Sixteen,
        };
        let buffer = drawn(&model, 200, 60);
        let beyond = |colour: Color| matches!(colour, Color::Rgb(..) | Color::Indexed(_));
        assert!(
            !buffer
                .content
                .iter()
                .any(|cell| beyond(cell.fg) || beyond(cell.bg)),
            "{keys}"
        );
    }
}

#[test]
fn best_figure_is_bold_and_marked_but_published_is_not() {
    let mut model = typical();
    press(&mut model, "cG");
    let buffer = drawn(&model, 120, 40);
    let y = row_with(&buffer, "Lite0, freeze");
    let marks: Vec<u16> = (0..120)
        .filter(|x| buffer[(*x, y)].symbol() == "▸")
        .collect();
    assert_eq!(marks.len(), 5);
    for x in marks {
        assert!(
            buffer[(x, y)].modifier.contains(Modifier::BOLD)
                && buffer[(x + 1, y)].modifier.contains(Modifier::BOLD)
        );
    }
    let published = row_with(&buffer, "published †");
    assert!((30..100).all(|x| !buffer[(x, published)].modifier.contains(Modifier::BOLD)));
}

#[test]
fn training_and_validation_differ_by_marker() {
    let mut model = typical();
    model.appearance.theme = Theme::Mono;
    press(&mut model, "jjjj<enter>");
    let picture = text(&drawn(&model, 120, 40));
    assert!(
        picture.matches('●').count() > 10 && picture.contains('▲'),
        "{picture}"
    );
}
