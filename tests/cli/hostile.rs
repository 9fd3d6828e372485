//! Output and exports of the commands when every field of every run and file is hostile.

use std::fs;
use std::num::NonZero;

use crate::place::Place;
use crate::texts::{Kind, Texts, number_of_texts, refuse, strings, write_experiment, write_run};

/// A folder with hostile runs and files, and the program in it.
fn place(strings: &[String]) -> Place {
    let place = Place::new();
    fs::create_dir(place.folder.path().join("experiments")).unwrap();
    for number in 0..strings.len() {
        let texts = Texts::new(strings, number);
        write_run(&place.checkpoints(), &format!("{number:06}"), texts);
        write_experiment(&place.folder.path().join("experiments"), texts);
    }
    place
}

fn say(place: &Place, arguments: &[&str]) -> String {
    let mut command = place.command(arguments);
    let said = crate::place::said(command.env("WARMSTART_EXPERIMENTS", "experiments"));
    refuse(said.err.as_bytes(), Kind::Lines)
        .unwrap_or_else(|wrong| panic!("{arguments:?}, on stderr: {wrong}"));
    said.out
}

/// Asserts that a command prints only lines of text.
fn lines(place: &Place, arguments: &[&str]) -> String {
    let out = say(place, arguments);
    assert!(!out.is_empty(), "{arguments:?} says nothing");
    refuse(out.as_bytes(), Kind::Lines).unwrap_or_else(|wrong| panic!("{arguments:?}: {wrong}"));
    out
}

/// Asserts that on a terminal every line has text below the start of this title, and a blank before it.
fn assert_aligned(out: &str, title: &str) {
    let rows = NonZero::new(u16::try_from(out.lines().count() + 1).unwrap()).unwrap();
    let mut parser = vt100::Parser::new(rows, NonZero::new(700).unwrap(), 0);
    // Unlike other terminals, this emulator gives the replacement character no width.
    parser.process(
        out.trim_end()
            .replace('\n', "\r\n")
            .replace('\u{fffd}', "?")
            .as_bytes(),
    );
    let screen = parser.screen();
    let header = out.lines().next().unwrap();
    let column = u16::try_from(header.find(title).unwrap()).unwrap();
    for (y, line) in (0..rows.get()).zip(
        out.lines()
            .take_while(|line| !line.starts_with(" †") && !line.starts_with(" *")),
    ) {
        let is_there = |x: u16| {
            screen
                .cell(y, x)
                .is_some_and(|cell| cell.has_contents() && cell.contents() != " ")
        };
        let is_tail = screen
            .cell(y, column - 1)
            .is_some_and(vt100::Cell::is_wide_continuation);
        // Lam and alef form a ligature of one column, which this emulator does not draw.
        let ligatures = [
            "\u{644}\u{627}",
            "\u{644}\u{622}",
            "\u{644}\u{623}",
            "\u{644}\u{625}",
        ];
        if ligatures.iter().any(|pair| line.contains(pair)) {
            continue;
        }
        // Published figures have no run.
        let is_expected = is_there(column) || line.starts_with("   published");
        assert!(
            is_expected && !is_there(column - 1) && !is_tail,
            "{title} is elsewhere in {line:?}"
        );
    }
}

#[test]
fn lists_are_text_in_columns() {
    let strings = strings(number_of_texts());
    // The parser cannot take all rows at once.
    for part in strings.chunks(1000) {
        let place = place(part);
        let out = lines(&place, &["runs"]);
        assert_eq!(out.lines().count(), part.len() + 1);
        assert_aligned(&out, "state");
        lines(&place, &["list"]);
        lines(&place, &["runs", "--json"]);
        lines(&place, &["list", "--json"]);
        for number in (0..part.len()).step_by(if number_of_texts() > 1000 { 1 } else { 25 }) {
            lines(&place, &["show", &format!("{number:06}")]);
        }
        say(&place, &["check"]);
        lines(&place, &["plot", "000001"]);
    }
    let number = strings.len();
    println!(
        "FIGURE C5\tcommands with {number} hostile texts in each field, bytes that are not allowed\t0\t0\tok"
    );
}

#[test]
fn every_format_of_the_comparison_keeps_cells_intact() {
    let strings = strings(number_of_texts());
    for part in strings.chunks(1000) {
        let place = place(part);
        let compare = |format: &str| lines(&place, &["compare", "--all", "--format", format]);
        lines(&place, &["compare", "--all", "--json"]);
        assert_comma_separated(&compare("csv"), part.len());
        assert_markdown(&compare("md"));
        assert_latex(&compare("latex"));
        assert_html(&compare("html"));
        let json: serde_json::Value = serde_json::from_str(&compare("json")).unwrap();
        assert!(!json.is_null());
        assert_aligned(&compare("table"), "run");
    }
    let number = strings.len();
    println!(
        "FIGURE C5\texports with {number} hostile texts in each field, cells that leave their place\t0\t0\tok"
    );
}

