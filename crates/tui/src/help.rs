//! The text of the help: the keys of the contexts in [`SECTIONS`], as rows for a popup.

use super::keys::{Binding, Context, Keymap};
use warmstart_schema::text::wrap;

/// The contexts with their titles, in the order of the help.
pub(crate) const SECTIONS: [(Context, &str); 11] = [
    (Context::Experiments, "experiments"),
    (Context::Run, "run"),
    (Context::Log, "run: log"),
    (Context::Compare, "compare"),
    (Context::Machine, "machine"),
    (Context::Dataset, "dataset"),
    (Context::Palette, "while searching"),
    (Context::Editor, "while changing a field"),
    (Context::Filter, "while typing a filter"),
    (Context::Input, "while typing a number or a path"),
    (Context::Export, "while choosing a format"),
];

/// Columns before a key's description: an indent of two, then its name.
pub(crate) const NAME: usize = 13;

/// A row of the help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Row {
    /// The title of a screen's keys.
    Title(&'static str),
    /// A key, on its first row, and a part of its description.
    Key {
        label: String,
        text: String,
    },
    Blank,
}

/// All rows, at most `width` columns wide, starting with the section of `context`.
pub(crate) fn rows(keys: &Keymap, context: Context, width: usize) -> Vec<Row> {
    let (here, elsewhere): (Vec<_>, Vec<_>) = SECTIONS
        .into_iter()
        .partition(|(section, _)| *section == context);
    here.into_iter()
        .chain(elsewhere)
        .flat_map(|(section, title)| section_rows(keys, section, title, width))
        .collect()
}

fn section_rows(keys: &Keymap, context: Context, title: &'static str, width: usize) -> Vec<Row> {
    let rows = |binding: &Binding| {
        let labels =
            std::iter::once(binding.label.to_string()).chain(std::iter::repeat(String::new()));
        let texts = wrap(binding.help, width.saturating_sub(NAME));
        labels
            .zip(texts)
            .map(|(label, text)| Row::Key { label, text })
            .collect::<Vec<_>>()
    };
    let keys = keys.bindings(context).iter().flat_map(rows);
    std::iter::once(Row::Title(title))
        .chain(keys)
        .chain([Row::Blank])
        .collect()
}
