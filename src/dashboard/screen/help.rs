//! ```text
//! ┌ keys ───────────────────────────────────┐
//! │ experiments                             │
//! │   enter l →  open the run, …           │
//! │   r          launch the experiment      │
//! ```
//! Every key, from the one table of keys; those of the open screen first.

use ratatui::text::{Line, Span};

use super::paint::wrap;
use crate::dashboard::keys::{Binding, Context, Keymap};
use crate::dashboard::theme::THEME;

const SECTIONS: [(Context, &str); 11] = [
    (Context::Experiments, "experiments"),
    (Context::Run, "run"),
    (Context::Log, "run: log"),
    (Context::Compare, "compare"),
    (Context::System, "machine"),
    (Context::Dataset, "dataset"),
    (Context::Palette, "while searching"),
    (Context::Editor, "while changing a field"),
    (Context::Filter, "while typing a filter"),
    (Context::Inquiry, "while typing a number or a path"),
    (Context::Export, "while choosing a format"),
];

/// Characters before what a key does: two of indentation, then its name.
const NAME: usize = 13;

/// All lines, of at most `width` characters, beginning with the section of `context`.
pub fn lines(keys: &Keymap, context: Context, width: usize) -> Vec<Line<'static>> {
    let (here, elsewhere): (Vec<_>, Vec<_>) = SECTIONS.into_iter().partition(|(section, _)| *section == context);
    here.into_iter().chain(elsewhere).flat_map(|(section, title)| section_lines(keys, section, title, width)).collect()
}

/// How many lines there are, whatever comes first.
pub fn height(keys: &Keymap, width: usize) -> usize {
    lines(keys, Context::Experiments, width).len()
}

fn section_lines(keys: &Keymap, context: Context, title: &'static str, width: usize) -> Vec<Line<'static>> {
    let rows = |binding: &Binding| {
        let names = std::iter::once(binding.label.to_string()).chain(std::iter::repeat(String::new()));
        let row = |(name, help): (String, String)| {
            Line::from(vec![
                Span::styled(format!("  {name:<rest$}", rest = NAME - 2), THEME.key),
                Span::styled(help, THEME.text),
            ])
        };
        names.zip(wrap(binding.help, width.saturating_sub(NAME))).map(row).collect::<Vec<_>>()
    };
    let heading = Line::styled(title, THEME.title);
    std::iter::once(heading).chain(keys.bindings(context).iter().flat_map(rows)).chain([Line::default()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_a_narrow_terminal_no_word_is_cut() {
        let keys = Keymap::default();
        let lines: Vec<String> = lines(&keys, Context::Run, 36).iter().map(ToString::to_string).collect();
        assert!(lines.iter().all(|line| line.chars().count() <= 36), "{lines:#?}");
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let told = words(&lines.join(" "));
        for (context, _) in SECTIONS {
            for binding in keys.bindings(context) {
                let row = words(&format!("{} {}", binding.label, binding.help));
                assert!(told.windows(row.len()).any(|part| *part == row[..]), "{row:?}");
            }
        }
    }
}
