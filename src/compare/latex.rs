//! A `tabular` for the package booktabs; the best of a column in bold.

use super::lines::{Line, Lines, title};
use super::{Metric, Table};

pub fn render(table: &Table) -> String {
    let Lines { rows, footnotes, has_best } = Lines::of(table);
    let metrics = Metric::ALL.map(|metric| title(metric, ["$\\uparrow$", "$\\downarrow$"])).join(" & ");
    let mut out = ["% \\usepackage{booktabs}", "\\begin{tabular}{lll*{9}{r}}", "\\toprule"].map(str::to_owned).to_vec();
    out.push(format!("experiment & run & state & {metrics} & total & trainable & non-trainable \\\\"));
    out.push("\\midrule".to_owned());
    out.extend(rows.iter().map(row));
    out.push("\\bottomrule".to_owned());
    let mut notes: Vec<String> =
        footnotes.iter().map(|(mark, text)| format!("{} {}", raised(mark), escape(text))).collect();
    if has_best {
        notes.push("\\textbf{bold}: best of its column among runs that are done".to_owned());
    }
    out.extend(notes.iter().map(|note| format!("\\multicolumn{{12}}{{l}}{{\\footnotesize {note}}} \\\\")));
    out.push("\\end{tabular}".to_owned());
    out.join("\n") + "\n"
}

fn row(line: &Line) -> String {
    let mark = line.mark.as_deref().map(raised).unwrap_or_default();
    let mut cells = vec![escape(&line.experiment) + &mark, line.run.clone(), line.state.to_owned()];
    cells.extend(line.numbers("--", |best| format!("\\textbf{{{best}}}")));
    format!("{} \\\\", cells.join(" & "))
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
            '{' | '}' | '$' | '&' | '#' | '_' | '%' => out.extend(['\\', c]),
            _ => out.push(c),
        }
    }
    out
}
