//! What is wrong with an experiment file, in words and with its place.

use std::fmt;
use std::path::Path;

use super::locate::{Place, locate, locate_keys, without_mark};
use crate::text;

/// How many characters of a line a problem shows.
const EXCERPT: usize = 160;

/// A problem of an experiment file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file with the `--set` that changes it, or a wrong `--set` alone.
    pub file: String,
    /// Line and column, counted from 1, if known.
    pub at: Option<(usize, usize)>,
    /// Dotted path of the field; empty for the file as a whole.
    pub field: String,
    /// What was expected, and what was found.
    pub message: String,
    /// What to do next.
    pub help: Option<String>,
    /// The line of the file with the problem.
    pub excerpt: Option<String>,
}

impl Problem {
    /// A problem without a place, sanitized: all of its texts may come from files and command lines.
    pub(super) fn new(file: &str, message: impl Into<String>) -> Self {
        Self {
            file: text::line(file, 600),
            at: None,
            field: String::new(),
            message: text::line(&message.into(), 600),
            help: None,
            excerpt: None,
        }
    }

    /// A problem of a field that only the caller can find. Without a line if the file cannot be read.
    pub fn in_file(
        path: &Path,
        field: &str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        let source = std::fs::read_to_string(path).unwrap_or_default();
        let source = without_mark(&source);
        Self::new(&label(path), message)
            .field(field)
            .at(locate(source, field), source)
            .help(Some(help.into()))
    }

    /// A problem of a value, by the keys that lead to it.
    pub fn at_keys(
        source: &str,
        file: &str,
        keys: &[&str],
        message: String,
        help: Option<String>,
    ) -> Self {
        let source = without_mark(source);
        Self::new(file, message)
            .field(&keys.join("."))
            .at(locate_keys(source, keys), source)
            .help(help)
    }

    pub(super) fn at(mut self, at: Option<Place>, source: &str) -> Self {
        self.at = at;
        // Further to the right there is nothing to point at.
        let shown = at.filter(|(_, column)| *column <= EXCERPT);
        self.excerpt = shown
            .and_then(|(line, _)| source.lines().nth(line - 1))
            .map(printable);
        self
    }

    pub(super) fn field(mut self, field: &str) -> Self {
        self.field = text::line(field, 120);
        self
    }

    pub(super) fn help(mut self, help: Option<String>) -> Self {
        self.help = help.map(|help| text::line(&help, 300));
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some((line, column)) = self.at {
            write!(f, ":{line}:{column}")?;
        }
        if !self.field.is_empty() {
            write!(f, ": {}", self.field)?;
        }
        write!(f, ": {}", self.message)?;
        if let (Some((line, column)), Some(excerpt)) = (self.at, &self.excerpt) {
            let width = caret_column(excerpt, column);
            write!(f, "\n{line:>5} | {excerpt}\n      | {:>width$}", '^')?;
        }
        if let Some(help) = &self.help {
            write!(f, "\n  help: {help}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}

/// The name of a file in problems.
pub(super) fn label(path: &Path) -> String {
    text::line(&path.display().to_string(), 300)
}

/// The column of the screen, from 1, where this character of an excerpt begins: some characters take two columns.
fn caret_column(excerpt: &str, character: usize) -> usize {
    let before: String = excerpt.chars().take(character.saturating_sub(1)).collect();
    // A place may lie behind the end of its line.
    let beyond = character.saturating_sub(before.chars().count()).max(1);
    text::columns(&before) + beyond
}

/// Control characters would move the reader's cursor; each becomes a space so that columns stay correct.
fn printable(source: &str) -> String {
    source
        .chars()
        .take(EXCERPT)
        .map(|c| {
            if text::line(&c.to_string(), 1).is_empty() {
                ' '
            } else {
                c
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_in_an_excerpt_become_spaces_of_the_same_width() {
        assert_eq!(printable("a\u{1b}[1mb\tc"), "a [1mb c");
    }

    #[test]
    fn caret_stands_under_its_character_behind_wide_ones() {
        let source = "{ name: 漢字, epochs: x }";
        let column = source.chars().position(|c| c == 'x').unwrap() + 1;
        let problem = Problem::new("a.yaml", "wrong").at(Some((1, column)), source);
        let said = problem.to_string();
        let lines: Vec<&str> = said.lines().collect();
        let columns_before = |line: &str, c: char| text::columns(line.split(c).next().unwrap());
        assert_eq!(
            columns_before(lines[2], '^'),
            columns_before(lines[1], 'x'),
            "{said}"
        );
    }

    #[test]
    fn caret_may_stand_behind_the_end_of_its_line() {
        let [one, three] = [1, 3].map(|column| {
            let problem = Problem::new("a.yaml", "wrong").at(Some((1, column)), "\n");
            problem.to_string()
        });
        assert!(one.ends_with("| ^") && three.ends_with("|   ^"), "{three}");
    }
}
