//! A GitHub-flavoured Markdown table; the best of a column in bold.

use super::Table;
use super::grid::{Grid, Tile, decorated};

pub(super) fn render(table: &Table) -> String {
    let grid = Grid::of(table);
    let mut out: Vec<String> = grid.rows.iter().map(|tiles| row(tiles)).collect();
    let rule: String = grid
        .is_figure
        .iter()
        .map(|is_figure| if *is_figure { "---:|" } else { "---|" })
        .collect();
    out.insert(1.min(out.len()), format!("|{rule}"));
    let mut notes: Vec<String> = table
        .footnotes
        .iter()
        .map(|(mark, text)| format!("{mark} {}", escape(text)))
        .collect();
    if table.has_best() {
        notes.push("**bold**: best of its column among runs that are done".to_owned());
    }
    if !notes.is_empty() {
        // Two spaces break a line within a paragraph.
        out.push(format!("\n{}", notes.join("  \n")));
    }
    out.join("\n") + "\n"
}

fn row(tiles: &[Tile]) -> String {
    let cells = tiles.iter().map(|tile| {
        let text = tile.text.as_deref().map_or_else(|| "–".to_owned(), escape);
        let text = decorated(tile, &text, ["↑", "↓"], |mark| format!(" {mark}"));
        if tile.best {
            format!("**{text}**")
        } else {
            text
        }
    });
    format!("| {} |", cells.collect::<Vec<_>>().join(" | "))
}

/// Every character that Markdown or HTML could interpret.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '$' | '#' | '!' | '>' => {
                out.extend(['\\', c]);
            }
            _ => out.push(c),
        }
    }
    out
}
