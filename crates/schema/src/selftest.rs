//! What `warmstart selftest` finds out about a device.

use serde::{Deserialize, Serialize};

use crate::text;

/// How a check of a self-test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Passed,
    Failed,
    /// It has no meaning on this device; the text says why.
    Skipped,
    /// A measurement, which cannot fail.
    Measured,
}

/// One check of a self-test: the worker answers one JSON line for each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// What is checked: `features`, `losses`.
    #[serde(deserialize_with = "text::read")]
    pub name: String,
    /// Of what: a backbone, an optimizer. Empty where there is one case only.
    #[serde(default, deserialize_with = "text::read")]
    pub case: String,
    pub verdict: Verdict,
    /// The figures, or what went wrong.
    #[serde(deserialize_with = "text::read")]
    pub text: String,
    /// Images a second, or bytes, where something is measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    pub seconds: f64,
}
