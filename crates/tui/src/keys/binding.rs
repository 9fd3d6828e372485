//! What a row of the table of keys is made of.

use std::borrow::Cow;

use crossterm::event::KeyCode;

use crate::command::Command;

/// Who gets the next key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Context {
    Experiments,
    Run,
    Log,
    Compare,
    System,
    Dataset,
    /// A filter is being typed.
    Filter,
    /// A text is being typed into a prompt.
    Prompt,
    /// Columns are being chosen.
    Columns,
    /// A number or a path is being typed.
    Inquiry,
    /// A question waits for yes or no.
    Question,
    /// A format is being chosen.
    Export,
    /// Something is searched in the palette.
    Palette,
    /// A value of an experiment file is typed.
    Editor,
    /// Two experiments stand side by side.
    Difference,
    /// A text is being read: help, or a broken file's problems.
    Reading,
    /// The terminal is too small to show anything.
    Small,
}

impl Context {
    pub const ALL: [Self; 17] = [
        Self::Experiments,
        Self::Run,
        Self::Log,
        Self::Compare,
        Self::System,
        Self::Dataset,
        Self::Filter,
        Self::Prompt,
        Self::Columns,
        Self::Inquiry,
        Self::Question,
        Self::Export,
        Self::Palette,
        Self::Editor,
        Self::Difference,
        Self::Reading,
        Self::Small,
    ];
}

impl Context {
    /// Whether characters are text here.
    pub fn is_typing(self) -> bool {
        matches!(
            self,
            Self::Filter | Self::Prompt | Self::Inquiry | Self::Palette | Self::Editor
        )
    }

    /// What a place is called where keys are chosen for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Experiments => "experiments",
            Self::Run => "run",
            Self::Log => "log",
            Self::Compare => "compare",
            Self::System => "machine",
            Self::Dataset => "dataset",
            Self::Filter => "filter",
            Self::Prompt => "prompt",
            Self::Columns => "columns",
            Self::Inquiry => "inquiry",
            Self::Question => "question",
            Self::Export => "export",
            Self::Palette => "palette",
            Self::Editor => "editor",
            Self::Difference => "difference",
            Self::Reading => "reading",
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

/// Keys that mean a command in a context.
#[derive(Debug, Clone)]
pub struct Binding {
    /// What the action is called where keys are chosen for it; in one context all of that name do the same.
    pub action: &'static str,
    pub keys: Cow<'static, [Key]>,
    /// The keys as they are called on screen, the usual one first.
    pub label: Cow<'static, str>,
    pub command: Command,
    /// A word for the foot of the screen; empty for what only the help shows.
    pub word: &'static str,
    pub help: &'static str,
}

/// A character.
pub const fn key(c: char) -> Key {
    Key::Plain(KeyCode::Char(c))
}

/// Another key.
pub const fn code(code: KeyCode) -> Key {
    Key::Plain(code)
}

/// A character with control.
pub const fn control(c: char) -> Key {
    Key::Control(c)
}

/// The action's name, which keys, what they are called on screen, what they mean, their word at the foot (none: only in the
/// help), and what the help says.
pub const fn bind(
    action: &'static str,
    keys: &'static [Key],
    label: &'static str,
    command: Command,
    word: &'static str,
    help: &'static str,
) -> Binding {
    Binding {
        action,
        keys: Cow::Borrowed(keys),
        label: Cow::Borrowed(label),
        command,
        word,
        help,
    }
}
