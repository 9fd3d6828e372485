//! The default keys of each screen and popup, in the order of the footer and the help.

use super::binding::{Binding, Context};
use super::popups;
use crate::command::Command;
use crate::screen::{compare, dataset, experiments, machine, run};

/// The keys of a context, in groups.
pub(super) fn of(context: Context) -> &'static [&'static [Binding]] {
    match context {
        Context::Experiments => experiments::keys::BINDINGS,
        Context::Run => run::keys::BINDINGS,
        Context::Log => run::keys::LOG,
        Context::Compare => compare::keys::BINDINGS,
        Context::Machine => machine::keys::BINDINGS,
        Context::Dataset => dataset::keys::BINDINGS,
        Context::Filter => popups::FILTER,
        Context::Prompt => popups::PROMPT,
        Context::Columns => popups::COLUMNS,
        Context::Input => popups::INPUT,
        Context::Question => popups::QUESTION,
        Context::Export => popups::EXPORT,
        Context::Palette => popups::PALETTE,
        Context::Editor => popups::EDITOR,
        Context::Difference => popups::DIFFERENCE,
        Context::Text => popups::TEXT,
        Context::Small => popups::SMALL,
    }
}

/// The commands that the footer shows first, if its order is not the table's.
pub fn first_in_footer(context: Context) -> &'static [Command] {
    match context {
        Context::Experiments => experiments::keys::FIRST_IN_FOOTER,
        Context::Run => run::keys::FIRST_IN_FOOTER,
        Context::Compare => compare::keys::FIRST_IN_FOOTER,
        _ => &[],
    }
}
