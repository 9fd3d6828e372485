//! Problems of an experiment that are found before its launch. `warmstart check` prints them, and a launch refuses errors.

use serde::{Deserialize, Serialize};

use crate::text;

/// How much a finding matters, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A launch fails.
    Error,
    /// A launch works, but its figures may mislead.
    Warning,
    /// A remark: what a launch downloads, or deliberately skips.
    Note,
}

/// What is wrong with a field or worth knowing of it, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    pub severity: Severity,
    /// The field of the experiment: `dataset`, `model.weights`.
    pub field: String,
    #[serde(deserialize_with = "text::read")]
    pub text: String,
    /// Empty if there is nothing to do.
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

/// The findings of a file: `warmstart-worker check` prints one JSON line for each file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Checked {
    pub findings: Vec<Finding>,
    /// The content of an image folder, if it is readable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pictures: Option<Counts>,
}

/// Readable images, by split and class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    #[serde(deserialize_with = "text::read")]
    pub classes: Vec<String>,
    pub train: Vec<u64>,
    pub validation: Vec<u64>,
    pub test: Vec<u64>,
    /// Whether a split has its own folder; the others are split off from training.
    pub own_validation: bool,
    pub own_test: bool,
    /// Unreadable images.
    pub unreadable: u64,
}
