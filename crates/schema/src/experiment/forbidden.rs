//! A value that its type allows and a rule forbids.

use std::borrow::Cow;

/// A field with a forbidden value.
pub(super) struct Finding {
    pub field: Cow<'static, str>,
    pub message: String,
    pub help: Option<String>,
}

impl Finding {
    pub(super) fn new(field: &'static str, expected: &str, found: impl std::fmt::Display) -> Self {
        Self {
            field: field.into(),
            message: format!("expected {expected}, found {found}"),
            help: None,
        }
    }

    pub(super) fn help(mut self, help: &str) -> Self {
        self.help = Some(help.to_owned());
        self
    }
}
