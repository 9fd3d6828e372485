//! Table layout. The name takes the space that the fixed columns leave. If the width is too small,
//! columns are dropped in a fixed order.

use std::ops::RangeInclusive;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::paint;

/// A column of a table.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub title: &'static str,
    pub width: u16,
    /// Figures are aligned right, text left.
    pub is_figure: bool,
    /// Columns with a higher rank are dropped first. Where a column of rank 0 needs the space, the name becomes narrower instead.
    pub drop_rank: u8,
}

/// Where a column is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Index in the requested columns.
    pub column: usize,
    pub x: u16,
    pub width: u16,
}

impl Place {
    /// The column's part of a row.
    pub(super) fn within(self, row: Rect) -> Rect {
        Rect {
            x: self.x,
            width: self.width,
            height: row.height.min(1),
            ..row
        }
    }
}

/// The columns of a table that fit, and where they are.
#[derive(Debug)]
pub(super) struct Fitted {
    /// The name's column.
    pub name: Rect,
    pub columns: Vec<Place>,
}

/// Lays out the name's column and the columns that fit beside it, `gap` cells apart. `name` is the least and the greatest width
/// of the name's column; only columns of rank 0 make it narrower than that.
pub(super) fn fit(columns: &[Column], area: Rect, name: RangeInclusive<u16>, gap: u16) -> Fitted {
    let (least, most) = name.into_inner();
    let mut kept: Vec<usize> = (0..columns.len()).collect();
    let width_of = |kept: &[usize]| {
        kept.iter()
            .map(|&index| columns[index].width + gap)
            .sum::<u16>()
    };
    while width_of(&kept) + least > area.width {
        // Of the columns with the highest rank the last.
        let Some(position) =
            (0..kept.len()).max_by_key(|&position| columns[kept[position]].drop_rank)
        else {
            break;
        };
        if columns[kept[position]].drop_rank == 0 {
            break;
        }
        kept.remove(position);
    }
    let name_width = area.width.saturating_sub(width_of(&kept)).min(most);
    let mut x = area.x + name_width;
    let columns = kept
        .into_iter()
        .map(|column| {
            let width = columns[column].width;
            let place = Place {
                column,
                x: x + gap,
                width,
            };
            x += gap + width;
            place
        })
        .filter(|place| place.x + place.width <= area.right())
        .collect();
    Fitted {
        name: Rect {
            width: name_width,
            ..area
        },
        columns,
    }
}

/// Draws a text in its column.
pub(super) fn cell(
    buf: &mut Buffer,
    row: Rect,
    place: Place,
    column: &Column,
    text: &str,
    style: Style,
) {
    let area = place.within(row);
    if area.is_empty() {
        return;
    }
    if column.is_figure {
        paint::right(buf, area, text, style);
    } else {
        paint::left(buf, area, text, style);
    }
}

/// The first row to draw, so that the selected row is near the middle.
pub(super) fn offset(selected: usize, rows: usize, height: usize) -> usize {
    selected
        .saturating_sub(height / 2)
        .min(rows.saturating_sub(height))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> Vec<Column> {
        let column = |width, drop_rank| Column {
            title: "",
            width,
            is_figure: true,
            drop_rank,
        };
        vec![column(10, 3), column(5, 0), column(6, 1)]
    }

    #[test]
    fn columns_drop_in_order_and_name_takes_the_rest() {
        let kept = |width| {
            let fitted = fit(&columns(), Rect::new(0, 0, width, 1), 10..=20, 2);
            (
                fitted.name.width,
                fitted
                    .columns
                    .iter()
                    .map(|place| place.column)
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(kept(60), (20, vec![0, 1, 2]));
        assert_eq!(kept(37), (10, vec![0, 1, 2]));
        assert_eq!(kept(36), (20, vec![1, 2]));
        assert_eq!(kept(20), (13, vec![1]));
        assert_eq!(kept(5), (0, vec![]));
    }

    #[test]
    fn selected_row_is_always_visible() {
        for (selected, rows, height) in [(0, 100, 10), (50, 100, 10), (99, 100, 10), (3, 5, 10)] {
            let offset = offset(selected, rows, height);
            assert!(
                (offset..offset + height).contains(&selected),
                "{selected} {offset}"
            );
            assert!(offset == 0 || offset + height <= rows);
        }
    }
}
