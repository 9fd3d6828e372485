//! The default keys of each screen and popup, in the order of the footer and the help.

mod compare;
mod dataset;
mod everywhere;
mod experiments;
mod machine;
mod popups;
mod run;

use super::binding::{Binding, Context};
use crate::command::Command;

/// The keys of a context, in groups.
pub(super) fn of(context: Context) -> &'static [&'static [Binding]] {
    match context {
        Context::Experiments => experiments::BINDINGS,
        Context::Run => run::BINDINGS,
        Context::Log => run::LOG,
        Context::Compare => compare::BINDINGS,
        Context::Machine => machine::BINDINGS,
        Context::Dataset => dataset::BINDINGS,
        Context::Filter => popups::FILTER,
        Context::Prompt => popups::PROMPT,
        Context::Columns => popups::COLUMNS,
        Context::Input => popups::INPUT,
        Context::Question => popups::QUESTION,
        Context::Export => popups::EXPORT,
        Context::Palette => popups::PALETTE,
        Context::Editor => popups::EDITOR,
        Context::Difference => popups::DIFFERENCE,
        Context::Reading => popups::READING,
        Context::Small => popups::SMALL,
    }
}

/// The commands that the footer shows first, if its order is not the table's.
pub fn first_in_foot(context: Context) -> &'static [Command] {
    match context {
        Context::Experiments => experiments::FIRST_IN_FOOT,
        Context::Run => run::FIRST_IN_FOOT,
        Context::Compare => compare::FIRST_IN_FOOT,
        _ => &[],
    }
}
