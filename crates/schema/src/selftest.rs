//! The results of `warmstart selftest` for a device.

use serde::{Deserialize, Serialize};

use crate::text;

/// The result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Passed,
    Failed,
    /// It does not apply to this device; the text says why.
    Skipped,
    /// A measurement, which cannot fail.
    Measured,
}

/// One check: the worker prints one JSON line for each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// The kind of check: `features`, `losses`.
    #[serde(deserialize_with = "text::read")]
    pub name: String,
    /// The case: a backbone, an optimizer. Empty if there is only one.
    #[serde(default, deserialize_with = "text::read")]
    pub case: String,
    pub verdict: Verdict,
    /// The figures, or the error.
    #[serde(deserialize_with = "text::read")]
    pub text: String,
    /// Images per second, or bytes, if it measures something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    pub seconds: f64,
}
