//! A `tabular` for the package booktabs; the best of a column in bold. Every name compiles with `pdflatex`, `xelatex` and
//! `lualatex` in any font encoding: accents are commands, and a character without a glyph in `pdflatex` becomes its code point.

use std::fmt::Write as _;

use unicode_normalization::UnicodeNormalization;

use super::Table;
use super::grid::{Grid, Tile, decorated};

/// The name of the command for characters that pdfLaTeX lacks.
const OTHER: &str = "\\warmstartchar";
const OTHER_DEFINED: &str = "\
% pdfLaTeX prints what its fonts lack as a code point, XeLaTeX and LuaLaTeX as it is where their font has it.
\\providecommand{\\warmstartchar}[2]{\\ifdefined\\Umathcode#2\\else(U+#1)\\fi}";

pub(super) fn render(table: &Table) -> String {
    let grid = Grid::of(table);
    let alignment: String = grid
        .is_figure
        .iter()
        .map(|is_figure| if *is_figure { 'r' } else { 'l' })
        .collect();
    let mut out = vec![format!("\\begin{{tabular}}{{{alignment}}}")];
    out.push("\\toprule".to_owned());
    for (index, tiles) in grid.rows.iter().enumerate() {
        if index == 1 {
            out.push("\\midrule".to_owned());
        }
        out.push(format!(
            "{} \\\\",
            tiles.iter().map(cell).collect::<Vec<_>>().join(" & ")
        ));
    }
    out.push("\\bottomrule".to_owned());
    let mut notes: Vec<String> = table
        .footnotes
        .iter()
        .map(|(mark, text)| format!("{} {}", raised(mark), escape(text)))
        .collect();
    if table.has_best() {
        notes.push("\\textbf{bold}: best of its column among runs that are done".to_owned());
    }
    let width = alignment.len();
    out.extend(
        notes
            .iter()
            .map(|note| format!("\\multicolumn{{{width}}}{{l}}{{\\footnotesize {note}}} \\\\")),
    );
    out.push("\\end{tabular}".to_owned());
    let uses_other = out.iter().any(|line| line.contains(OTHER));
    let head =
        std::iter::once("% \\usepackage{booktabs}").chain(uses_other.then_some(OTHER_DEFINED));
    head.map(str::to_owned)
        .chain(out)
        .collect::<Vec<_>>()
        .join("\n")
        + "\n"
}

fn cell(tile: &Tile) -> String {
    let text = tile.text.as_deref().map_or_else(|| "--".to_owned(), escape);
    let text = decorated(tile, &text, ["$\\uparrow$", "$\\downarrow$"], raised);
    if tile.best {
        format!("\\textbf{{{text}}}")
    } else {
        text
    }
}

/// A footnote's mark as a superscript.
fn raised(mark: &str) -> String {
    match mark {
        "†" => "$^{\\dagger}$".to_owned(),
        "‡" => "$^{\\ddagger}$".to_owned(),
        "§" => "\\textsuperscript{\\S}".to_owned(),
        "¶" => "\\textsuperscript{\\P}".to_owned(),
        other => format!("\\textsuperscript{{{}}}", escape(other)),
    }
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.nfc().peekable();
    while let Some(c) = characters.next() {
        let (c, mut accents) = split(c);
        // An accent without a composed character follows its letter.
        while let Some(accent) = characters.peek().and_then(|mark| accent(*mark)) {
            accents.push(accent);
            characters.next();
        }
        let mut base = String::new();
        push_escaped(c, &mut base);
        // The innermost accent is the first.
        let escaped = accents
            .iter()
            .fold(base, |base, accent| format!("\\{accent}{{{base}}}"));
        let ends = (out.chars().next_back(), escaped.chars().next());
        // These form another sign in fonts of TeX.
        if let (Some('-'), Some('-'))
        | (Some('\''), Some('\''))
        | (Some(','), Some(','))
        | (Some('?' | '!'), Some('`')) = ends
        {
            out.push_str("{}");
        }
        out.push_str(&escaped);
    }
    out
}

/// A letter and its accents, if LaTeX has a command for each; otherwise the whole character.
fn split(c: char) -> (char, Vec<&'static str>) {
    let mut parts = std::iter::once(c).nfd();
    let letter = parts.next().unwrap_or(c);
    match parts.map(accent).collect() {
        Some(accents) => (letter, accents),
        None => (c, Vec::new()),
    }
}

/// The command of a combining accent that every encoding has.
fn accent(mark: char) -> Option<&'static str> {
    Some(match mark {
        '\u{300}' => "`",
        '\u{301}' => "'",
        '\u{302}' => "^",
        '\u{303}' => "~",
        '\u{304}' => "=",
        '\u{306}' => "u",
        '\u{307}' => ".",
        '\u{308}' => "\"",
        '\u{30a}' => "r",
        '\u{30b}' => "H",
        '\u{30c}' => "v",
        '\u{323}' => "d",
        '\u{327}' => "c",
        '\u{331}' => "b",
        _ => return None,
    })
}

