//! ```text
//! ┌ keys ───────────────────────────────────┐
//! │ experiments                             │
//! │   enter l →  open the run, …           │
//! │   r          launch the experiment      │
//! ```
//! Every key, from the one table of keys; those of the open screen first.

use ratatui::text::{Line, Span};

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

/// All lines, beginning with the section of `context`.
pub fn lines(keys: &Keymap, context: Context) -> Vec<Line<'static>> {
    let (here, elsewhere): (Vec<_>, Vec<_>) = SECTIONS.into_iter().partition(|(section, _)| *section == context);
    here.into_iter().chain(elsewhere).flat_map(|(section, title)| section_lines(keys, section, title)).collect()
}

/// How many lines there are, whatever comes first.
pub fn height(keys: &Keymap) -> usize {
    lines(keys, Context::Experiments).len()
}

fn section_lines(keys: &Keymap, context: Context, title: &'static str) -> Vec<Line<'static>> {
    let row = |binding: &Binding| {
        Line::from(vec![
            Span::styled(format!("  {:<11}", binding.label), THEME.key),
            Span::styled(binding.help, THEME.text),
        ])
    };
    let heading = Line::styled(title, THEME.title);
    std::iter::once(heading).chain(keys.bindings(context).iter().map(row)).chain([Line::default()]).collect()
}
