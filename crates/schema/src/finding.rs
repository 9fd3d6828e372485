//! What was found out about an experiment before it is launched: `warmstart check` tells it, and a launch refuses what it calls an
//! error. One probe finds out one kind of thing; their findings are put together.

use serde::{Deserialize, Serialize};

use crate::text;

/// How much it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A launch fails.
    Error,
    /// A launch goes on; its figures may not be what they seem.
    Warning,
    /// Good to know: what is fetched at launch, what is left out on purpose.
    Note,
}

/// A sentence, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    pub severity: Severity,
    /// The field of the experiment that it is about: `dataset`, `model.weights`.
    pub field: String,
    #[serde(deserialize_with = "text::read")]
    pub text: String,
    /// Empty where there is nothing to do.
    #[serde(
        default,
        deserialize_with = "text::read",
        skip_serializing_if = "String::is_empty"
    )]
    pub help: String,
}

impl Finding {
    pub fn error(field: &str, text: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            field: field.to_owned(),
            text: text.into(),
            help: help.into(),
        }
    }

    pub fn warning(field: &str, text: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            field: field.to_owned(),
            text: text.into(),
            help: String::new(),
        }
    }

    pub fn note(field: &str, text: impl Into<String>) -> Self {
        Self {
            severity: Severity::Note,
            field: field.to_owned(),
            text: text.into(),
            help: String::new(),
        }
    }

    #[must_use]
    pub fn help(self, help: impl Into<String>) -> Self {
        Self {
            help: help.into(),
            ..self
        }
    }
}

/// What `warmstart-worker check` says of each file, a JSON line each.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Checked {
    pub findings: Vec<Finding>,
    /// What a folder of pictures holds, where it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pictures: Option<Counts>,
}

/// Pictures that could be read, by part and class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    #[serde(deserialize_with = "text::read")]
    pub classes: Vec<String>,
    pub train: Vec<u64>,
    pub validation: Vec<u64>,
    pub test: Vec<u64>,
    /// Whether a part has a folder of its own; the others are split off from training.
    pub own_validation: bool,
    pub own_test: bool,
    /// Pictures that could not be read.
    pub unreadable: u64,
}
