//! Every key there is: of each screen and popup, in the order in which the foot of the screen and the help show them.

mod compare;
mod dataset;
mod everywhere;
mod experiments;
mod machine;
mod popups;
mod run;

use std::borrow::Cow;

use crossterm::event::KeyCode;

use super::{Binding, Context, Key};
use crate::dashboard::message::Command;

/// The keys of a context, in groups.
pub fn of(context: Context) -> &'static [&'static [Binding]] {
    match context {
        Context::Experiments => experiments::BINDINGS,
        Context::Run => run::BINDINGS,
        Context::Log => run::LOG,
        Context::Compare => compare::BINDINGS,
        Context::System => machine::BINDINGS,
        Context::Dataset => dataset::BINDINGS,
        Context::Filter => popups::FILTER,
        Context::Prompt => popups::PROMPT,
        Context::Columns => popups::COLUMNS,
        Context::Inquiry => popups::INQUIRY,
        Context::Question => popups::QUESTION,
        Context::Export => popups::EXPORT,
        Context::Palette => popups::PALETTE,
        Context::Editor => popups::EDITOR,
        Context::Difference => popups::DIFFERENCE,
        Context::Reading => popups::READING,
    }
}

const fn key(c: char) -> Key {
    Key::Plain(KeyCode::Char(c))
}

const fn code(code: KeyCode) -> Key {
    Key::Plain(code)
}

const fn control(c: char) -> Key {
    Key::Control(c)
}

/// The action's name, which keys, what they are called on screen, what they mean, their word at the foot (none: only in the
/// help), and what the help says.
const fn bind(
    action: &'static str,
    keys: &'static [Key],
    label: &'static str,
    command: Command,
    word: &'static str,
    help: &'static str,
) -> Binding {
    Binding { action, keys: Cow::Borrowed(keys), label: Cow::Borrowed(label), command, word, help }
}
