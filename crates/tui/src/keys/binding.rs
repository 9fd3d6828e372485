//! The types of the key table.

use std::borrow::Cow;

use crossterm::event::KeyCode;

use crate::command::Command;

/// The part of the dashboard that gets the next key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Context {
    Experiments,
    Run,
    Log,
    Compare,
    Machine,
    Dataset,
    /// The user types a filter.
    Filter,
    /// The user types tags or a note.
    Prompt,
    /// The user chooses columns.
    Columns,
    /// The user types a number, a path or a search.
    Input,
    /// A question waits for yes or no.
    Question,
    /// The user chooses an export format.
    Export,
    /// The user searches the palette.
    Palette,
    /// The user edits a value of an experiment file.
    Editor,
    /// Two experiments are shown side by side.
    Difference,
    /// A text is shown: help, messages, a broken file's problems, a prediction.
    Text,
    /// The terminal is too small to show anything.
    Small,
}

impl Context {
    pub const ALL: [Self; 17] = [
        Self::Experiments,
        Self::Run,
        Self::Log,
        Self::Compare,
        Self::Machine,
        Self::Dataset,
        Self::Filter,
        Self::Prompt,
        Self::Columns,
        Self::Input,
        Self::Question,
        Self::Export,
        Self::Palette,
        Self::Editor,
        Self::Difference,
        Self::Text,
        Self::Small,
    ];

    /// Whether characters are input here.
    pub fn is_typing(self) -> bool {
        matches!(
            self,
            Self::Filter | Self::Prompt | Self::Input | Self::Palette | Self::Editor
        )
    }

    /// The context's name in the settings. Users' files hold it, so it stays even where the variant has another name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Experiments => "experiments",
            Self::Run => "run",
            Self::Log => "log",
            Self::Compare => "compare",
            Self::Machine => "machine",
            Self::Dataset => "dataset",
            Self::Filter => "filter",
            Self::Prompt => "prompt",
            Self::Columns => "columns",
            Self::Input => "inquiry",
            Self::Question => "question",
            Self::Export => "export",
            Self::Palette => "palette",
            Self::Editor => "editor",
            Self::Difference => "difference",
            Self::Text => "reading",
            Self::Small => "small",
        }
    }
}

/// A key, or a key with control.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    Plain(KeyCode),
    Control(char),
}

/// Keys that run a command in a context.
#[derive(Debug, Clone)]
pub struct Binding {
    /// The action's name in the settings. In one context, all bindings of a name run the same
    /// command.
    pub action: &'static str,
    pub keys: Cow<'static, [Key]>,
    /// The keys as text, the usual one first.
    pub label: Cow<'static, str>,
    pub command: Command,
    /// The action's word in the footer; empty for actions that only the help shows.
    pub word: &'static str,
    pub help: &'static str,
}

/// A character.
pub(crate) const fn key(c: char) -> Key {
    Key::Plain(KeyCode::Char(c))
}

/// A key that is not a character.
pub(crate) const fn code(code: KeyCode) -> Key {
    Key::Plain(code)
}

/// A character with control.
pub(crate) const fn control(c: char) -> Key {
    Key::Control(c)
}

/// A row of a table of keys.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    pub(crate) action: &'static str,
    pub(crate) keys: &'static [Key],
    pub(crate) label: &'static str,
    pub(crate) command: Command,
    pub(crate) word: &'static str,
    pub(crate) help: &'static str,
}

/// The binding of a row, before the settings change its keys.
pub(crate) const fn bind(row: Row) -> Binding {
    Binding {
        action: row.action,
        keys: Cow::Borrowed(row.keys),
        label: Cow::Borrowed(row.label),
        command: row.command,
        word: row.word,
        help: row.help,
    }
}
