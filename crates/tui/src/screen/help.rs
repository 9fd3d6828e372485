//! ```text
//! ┌ keys ───────────────────────────────────┐
//! │ experiments                             │
//! │   enter l →  open the run, …           │
//! │   r          launch the experiment      │
//! ```
//! Every key, those of the open screen first.

use ratatui::text::{Line, Span};

use crate::help::{INDENT, NAME, Row, rows};
use crate::keys::{Context, Keymap};
use crate::theme::THEME;

/// All lines, at most `width` characters wide, starting with the section of `context`.
pub(super) fn lines(keys: &Keymap, context: Context, width: usize) -> Vec<Line<'static>> {
    let line = |row| match row {
        Row::Title(title) => Line::styled(title, THEME.title),
        Row::Key { label, text } => Line::from(vec![
            Span::styled(
                format!("{:INDENT$}{label:<rest$}", "", rest = NAME - INDENT),
                THEME.key,
            ),
            Span::styled(text, THEME.text),
        ]),
        Row::Blank => Line::default(),
    };
    rows(keys, context, width).into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::help::SECTIONS;

    #[test]
    fn narrow_terminal_cuts_no_word() {
        let keys = Keymap::default();
        let lines: Vec<String> = lines(&keys, Context::Run, 36)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert!(
            lines.iter().all(|line| line.chars().count() <= 36),
            "{lines:#?}"
        );
        let words = |text: &str| {
            text.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let lines = words(&lines.join(" "));
        for (context, _) in SECTIONS {
            for binding in keys.bindings(context) {
                let row = words(&format!("{} {}", binding.label, binding.help));
                assert!(
                    lines.windows(row.len()).any(|part| *part == row[..]),
                    "{row:?}"
                );
            }
        }
    }
}
