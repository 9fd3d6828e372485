//! ```text
//!                     ● EffNet,        ▲ ResNet,
//!                     freeze           resized input
//!  backbone           efficientnet_b0  resnet50
//!  learning rate                0.001          0.0001
//! ```
//! The transposed table: runs side by side, one field per row.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;
use warmstart_schema::text;

use super::view::{label, marker, place, written};
use crate::model::{CompareView, cell_width};
use crate::screen::{paint, table};
use crate::theme::THEME;
use warmstart_report::compare::{Column, Kind, Row};

/// Smallest and largest width of a run's column, in characters.
const WIDTH: (usize, usize) = (11, 24);
const LABELS: usize = 18;
const HEAD: u16 = 2;

/// Draws the rows of the table side by side; returns the number of runs that did not fit on the right.
pub(super) fn draw(
    buf: &mut Buffer,
    area: Rect,
    view: &CompareView,
    selected: Option<&Row>,
) -> usize {
    let table = view.shown.table();
    let fields: Vec<(usize, &Column)> = view
        .shown
        .fields()
        .map(|index| (index, &table.columns[index]))
        .collect();
    let labels = fields
        .iter()
        .map(|(_, column)| column.title().width())
        .max()
        .unwrap_or(0)
        .min(LABELS);
    let labels = u16::try_from(labels).unwrap_or(u16::MAX);
    let left = area.x + 1 + labels + 2;
    let chosen = table
        .rows
        .iter()
        .position(|row| selected.is_some_and(|selected| std::ptr::eq(selected, row)));
    let room = area.right().saturating_sub(left);
    let width_at = |index: usize| width(&table.rows[index]);
    let start = chosen.map_or(0, |chosen| {
        // The rows behind the last run cannot be selected, so they come into view with it.
        let is_run = |row: &Row| row.kind == Kind::Measured;
        let last = if table.rows[chosen + 1..].iter().any(is_run) {
            chosen
        } else {
            table.rows.len() - 1
        };
        first_in_view(width_at, last, room).min(chosen)
    });
    let scrolled = view.scrolled.min(fields.len().saturating_sub(1));
    for ((_, column), y) in fields[scrolled..].iter().zip(HEAD..area.height) {
        let line = paint::row(area, y);
        let is_sorted = view.options.sort.as_ref() == Some(*column);
        let style = if is_sorted { THEME.accent } else { THEME.label };
        paint::left(
            buf,
            Rect {
                x: area.x + 1,
                width: labels.min(area.width),
                ..line
            },
            &column.title(),
            style,
        );
    }
    let (mut x, mut drawn) = (left, 0);
    for (index, row) in table.rows.iter().enumerate().skip(start) {
        let width = width(row);
        if x + width > area.right() {
            break;
        }
        draw_head(
            buf,
            Rect {
                x,
                width,
                height: area.height.min(HEAD),
                ..area
            },
            view,
            row,
        );
        for ((field, _), y) in fields[scrolled..].iter().zip(HEAD..area.height) {
            let (text, style) = written(row, &row.cells[*field]);
            let column = table::Column {
                title: "",
                width,
                is_figure: true,
                drop_rank: 0,
            };
            table::cell(
                buf,
                paint::row(area, y),
                place(0, x, width),
                &column,
                &text,
                style,
            );
        }
        if chosen == Some(index) {
            buf.set_style(
                Rect {
                    x,
                    width,
                    height: area.height.min(HEAD),
                    ..area
                },
                THEME.selected,
            );
        }
        x += width + 2;
        drawn += 1;
    }
    let hidden = table.rows[start + drawn..].iter();
    hidden
        .filter(|row| matches!(row.kind, Kind::Measured | Kind::Member))
        .count()
}

/// The first row to draw, so that the row `last` is visible. Starts there and goes left only as far as rows fit: there may be
/// thousands.
fn first_in_view(width_at: impl Fn(usize) -> u16, last: usize, room: u16) -> usize {
    let mut taken = 0_u32;
    let fits = |index: &usize| {
        taken += u32::from(width_at(*index)) + 2;
        taken <= u32::from(room) + 2
    };
    (0..=last).rev().take_while(fits).last().unwrap_or(last)
}

fn width(row: &Row) -> u16 {
    let cells = row.cells.iter().map(cell_width);
    // The name takes two lines.
    let name = row
        .cells
        .first()
        .and_then(|cell| cell.value.shown())
        .map_or(0, |text| text::columns(&text));
    let widest = cells.skip(1).max().unwrap_or(0).max(name.div_ceil(2) + 3);
    u16::try_from(widest.clamp(WIDTH.0, WIDTH.1)).unwrap_or(u16::MAX)
}

fn draw_head(buf: &mut Buffer, area: Rect, view: &CompareView, row: &Row) {
    let marker = marker(&view.shown, row);
    let indent = if marker.is_some() { 2 } else { 0 };
    let width = area.width.saturating_sub(indent);
    let inner = Rect {
        x: area.x + indent,
        width,
        ..area
    };
    if let Some((marker, style)) = marker {
        paint::left(
            buf,
            Rect {
                width: 1.min(area.width),
                ..area
            },
            marker,
            style,
        );
    }
    let style = if row.kind == Kind::Measured {
        THEME.text
    } else {
        THEME.muted
    };
    let lines = paint::wrap(&label(row), usize::from(width));
    let (first, rest) = lines.split_at(1.min(lines.len()));
    // If the name does not fit on two lines, end it with an ellipsis.
    for (text, y) in [first.concat(), rest.concat()].iter().zip(0..) {
        paint::left(buf, paint::row(inner, y), text.trim_end(), style);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn the_selected_run_is_the_last_that_fits() {
        let width_at = |index: usize| [11, 12, 20, 11][index];
        assert_eq!(first_in_view(width_at, 0, 60), 0);
        assert_eq!(first_in_view(width_at, 3, 60), 0);
        assert_eq!(first_in_view(width_at, 3, 59), 1);
        assert_eq!(first_in_view(width_at, 3, 11), 3);
        assert_eq!(first_in_view(width_at, 3, 5), 3);
    }

    #[test]
    fn no_run_far_from_the_selected_one_is_measured() {
        let measured = Cell::new(0);
        let width_at = |_: usize| {
            measured.set(measured.get() + 1);
            11
        };
        assert_eq!(first_in_view(width_at, 9_999, 24), 9_998);
        assert!(measured.get() < 10, "{}", measured.get());
    }
}
