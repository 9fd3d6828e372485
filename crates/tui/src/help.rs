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

/// Columns before a key's description: an indent of two, then its label and at least one space.
pub(crate) const NAME: usize = 13;
/// Columns before a key's label.
pub(crate) const INDENT: usize = 2;

/// A row of the help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Row {
    /// The title of a screen's keys.
    Title(&'static str),
    /// A part of an action's keys, and of its description; either may be empty.
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
        // The user may bind more keys than fit beside the description.
        let labels = wrap(&binding.label, NAME - INDENT - 1);
        let texts = wrap(binding.help, width.saturating_sub(NAME));
        let part = |parts: &[String], row: usize| {
            let part = parts.get(row).map(|part| part.trim_end().to_owned());
            part.unwrap_or_default()
        };
        (0..labels.len().max(texts.len()))
            .map(|row| Row::Key {
                label: part(&labels, row),
                text: part(&texts, row),
            })
            .collect::<Vec<_>>()
    };
    let keys = keys.bindings(context).iter().flat_map(rows);
    std::iter::once(Row::Title(title))
        .chain(keys)
        .chain([Row::Blank])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Keys;

    #[test]
    fn many_keys_of_an_action_stay_beside_its_description() {
        let chosen = ["f5", "f6", "f7", "f8", "f9"];
        let chosen_keys = Keys(chosen.map(str::to_owned).to_vec());
        let keymap = Keymap::rebound(&[("stop".to_owned(), chosen_keys)].into()).unwrap();
        let rows = rows(&keymap, Context::Run, 40);
        let labels = rows.iter().filter_map(|row| match row {
            Row::Key { label, .. } => Some(label.as_str()),
            Row::Title(_) | Row::Blank => None,
        });
        let labels: Vec<&str> = labels.filter(|label| !label.is_empty()).collect();
        let longest = labels.iter().map(|label| label.chars().count()).max();
        assert!(longest < Some(NAME - INDENT), "{labels:?}");
        assert!(labels.join(" ").contains(&chosen.join(" ")), "{labels:?}");
    }
}
