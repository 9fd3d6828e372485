//! Aligned columns for a terminal. Where it is too narrow columns are left out, by their [`Column::rank`], and a line says
//! which.

use comfy_table::{CellAlignment, ContentArrangement, Table as Grid, presets};
use unicode_width::UnicodeWidthStr;

use super::grid::{self, Tile, decorated};
use super::{Column, Table};

pub fn render(table: &Table, width: Option<usize>) -> String {
    let (table, left_out) = fitted(table, width);
    let mut out = grid_lines(&table);
    out.extend(table.footnotes.iter().map(|(mark, text)| format!(" {mark} {text}")));
    if table.has_best() {
        out.push(" * best of its column among runs that are done".to_owned());
    }
    if !left_out.is_empty() {
        let names: Vec<String> = left_out.iter().map(Column::title).collect();
        out.push(format!(" left out for want of room: {}", names.join(", ")));
    }
    out.join("\n") + "\n"
}

/// As many columns as there is room for, and those that there is none for. A transposed table leaves out none: its columns
/// are what was asked for.
fn fitted(table: &Table, width: Option<usize>) -> (Table, Vec<Column>) {
    let (mut table, mut left_out) = (table.clone(), Vec::new());
    let Some(width) = width.filter(|_| !table.transposed) else { return (table, left_out) };
    let widest = |table: &Table| grid_lines(table).iter().map(|line| line.width()).max().unwrap_or(0);
    while widest(&table) > width {
        let ranks = table.columns.iter().map(Column::rank).enumerate();
        let Some((index, _)) = ranks.filter(|(_, rank)| *rank > 0).max_by_key(|(_, rank)| *rank) else { break };
        left_out.push(table.columns.remove(index));
        for row in &mut table.rows {
            row.cells.remove(index);
        }
    }
    (table, left_out)
}

fn grid_lines(table: &Table) -> Vec<String> {
    let grid = grid::Grid::of(table);
    let mut lines = Grid::new();
    lines.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    let mut rows = grid.rows.iter().map(|tiles| {
        tiles.iter().zip(&grid.is_figure).map(|(tile, is_figure)| cell(tile, *is_figure)).collect::<Vec<_>>()
    });
    lines.set_header(rows.next().unwrap_or_default());
    for (column, _) in lines.column_iter_mut().zip(&grid.is_figure).filter(|(_, is_figure)| **is_figure) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    lines.add_rows(rows);
    lines.lines().map(|line| line.trim_end().to_owned()).collect()
}

/// Figures are followed by a star, a mark or a space, and so are their titles: their digits stand below each other.
fn cell(tile: &Tile, is_figure: bool) -> String {
    let space = if is_figure { "" } else { " " };
    let text = decorated(tile, tile.text.as_deref().unwrap_or("–"), ["↑", "↓"], |mark| format!("{space}{mark}"));
    let indent = if tile.is_below { "  " } else { "" };
    let star = match (is_figure && tile.mark.is_none(), tile.best) {
        (_, true) => "*",
        (true, false) => " ",
        (false, false) => "",
    };
    format!("{indent}{text}{star}")
}
