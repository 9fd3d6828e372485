//! Aligned columns for a terminal. If it is too narrow, words are cut first. Then columns are hidden in the order of
//! [`Column::rank`], and a line names them. The columns that distinguish the rows stay.

use warmstart_schema::text::wrap;

use super::grid::{self, Tile, decorated};
use super::{Column, Table};
use crate::fit::{self, Holds};

pub(super) fn render(table: &Table, width: Option<usize>) -> String {
    let grid = grid::Grid::of(table);
    let mut rows = grid.rows.iter().map(|tiles| {
        tiles
            .iter()
            .zip(&grid.is_figure)
            .map(|(tile, is_figure)| cell(tile, *is_figure))
            .collect::<Vec<_>>()
    });
    let titles = rows.next().unwrap_or_default();
    let columns: Vec<fit::Column> = titles
        .iter()
        .enumerate()
        .map(|(index, title)| described(table, &grid, index, title))
        .collect();
    let fitted = fit::fitted(&columns, &rows.collect::<Vec<_>>(), width);
    // A note about a hidden column would explain nothing.
    let is_shown = |mark: &str| fitted.lines.iter().any(|line| line.contains(mark));
    let mut below: Vec<String> = table
        .footnotes
        .iter()
        .filter(|(mark, _)| is_shown(mark))
        .map(|(mark, text)| format!("{mark} {text}"))
        .collect();
    if table.has_best() && is_shown("*") {
        below.push("* best of its column among runs that are done".to_owned());
    }
    let hidden: Vec<String> = fitted
        .hidden
        .iter()
        .map(|title| title.trim().to_owned())
        .collect();
    let remedy = if table.transposed {
        "--format csv has all"
    } else {
        "widen the terminal, or choose with --columns"
    };
    below.extend(fit::note(&hidden, remedy, None));
    let room = width.map_or(usize::MAX, |width| width.saturating_sub(1).max(1));
    let below = below
        .iter()
        .flat_map(|line| wrap(line, room))
        .map(|line| format!(" {}", line.trim_end()));
    fitted
        .lines
        .into_iter()
        .chain(below)
        .collect::<Vec<_>>()
        .join("\n")
        + "\n"
}

/// The kind of a column of the grid, and when to hide it. In a transposed table the runs are columns, and the last ones are
/// hidden first.
fn described(table: &Table, grid: &grid::Grid, index: usize, title: &str) -> fit::Column {
    if table.transposed {
        let order = u8::try_from(index).unwrap_or(u8::MAX);
        return fit::Column::new(
            title,
            if index == 0 {
                Holds::Names
            } else {
                Holds::Words
            },
            order,
        );
    }
    let (holds, order) = match &table.columns[index] {
        Column::Experiment => (Holds::Words, 0),
        // Nothing else distinguishes several runs of one experiment.
        Column::Run if table.has_namesakes() => (Holds::Names, 0),
        Column::Run => (Holds::Names, Column::Run.rank()),
        column if grid.is_figure[index] => (Holds::Figures, column.rank()),
        column => (Holds::Words, column.rank()),
    };
    fit::Column::new(title, holds, order)
}

/// A star, a mark or a space follows figures and titles, so that digits align.
fn cell(tile: &Tile, is_figure: bool) -> String {
    let space = if is_figure { "" } else { " " };
    let text = decorated(
        tile,
        tile.text.as_deref().unwrap_or("–"),
        ["↑", "↓"],
        |mark| format!("{space}{mark}"),
    );
    let indent = if tile.is_below { "  " } else { "" };
    let star = match (is_figure && tile.mark.is_none(), tile.best) {
        (_, true) => "*",
        (true, false) => " ",
        (false, false) => "",
    };
    format!("{indent}{text}{star}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::{Cell, Metric, Row, Value};

    #[test]
    fn a_note_is_hidden_with_the_column_of_its_mark() {
        let cell = |value: Value, mark: Option<&str>| Cell {
            value,
            best: mark.is_some(),
            mark: mark.map(str::to_owned),
        };
        let loss = Value::figure(Metric::ValLoss, Some(0.5));
        let table = Table {
            columns: vec![Column::Experiment, Column::Metric(Metric::ValLoss)],
            rows: vec![Row {
                cells: vec![cell(Value::text("plain"), None), cell(loss, Some("‡"))],
                ..Row::default()
            }],
            footnotes: vec![("‡".to_owned(), "a slip".to_owned())],
            ..Table::default()
        };
        let wide = render(&table, None);
        assert!(wide.contains("‡ a slip"), "{wide}");
        assert!(wide.contains("* best of its column"), "{wide}");
        let narrow = render(&table, Some(15));
        assert!(!narrow.contains('‡'), "{narrow}");
        assert!(!narrow.contains('*'), "{narrow}");
    }
}
