//! What pictures without colour do not show: selection, best marks, and that `NO_COLOR` loses nothing.

use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier};

use super::fixtures::typical;
use super::{drawn, press, text};
use crate::dashboard::model::Model;
use crate::dashboard::theme::{Look, Palette};

fn row_with(buffer: &Buffer, wanted: &str) -> u16 {
    let row = text(buffer).lines().position(|line| line.contains(wanted)).unwrap_or_else(|| panic!("no {wanted}"));
    u16::try_from(row).unwrap()
}

fn is_reversed(buffer: &Buffer, y: u16) -> bool {
    (1..buffer.area.width).all(|x| buffer[(x, y)].modifier.contains(Modifier::REVERSED))
}

#[test]
fn the_selected_row_alone_is_reversed_with_and_without_colour() {
    for colour in [true, false] {
        for (keys, selected, other) in
            [("jj", "ResNet, resized", "ResNet, original"), ("cj", "ResNet, resized", "Lite0, freeze")]
        {
            let mut model = typical();
            model.look = Look { ascii: false, colour, palette: Palette::True };
            press(&mut model, keys);
            let buffer = drawn(&model, 80, 24);
            // The header names the running experiment too: the list begins below it.
            let rows: Vec<u16> = (2..20).filter(|y| is_reversed(&buffer, *y)).collect();
            let lines: Vec<String> = text(&buffer).lines().map(str::to_owned).collect();
            assert_eq!(rows.len(), 1, "{rows:?}");
            assert!(lines[usize::from(rows[0])].contains(selected));
            assert!(!is_reversed(&buffer, row_with(&buffer, other)));
        }
    }
}

#[test]
fn without_colour_no_cell_has_any_and_text_and_weight_are_the_same() {
    for keys in ["jj", "jj<enter>", "jjjjj<enter>", "c", "?", "jjs", "E", "/x", ":stop", "jjylite", "jjjjyfine<enter>d"]
    {
        let mut model = typical();
        press(&mut model, keys);
        let coloured = drawn(&model, 120, 40);
        let plain =
            drawn(&Model { look: Look { ascii: false, colour: false, palette: Palette::True }, ..model }, 120, 40);
        assert!(coloured.content.iter().any(|cell| cell.fg != Color::Reset));
        assert!(plain.content.iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset));
        let shape = |buffer: &Buffer| -> Vec<(String, Modifier)> {
            buffer.content.iter().map(|cell| (cell.symbol().to_owned(), cell.modifier)).collect()
        };
        assert_eq!(shape(&coloured), shape(&plain), "{keys}");
    }
}

#[test]
fn only_the_sixteen_colours_are_used() {
    for keys in ["jj", "jj<enter>", "c", "?"] {
        let mut model = typical();
        press(&mut model, keys);
        let buffer = drawn(&model, 200, 60);
        let beyond = |colour: Color| matches!(colour, Color::Rgb(..) | Color::Indexed(_));
        assert!(!buffer.content.iter().any(|cell| beyond(cell.fg) || beyond(cell.bg)), "{keys}");
    }
}

#[test]
fn the_best_figure_is_bold_and_marked_and_published_ones_are_not() {
    let mut model = typical();
    press(&mut model, "cG");
    let buffer = drawn(&model, 120, 40);
    let y = row_with(&buffer, "Lite0, freeze");
    let marks: Vec<u16> = (0..120).filter(|x| buffer[(*x, y)].symbol() == "▸").collect();
    assert_eq!(marks.len(), 5);
    for x in marks {
        assert!(
            buffer[(x, y)].modifier.contains(Modifier::BOLD) && buffer[(x + 1, y)].modifier.contains(Modifier::BOLD)
        );
    }
    let published = row_with(&buffer, "published †");
    assert!((30..100).all(|x| !buffer[(x, published)].modifier.contains(Modifier::BOLD)));
}

#[test]
fn training_and_validation_differ_by_mark_not_only_by_colour() {
    let mut model = typical();
    model.look.colour = false;
    press(&mut model, "jjjj<enter>");
    let picture = text(&drawn(&model, 120, 40));
    assert!(picture.matches('●').count() > 10 && picture.contains('▲'), "{picture}");
}
