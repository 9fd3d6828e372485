//! Training images mixed in pairs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Mix the images of each batch in pairs, and their labels by the same shares, as timm's `Mixup` does for whole batches. Reported
/// training figures are those of the mixed images: the loss without label smoothing, the accuracy by the label with the larger
/// share.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mix {
    /// Fade images into each other, with shares from a Beta distribution with this parameter. 0 means never.
    #[serde(default)]
    pub mixup: f64,
    /// Paste a rectangle of one image into the other, with areas from a Beta distribution with this parameter. 0 means never.
    #[serde(default)]
    pub cutmix: f64,
    /// Share of the batches to mix.
    #[serde(default = "probability")]
    pub probability: f64,
    /// With both: the share of mixed batches that take `cutmix`.
    #[serde(default = "switch")]
    pub switch: f64,
}

fn probability() -> f64 {
    1.0
}

fn switch() -> f64 {
    0.5
}
