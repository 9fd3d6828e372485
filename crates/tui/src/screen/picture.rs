//! Images as half blocks: a cell shows two pixels, one above the other.

use crossterm::style::{ContentStyle, StyledContent};
use ratatui::backend::IntoCrossterm;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Color;
use warmstart_schema::look::Pixels;

use crate::theme::{Appearance, HALF};

/// Largest scale of an image: more only makes the squares bigger.
const MOST: u32 = 4;

/// The width in cells at which a square image of `side` pixels fits: a cell is one pixel wide and
/// two high.
fn fitting(area: Rect, side: u32) -> u16 {
    let most = u16::try_from(side.saturating_mul(MOST)).unwrap_or(u16::MAX);
    let fitting = area.width.min(area.height.saturating_mul(2)).min(most);
    // A whole multiple keeps the pixels sharp, and the height must be even.
    let whole = u16::try_from(side)
        .ok()
        .filter(|side| *side > 0 && *side <= fitting);
    whole.map_or(fitting, |side| fitting / side * side) / 2 * 2
}

/// The part of an area, from its upper left corner, that an image of `side` pixels covers.
pub(super) fn place(area: Rect, side: u32) -> Rect {
    let width = fitting(area, side);
    Rect {
        width,
        height: width / 2,
        ..area
    }
}

/// Draws an image as large as fits, and returns the covered area.
pub(super) fn draw(buf: &mut Buffer, area: Rect, pixels: &Pixels) -> Rect {
    let place = place(area, pixels.side());
    let size = u32::from(place.width);
    for y in 0..place.height {
        for x in 0..place.width {
            let pixel = |row: u16| sampled(pixels, u32::from(x), u32::from(row), size);
            let cell = &mut buf[(place.x + x, place.y + y)];
            cell.set_symbol(HALF)
                .set_fg(pixel(2 * y))
                .set_bg(pixel(2 * y + 1));
        }
    }
    place
}

/// An image as lines with colour codes, at most `width` × `height` cells.
pub(crate) fn printed(pixels: &Pixels, width: u16, height: u16, appearance: Appearance) -> String {
    let mut buf = Buffer::empty(Rect::new(0, 0, width, height));
    let area = buf.area;
    let place = draw(&mut buf, area, pixels);
    appearance.translate(&mut buf);
    let mut text = String::new();
    for y in place.top()..place.bottom() {
        for x in place.left()..place.right() {
            let cell = &buf[(x, y)];
            let style = ContentStyle {
                foreground_color: Some(cell.fg)
                    .filter(|_| appearance.has_colour())
                    .map(IntoCrossterm::into_crossterm),
                background_color: Some(cell.bg)
                    .filter(|_| appearance.has_colour())
                    .map(IntoCrossterm::into_crossterm),
                ..ContentStyle::new()
            };
            text.push_str(&StyledContent::new(style, cell.symbol()).to_string());
        }
        text.push('\n');
    }
    text
}

/// The mean colour of the source pixels under one drawn pixel, for an image drawn at `size` pixels.
fn sampled(pixels: &Pixels, x: u32, y: u32, size: u32) -> Color {
    let side = u64::from(pixels.side());
    let size = u64::from(size);
    // In units where a drawn pixel has the width `side` and a source pixel the width `size`.
    let span = |at: u32| {
        let (from, to) = (u64::from(at) * side, (u64::from(at) + 1) * side);
        (from / size..to.div_ceil(size)).map(move |index| {
            let overlap = to.min((index + 1) * size) - from.max(index * size);
            (index, overlap)
        })
    };
    let mut sums = [0_u64; 3];
    for (row, height) in span(y) {
        for (column, width) in span(x) {
            let at = usize::try_from((row * side + column) * 3).unwrap_or(usize::MAX);
            for (sum, byte) in sums
                .iter_mut()
                .zip(pixels.rgb().get(at..).unwrap_or_default())
            {
                *sum += u64::from(*byte) * height * width;
            }
        }
    }
    let [red, green, blue] =
        sums.map(|sum| u8::try_from((sum + side * side / 2) / (side * side)).unwrap_or(u8::MAX));
    Color::Rgb(red, green, blue)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn colours(buf: &Buffer, area: Rect) -> Vec<Vec<Color>> {
        let row = |y: u16, upper: bool| {
            (area.left()..area.right())
                .map(|x| {
                    if upper {
                        buf[(x, y)].fg
                    } else {
                        buf[(x, y)].bg
                    }
                })
                .collect()
        };
        (area.top()..area.bottom())
            .flat_map(|y| [row(y, true), row(y, false)])
            .collect()
    }

    fn grey(value: u8) -> Color {
        Color::Rgb(value, value, value)
    }

    fn greys(values: &[u8]) -> Vec<u8> {
        values.iter().flat_map(|value| [*value; 3]).collect()
    }

    #[test]
    fn small_image_is_scaled_by_whole_multiples() {
        let pixels = Pixels::new(2, greys(&[10, 20, 30, 40])).unwrap();
        let mut buf = Buffer::empty(Rect::new(0, 0, 9, 9));
        let place = draw(&mut buf, Rect::new(1, 1, 3, 2), &pixels);
        assert_eq!(place, Rect::new(1, 1, 2, 1));
        assert_eq!(
            colours(&buf, place),
            [[grey(10), grey(20)], [grey(30), grey(40)]]
        );
        assert_eq!(buf[(0, 0)].symbol(), " ");
        let place = draw(&mut buf, Rect::new(0, 0, 5, 9), &pixels);
        assert_eq!(place, Rect::new(0, 0, 4, 2));
        assert_eq!(
            colours(&buf, place)[1],
            [grey(10), grey(10), grey(20), grey(20)]
        );
        assert_eq!(place.width, super::place(Rect::new(0, 0, 5, 9), 2).width);
    }

    #[test]
    fn large_image_is_averaged() {
        let pixels = Pixels::new(3, greys(&[0, 90, 180, 0, 90, 180, 0, 90, 180])).unwrap();
        let mut buf = Buffer::empty(Rect::new(0, 0, 2, 1));
        let area = buf.area;
        let place = draw(&mut buf, area, &pixels);
        // Each drawn pixel covers one and a half pixels: (2·0 + 90) / 3 and (90 + 2·180) / 3.
        assert_eq!(
            colours(&buf, place),
            [[grey(30), grey(150)], [grey(30), grey(150)]]
        );
    }

    #[test]
    fn no_area_is_too_small() {
        let pixels = Pixels::new(1, vec![1, 2, 3]).unwrap();
        let mut buf = Buffer::empty(Rect::new(0, 0, 4, 4));
        for (width, height) in [(0, 0), (1, 1), (0, 4), (4, 0), (2, 1)] {
            assert!(draw(&mut buf, Rect::new(0, 0, width, height), &pixels).width <= width);
        }
    }
}
