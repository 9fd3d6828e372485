//! A `tabular` for the package booktabs; the best of a column in bold.

use super::Table;
use super::grid::{Grid, Tile, decorated};

pub fn render(table: &Table) -> String {
    let grid = Grid::of(table);
    let alignment: String = grid.is_figure.iter().map(|is_figure| if *is_figure { 'r' } else { 'l' }).collect();
    let mut out = vec!["% \\usepackage{booktabs}".to_owned()];
    out.push(format!("\\begin{{tabular}}{{{alignment}}}"));
    out.push("\\toprule".to_owned());
    for (index, tiles) in grid.rows.iter().enumerate() {
        if index == 1 {
            out.push("\\midrule".to_owned());
        }
        out.push(format!("{} \\\\", tiles.iter().map(cell).collect::<Vec<_>>().join(" & ")));
    }
    out.push("\\bottomrule".to_owned());
    let mut notes: Vec<String> =
        table.footnotes.iter().map(|(mark, text)| format!("{} {}", raised(mark), escape(text))).collect();
    if table.has_best() {
        notes.push("\\textbf{bold}: best of its column among runs that are done".to_owned());
    }
    let width = alignment.len();
    out.extend(notes.iter().map(|note| format!("\\multicolumn{{{width}}}{{l}}{{\\footnotesize {note}}} \\\\")));
    out.push("\\end{tabular}".to_owned());
    out.join("\n") + "\n"
}

fn cell(tile: &Tile) -> String {
    let text = tile.text.as_deref().map_or_else(|| "--".to_owned(), escape);
    let text = decorated(tile, &text, ["$\\uparrow$", "$\\downarrow$"], raised);
    if tile.best { format!("\\textbf{{{text}}}") } else { text }
}

/// A footnote's mark as a superscript.
fn raised(mark: &str) -> String {
    match mark {
        "†" => "$^{\\dagger}$".to_owned(),
        "‡" => "$^{\\ddagger}$".to_owned(),
        "§" => "\\textsuperscript{\\S}".to_owned(),
        "¶" => "\\textsuperscript{\\P}".to_owned(),
        numbered => format!("$^{{\\dagger{}}}$", numbered.trim_start_matches('†')),
    }
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\textbackslash{}"),
            '^' => out.push_str("\\textasciicircum{}"),
            '~' => out.push_str("\\textasciitilde{}"),
            '<' => out.push_str("\\textless{}"),
            '>' => out.push_str("\\textgreater{}"),
            '|' => out.push_str("\\textbar{}"),
            '"' => out.push_str("\\textquotedbl{}"),
            '±' => out.push_str("$\\pm$"),
            'Δ' => out.push_str("$\\Delta$"),
            '{' | '}' | '$' | '&' | '#' | '_' | '%' => out.extend(['\\', c]),
            _ => out.push(c),
        }
    }
    out
}
