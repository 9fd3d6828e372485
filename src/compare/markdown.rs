//! A GitHub-flavoured Markdown table; the best of a column in bold.

use super::lines::{Line, Lines, title};
use super::{Metric, Table};

pub fn render(table: &Table) -> String {
    let Lines { rows, footnotes, has_best } = Lines::of(table);
    let metrics = Metric::ALL.map(|metric| title(metric, ["↑", "↓"])).join(" | ");
    let mut out = vec![format!("| experiment | run | state | {metrics} | total | trainable | non-trainable |")];
    out.push(format!("|---|---|---|{}", "---:|".repeat(9)));
    out.extend(rows.iter().map(row));
    let mut notes: Vec<String> = footnotes.iter().map(|(mark, text)| format!("{mark} {}", escape(text))).collect();
    if has_best {
        notes.push("**bold**: best of its column among runs that are done".to_owned());
    }
    if !notes.is_empty() {
        // Two spaces break a line within a paragraph.
        out.push(format!("\n{}", notes.join("  \n")));
    }
    out.join("\n") + "\n"
}

fn row(line: &Line) -> String {
    let mark = line.mark.as_ref().map(|mark| format!(" {mark}")).unwrap_or_default();
    let mut cells = vec![escape(&line.experiment) + &mark, line.run.clone(), line.state.to_owned()];
    cells.extend(line.numbers("–", |best| format!("**{best}**")));
    format!("| {} |", cells.join(" | "))
}

/// Every character that Markdown, or the HTML in it, could take for its own.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '$' | '#' | '!' | '>' => out.extend(['\\', c]),
            _ => out.push(c),
        }
    }
    out
}
