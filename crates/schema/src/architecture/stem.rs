//! The first layers of a backbone, and what may take their place.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The first convolution of a backbone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Stem {
    /// The backbone's own.
    #[default]
    Original,
    /// For images of about 32 pixels: a 3×3 convolution that keeps their size, and no pooling behind it, as in He et al.'s
    /// networks for CIFAR. The convolution has new weights.
    Small,
}

impl Stem {
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde's `skip_serializing_if` passes a reference"
    )]
    pub(crate) fn is_original(&self) -> bool {
        *self == Self::Original
    }
}

impl fmt::Display for Stem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Original => "original",
            Self::Small => "small",
        })
    }
}
