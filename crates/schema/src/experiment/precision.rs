//! In which number format a run computes.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The number format of convolutions and matrix products, in training and evaluation; weights and sums stay float32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// `bfloat16` where it is at least 1.1 times as fast as `float32`, else `float32`: the run measures both for some steps of
    /// its model before it starts. A machine remembers the answer, and a resumed run keeps it.
    Auto,
    /// Full float32, on a GPU too.
    #[default]
    Float32,
    /// An NVIDIA GPU rounds the inputs of convolutions and matrix products to a mantissa of 10 bits, which is faster. A CPU
    /// computes in float32.
    Tf32,
    /// bfloat16: by autocast on a GPU. A CPU rounds the inputs of convolutions and matrix products, and computes all else in
    /// float32; one without instructions for bfloat16 computes everything in float32.
    Bfloat16,
}

impl Precision {
    /// The number format; none if the run has to measure.
    pub fn fixed(self) -> Option<NumberFormat> {
        match self {
            Self::Auto => None,
            Self::Float32 => Some(NumberFormat::Float32),
            Self::Tf32 => Some(NumberFormat::Tf32),
            Self::Bfloat16 => Some(NumberFormat::Bfloat16),
        }
    }
}

/// The number format in which an attempt computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NumberFormat {
    Float32,
    Tf32,
    Bfloat16,
}

impl NumberFormat {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Float32 => "float32",
            Self::Tf32 => "tf32",
            Self::Bfloat16 => "bfloat16",
        }
    }
}

impl fmt::Display for NumberFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
