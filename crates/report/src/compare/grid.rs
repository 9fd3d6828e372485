//! A table as rows of tiles, its titles included, transposed if requested; each format writes tiles in its own syntax.

use super::{Column, Kind, Table};

/// A cell of the grid.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tile {
    /// None if there is no value.
    pub text: Option<String>,
    /// The marks of its own footnotes. The tile with the row's name, or else the first, also has those of the row.
    pub mark: Option<String>,
    pub best: bool,
    /// None for a title.
    pub kind: Option<Kind>,
    /// Whether it is the name of a row that belongs to the row above.
    pub is_below: bool,
    /// For a title: whether higher or lower is better.
    pub better: Option<bool>,
}

/// All tiles, the titles first.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Grid {
    pub rows: Vec<Vec<Tile>>,
    /// For each column, whether it is right-aligned: a column of numbers, or the values of a run in a transposed table.
    pub is_figure: Vec<bool>,
}

impl Grid {
    pub(super) fn of(table: &Table) -> Self {
        let mut rows = vec![table.columns.iter().map(title).collect::<Vec<_>>()];
        // In a table without names, the first column has the marks of the rows.
        let marked = table
            .columns
            .iter()
            .position(|column| *column == Column::Experiment)
            .unwrap_or(0);
        for row in &table.rows {
            let cells = row.cells.iter().zip(&table.columns).enumerate();
            let tiles = cells.map(|(index, (cell, column))| {
                let is_name = *column == Column::Experiment;
                let of_row = row.mark.as_deref().filter(|_| index == marked);
                let marks: String = of_row.into_iter().chain(cell.mark.as_deref()).collect();
                Tile {
                    text: cell.value.shown(),
                    mark: (!marks.is_empty()).then_some(marks),
                    best: cell.best,
                    kind: Some(row.kind),
                    is_below: is_name && row.kind != Kind::Measured,
                    better: None,
                }
            });
            rows.push(tiles.collect());
        }
        if table.transposed {
            let is_figure = (0..rows.len()).map(|column| column > 0).collect();
            return Self {
                rows: turned(&rows),
                is_figure,
            };
        }
        let is_figure = (0..table.columns.len())
            .map(|index| is_figure(table, index))
            .collect();
        Self { rows, is_figure }
    }
}

fn title(column: &Column) -> Tile {
    let better = if let Column::Metric(metric) = column {
        Some(metric.higher_is_better())
    } else {
        None
    };
    Tile {
        text: Some(column.title()),
        mark: None,
        best: false,
        kind: None,
        is_below: false,
        better,
    }
}

/// Whether a column has only numbers and empty cells.
fn is_figure(table: &Table, index: usize) -> bool {
    match &table.columns[index] {
        Column::Experiment | Column::Run | Column::State => false,
        Column::Config(_) => table.measured().all(|row| {
            let value = &row.cells[index].value;
            value.is_number() || value.shown().is_none()
        }),
        _ => true,
    }
}

fn turned(rows: &[Vec<Tile>]) -> Vec<Vec<Tile>> {
    let width = rows.first().map_or(0, Vec::len);
    (0..width)
        .map(|column| rows.iter().map(|row| row[column].clone()).collect())
        .collect()
}

/// A tile with an arrow for the better direction, and its mark.
pub(super) fn decorated(
    tile: &Tile,
    text: &str,
    [up, down]: [&str; 2],
    mark: impl Fn(&str) -> String,
) -> String {
    let arrow = tile
        .better
        .map(|up_is_better| format!(" {}", if up_is_better { up } else { down }));
    let mark = tile.mark.as_deref().map(mark);
    format!(
        "{text}{}{}",
        arrow.unwrap_or_default(),
        mark.unwrap_or_default()
    )
}
