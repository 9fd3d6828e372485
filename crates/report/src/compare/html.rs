//! A whole page; the best of a column in bold.

use super::grid::{Grid, Tile, decorated};
use super::{Kind, Table};

const HEAD: &str = "<!DOCTYPE html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<title>warmstart: comparison</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; margin: 2em }
table { border-collapse: collapse }
th, td { padding: .2em .8em; text-align: left }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums }
thead { border-bottom: 2px solid }
tbody tr { border-bottom: 1px solid #ccc }
.published, .gain, .member { color: #666 }
</style>
</head>
<body>
<table>";

pub(super) fn render(table: &Table) -> String {
    let grid = Grid::of(table);
    let mut out = vec![HEAD.to_owned()];
    let mut rows = grid.rows.iter().map(|tiles| row(tiles, &grid.is_figure));
    let head = rows
        .next()
        .unwrap_or_default()
        .replace("<td", "<th")
        .replace("</td>", "</th>");
    out.push(format!("<thead>{head}</thead>\n<tbody>"));
    out.extend(rows);
    out.push("</tbody>\n</table>".to_owned());
    out.extend(
        table
            .footnotes
            .iter()
            .map(|(mark, text)| format!("<p>{mark} {}</p>", escape(text))),
    );
    if table.has_best() {
        out.push("<p><b>bold</b>: best of its column among runs that are done</p>".to_owned());
    }
    out.push("</body>\n</html>".to_owned());
    out.join("\n") + "\n"
}

fn row(tiles: &[Tile], is_figure: &[bool]) -> String {
    let first = tiles.first().and_then(|tile| class(tile));
    let whole = first.filter(|first| tiles.iter().all(|tile| class(tile) == Some(first)));
    let cells = tiles.iter().zip(is_figure).map(|(tile, is_figure)| {
        let text = decorated(
            tile,
            &escape(tile.text.as_deref().unwrap_or("–")),
            ["↑", "↓"],
            |mark| format!(" {mark}"),
        );
        let text = if tile.best {
            format!("<b>{text}</b>")
        } else {
            text
        };
        let classes = is_figure
            .then_some("n")
            .into_iter()
            .chain(class(tile).filter(|_| whole.is_none()));
        format!("<td{}>{text}</td>", attribute(&classes.collect::<Vec<_>>()))
    });
    format!(
        "<tr{}>{}</tr>",
        attribute(whole.as_slice()),
        cells.collect::<String>()
    )
}

fn class(tile: &Tile) -> Option<&'static str> {
    match tile.kind? {
        Kind::Measured => None,
        Kind::Member => Some("member"),
        Kind::Gain => Some("gain"),
        Kind::Published => Some("published"),
    }
}

fn attribute(classes: &[&str]) -> String {
    if classes.is_empty() {
        String::new()
    } else {
        format!(" class=\"{}\"", classes.join(" "))
    }
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}