/// Appends one character as LaTeX takes it.
fn push_escaped(c: char, out: &mut String) {
    let command = match c {
        '\\' => "\\textbackslash{}",
        '^' => "\\textasciicircum{}",
        '~' => "\\textasciitilde{}",
        '<' => "\\textless{}",
        '>' => "\\textgreater{}",
        '|' => "\\textbar{}",
        // Not every encoding has a command of that name, and babel may use the character itself.
        '"' => "\\symbol{34}",
        '`' => "\\`{}",
        // After `\\` and rules, LaTeX would read these two as an option.
        '[' => "{[}",
        '*' => "{*}",
        'ß' => "\\ss{}",
        'æ' => "\\ae{}",
        'Æ' => "\\AE{}",
        'œ' => "\\oe{}",
        'Œ' => "\\OE{}",
        'ø' => "\\o{}",
        'Ø' => "\\O{}",
        'ł' => "\\l{}",
        'Ł' => "\\L{}",
        'ı' => "\\i{}",
        '–' => "--",
        '—' => "---",
        '‘' => "`{}",
        '’' => "'{}",
        '“' => "``{}",
        '”' => "''{}",
        '…' => "\\ldots{}",
        '§' => "\\S{}",
        '¶' => "\\P{}",
        '©' => "\\copyright{}",
        '£' => "\\pounds{}",
        '±' => "$\\pm$",
        '×' => "$\\times$",
        '÷' => "$\\div$",
        '·' => "$\\cdot$",
        '°' => "$^{\\circ}$",
        '²' => "$^{2}$",
        '³' => "$^{3}$",
        'µ' | 'μ' => "$\\mu$",
        '∞' => "$\\infty$",
        '≤' => "$\\leq$",
        '≥' => "$\\geq$",
        '≠' => "$\\neq$",
        '≈' => "$\\approx$",
        '←' => "$\\leftarrow$",
        '→' => "$\\rightarrow$",
        '↑' => "$\\uparrow$",
        '↓' => "$\\downarrow$",
        '†' => "$\\dagger$",
        '‡' => "$\\ddagger$",
        'α' => "$\\alpha$",
        'β' => "$\\beta$",
        'γ' => "$\\gamma$",
        'δ' => "$\\delta$",
        'ε' => "$\\epsilon$",
        'η' => "$\\eta$",
        'θ' => "$\\theta$",
        'λ' => "$\\lambda$",
        'π' => "$\\pi$",
        'ρ' => "$\\rho$",
        'σ' => "$\\sigma$",
        'τ' => "$\\tau$",
        'φ' => "$\\phi$",
        'ω' => "$\\omega$",
        '\u{2212}' => "$-$",
        'Δ' => "$\\Delta$",
        'Σ' => "$\\Sigma$",
        'Ω' => "$\\Omega$",
        c if c.is_whitespace() => " ",
        c if c.is_control() => "",
        '{' | '}' | '$' | '&' | '#' | '_' | '%' => return out.extend(['\\', c]),
        c if c.is_ascii() => return out.push(c),
        c => {
            // Writing into a text cannot fail.
            let _ = write!(out, "{OTHER}{{{:04X}}}{{{c}}}", u32::from(c));
            return;
        }
    };
    out.push_str(command);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `scripts/soak.d/40-latex.py` compiles the same names, and more.
    #[test]
    fn no_name_becomes_a_command() {
        for (name, written) in [
            ("[x", "{[}x"),
            ("*", "{*}"),
            ("\"", "\\symbol{34}"),
            ("a--b '' ,,", "a-{}-b '{}' ,{},"),
            ("?`", "?\\`{}"),
            ("café", "caf\\'{e}"),
            ("ő Łß", "\\H{o} \\L{}\\ss{}"),
            ("e\u{301}\u{302}", "\\^{\\'{e}}"),
            ("Δ≤μ", "$\\Delta$$\\leq$$\\mu$"),
            ("漢", "\\warmstartchar{6F22}{漢}"),
            ("≠", "$\\neq$"),
            ("ę", "\\warmstartchar{0119}{ę}"),
            ("が한", "\\warmstartchar{304C}{が}\\warmstartchar{D55C}{한}"),
            ("?‘!‘", "?{}`{}!{}`{}"),
            ("-–", "-{}--"),
            ("'’", "'{}'{}"),
            ("\\\\[2pt]", "\\textbackslash{}\\textbackslash{}{[}2pt]"),
            ("^^41", "\\textasciicircum{}\\textasciicircum{}41"),
        ] {
            assert_eq!(escape(name), written, "{name}");
        }
    }
}
