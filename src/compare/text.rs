//! Aligned columns for a terminal. Of the parameters only what trains is shown; the other formats have all three counts.

use comfy_table::{CellAlignment, ContentArrangement, Table as Grid, presets};

use super::lines::{Kind, Line, Lines, thousands, title};
use super::{Metric, Table};

pub fn render(table: &Table) -> String {
    let Lines { rows, footnotes, has_best } = Lines::of(table);
    let mut grid = Grid::new();
    grid.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    // Figures are followed by a star or a space, and so are their titles.
    let metrics = Metric::ALL.map(|metric| title(metric, ["↑", "↓"]) + " ");
    let texts = ["experiment", "run", "state"].map(str::to_owned);
    grid.set_header(texts.into_iter().chain(metrics).chain(["trainable".to_owned()]));
    for column in grid.column_iter_mut().skip(3) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    grid.add_rows(rows.iter().map(cells));
    let mut out: Vec<String> = grid.lines().map(|line| line.trim_end().to_owned()).collect();
    out.extend(footnotes.iter().map(|(mark, text)| format!(" {mark} {text}")));
    if has_best {
        out.push(" * best of its column among runs that are done".to_owned());
    }
    out.join("\n") + "\n"
}

fn cells(line: &Line) -> Vec<String> {
    let indent = if line.kind == Kind::Measured { "" } else { "  " };
    let mark = line.mark.as_ref().map(|mark| format!(" {mark}")).unwrap_or_default();
    let mut cells = vec![format!("{indent}{}{mark}", line.experiment), line.run.clone(), line.state.to_owned()];
    cells.extend(line.figures.iter().map(|cell| format!("{}{}", cell.text("–"), if cell.best { '*' } else { ' ' })));
    cells.push(line.params.map_or_else(|| "–".to_owned(), |params| thousands(params.trainable)));
    cells
}