fn assert_comma_separated(out: &str, runs: usize) {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(out.as_bytes());
    let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert!(records.len() > runs / 2, "{} records", records.len());
    for field in records.iter().flatten() {
        let is_formula =
            field.starts_with(['=', '+', '-', '@', '\t', '\r']) && field.parse::<f64>().is_err();
        assert!(!is_formula, "a spreadsheet would run {field:?}");
    }
}

/// Asserts that all rows have the same number of cells, and that characters of Markdown and HTML are escaped.
fn assert_markdown(out: &str) {
    let bars = |line: &str| {
        let line = line.replace("\\\\", "").replace("\\|", "");
        line.matches('|').count()
    };
    let rows: Vec<&str> = out
        .lines()
        .take_while(|line| line.starts_with('|'))
        .collect();
    assert!(rows.len() > 10);
    for row in &rows {
        // Only the rule below the header has one more bar at its end.
        assert_eq!(bars(row), bars(rows[0]), "{row}");
        let mut before = ' ';
        for c in row.chars() {
            let is_escaped = before == '\\';
            assert!(
                is_escaped || !matches!(c, '<' | '`' | '[' | ']' | '~' | '$'),
                "{c} in {row}"
            );
            before = if is_escaped && c == '\\' { ' ' } else { c };
        }
    }
}

/// The TeX commands that a table may use.
const OURS: [&str; 18] = [
    "textbackslash",
    "textasciicircum",
    "textasciitilde",
    "textless",
    "textgreater",
    "textbar",
    "textquotedbl",
    "textbf",
    "uparrow",
    "downarrow",
    "dagger",
    "ddagger",
    "textsuperscript",
    "S",
    "P",
    "pm",
    "symbol",
    "warmstartchar",
];

/// Letters, signs and accents that have commands.
const SIGNS: &[&str] = &[
    "Delta",
    "u",
    "r",
    "H",
    "v",
    "d",
    "c",
    "b",
    "ss",
    "ae",
    "AE",
    "oe",
    "OE",
    "o",
    "O",
    "l",
    "L",
    "i",
    "ldots",
    "copyright",
    "pounds",
    "times",
    "div",
    "cdot",
    "circ",
    "mu",
    "infty",
    "leq",
    "geq",
    "neq",
    "approx",
    "leftarrow",
    "rightarrow",
    "alpha",
    "beta",
    "gamma",
    "delta",
    "epsilon",
    "eta",
    "theta",
    "lambda",
    "pi",
    "rho",
    "sigma",
    "tau",
    "phi",
    "omega",
    "Sigma",
    "Omega",
];

/// Asserts that only our TeX commands occur, that special characters are escaped, and that all rows have the same number of
/// cells.
fn assert_latex(out: &str) {
    let body = out
        .split("\\toprule")
        .nth(1)
        .unwrap()
        .split("\\bottomrule")
        .next()
        .unwrap();
    let mut cells = None;
    for row in body.lines().filter(|line| line.ends_with("\\\\")) {
        let row = row.strip_suffix("\\\\").unwrap();
        let (mut rest, mut ampersands) = (row, 0);
        while let Some(c) = rest.chars().next() {
            rest = &rest[c.len_utf8()..];
            match c {
                '\\' => {
                    let end = rest
                        .find(|c: char| !c.is_ascii_alphabetic())
                        .unwrap_or(rest.len());
                    if end == 0 {
                        let escaped = rest.chars().next().unwrap();
                        // The last five characters are accents.
                        assert!("{}$&#_%`'^~=.\"".contains(escaped), "\\{escaped} in {row}");
                        rest = &rest[escaped.len_utf8()..];
                    } else {
                        assert!(
                            OURS.contains(&&rest[..end]) || SIGNS.contains(&&rest[..end]),
                            "\\{} in {row}",
                            &rest[..end]
                        );
                        rest = &rest[end..];
                    }
                }
                '&' => ampersands += 1,
                '%' | '#' | '~' | '_' => panic!("{c} in {row}"),
                _ => {}
            }
        }
        assert_eq!(*cells.get_or_insert(ampersands), ampersands, "{row}");
    }
    assert!(cells.is_some());
}

/// Asserts that only our tags and entities occur, that special characters are escaped, and that every tag is closed.
fn assert_html(out: &str) {
    let body = out.split("<body>").nth(1).unwrap();
    let mut open: Vec<&str> = vec!["html", "body"];
    for piece in body.split('<').skip(1) {
        let (tag, text) = piece.split_once('>').unwrap();
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "{piece}");
        } else {
            let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
            assert!(
                ["table", "thead", "tbody", "tr", "th", "td", "b", "p"].contains(&name),
                "<{tag}>"
            );
            let is_class = attributes.is_empty()
                || attributes.starts_with("class=\"") && !attributes.contains("on");
            assert!(is_class, "<{tag}>");
            open.push(name);
        }
        assert!(!text.contains(['>', '"', '\'']), "{text}");
        for entity in text.split('&').skip(1) {
            let known = ["amp;", "lt;", "gt;", "quot;", "#39;"]
                .iter()
                .any(|known| entity.starts_with(known));
            assert!(known, "{text}");
        }
    }
    assert!(open.is_empty(), "{open:?}");
}
