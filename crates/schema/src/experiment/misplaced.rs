//! Fields that belong to one choice of a section and not to another, such as momentum and Adam.

use std::fmt;

use schemars::Schema;
use serde_json::{Map, Value, json};

/// Separates a message from its help in an error's text.
const HELP: &str = "; help: ";
const FIELD: &str = "field `";

/// A field that the section's `name` forbids or requires. serde passes it on as a text, and the parser adds its place.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Misplaced {
    pub field: String,
    pub message: String,
    pub help: String,
}

impl Misplaced {
    pub(super) fn new(field: &str, expected: &str, found: impl fmt::Display, help: &str) -> Self {
        Self {
            field: field.to_owned(),
            message: format!("expected {expected}, found {found}"),
            help: help.to_owned(),
        }
    }

    /// A field that belongs only to other names, which `only_with` lists.
    pub(super) fn only(field: &str, only_with: &str) -> Self {
        Self::new(
            field,
            &format!("it only with {only_with}"),
            "it here",
            "remove the line",
        )
    }

    /// Parses it from an error's text.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (field, rest) = text.strip_prefix(FIELD)?.split_once("`: ")?;
        let (message, help) = rest.split_once(HELP)?;
        Some(Self {
            field: field.to_owned(),
            message: message.to_owned(),
            help: help.to_owned(),
        })
    }
}

impl fmt::Display for Misplaced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{FIELD}{}`: {}{HELP}{}",
            self.field, self.message, self.help
        )
    }
}

/// Adds to a section's JSON Schema which fields some of its names forbid.
pub(super) fn forbid(schema: &mut Schema, rules: &[(&[&str], &[&str])]) {
    let rules: Vec<Value> = rules
        .iter()
        .map(|(names, fields)| {
            let never: Map<String, Value> = fields
                .iter()
                .map(|field| ((*field).to_owned(), Value::Bool(false)))
                .collect();
            json!({
                "if": { "properties": { "name": { "enum": names } } },
                "then": { "properties": never },
            })
        })
        .collect();
    schema.insert("allOf".to_owned(), rules.into());
}
