//! The columns of the list of experiments and runs. Each shows a field of a run.

use warmstart_report::field::{self, Field, ListColumn};

/// A column.
pub(crate) type ColumnId = &'static Field;

/// Every column, in order.
pub(crate) fn columns() -> impl Iterator<Item = ColumnId> {
    field::fields().iter().filter(|field| field.list.is_some())
}

/// Those that are shown until the user chooses others.
pub(crate) fn usual() -> Vec<ColumnId> {
    let is_usual = |field: &ColumnId| field.list.is_some_and(|list: ListColumn| list.usual);
    columns().filter(is_usual).collect()
}

/// The column of a name: its title, or what the comparison, the filter or an experiment's file calls it.
pub(crate) fn named(name: &str) -> Option<ColumnId> {
    let plain = |name: &str| name.trim().to_lowercase().replace(['_', '-'], " ");
    let name = plain(name);
    // In a filter it is the setting itself, which may be absent.
    let name = if name == "input.resize" { "px" } else { &name };
    columns().find(|field| {
        let names = field.aliases.iter().chain([&field.title, &field.key]);
        names.into_iter().any(|known| plain(known) == name)
    })
}

/// What the columns are called.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    columns().map(|column| column.title)
}

/// Puts columns in their order.
pub(crate) fn arrange(chosen: &mut Vec<ColumnId>) {
    *chosen = columns().filter(|column| chosen.contains(column)).collect();
}
