//! Training images that grow with the epochs.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The size of training images in the first epochs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SizeUntil {
    /// The last epoch with this size.
    pub until_epoch: u32,
    /// Side length in pixels.
    pub resize: u32,
}

impl fmt::Display for SizeUntil {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} pixels until epoch {}", self.resize, self.until_epoch)
    }
}
