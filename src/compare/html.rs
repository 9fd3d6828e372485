//! A page of its own; the best of a column in bold.

use super::lines::{Kind, Line, Lines, title};
use super::{Metric, Table};

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
.published, .gain { color: #666 }
</style>
</head>
<body>
<table>";

pub fn render(table: &Table) -> String {
    let Lines { rows, footnotes, has_best } = Lines::of(table);
    let counts = ["total", "trainable", "non-trainable"].map(str::to_owned);
    let titles = Metric::ALL.map(|metric| title(metric, ["↑", "↓"])).into_iter().chain(counts);
    let titles: String = titles.flat_map(|title| ["<th class=\"n\">".to_owned(), title, "</th>".to_owned()]).collect();
    let mut out = vec![HEAD.to_owned()];
    out.push(format!("<thead><tr><th>experiment</th><th>run</th><th>state</th>{titles}</tr></thead>\n<tbody>"));
    out.extend(rows.iter().map(row));
    out.push("</tbody>\n</table>".to_owned());
    out.extend(footnotes.iter().map(|(mark, text)| format!("<p>{mark} {}</p>", escape(text))));
    if has_best {
        out.push("<p><b>bold</b>: best of its column among runs that are done</p>".to_owned());
    }
    out.push("</body>\n</html>".to_owned());
    out.join("\n") + "\n"
}

fn row(line: &Line) -> String {
    let mark = line.mark.as_ref().map(|mark| format!(" {mark}")).unwrap_or_default();
    let class = match line.kind {
        Kind::Measured => "",
        Kind::Gain => " class=\"gain\"",
        Kind::Published => " class=\"published\"",
    };
    let numbers = line.numbers("–", |best| format!("<b>{best}</b>"));
    let numbers = numbers.join("</td><td class=\"n\">");
    let (experiment, run, state) = (escape(&line.experiment), &line.run, line.state);
    format!("<tr{class}><td>{experiment}{mark}</td><td>{run}</td><td>{state}</td><td class=\"n\">{numbers}</td></tr>")
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
