//! Parts of the model that learn at another rate, or without weight decay.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parts of the model that learn at another rate, or without weight decay. The factors multiply with each other and with the
/// scheduled rate; the reported rate is without them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Groups {
    /// Factor of the learning rate in the backbone's first block.
    #[serde(default = "one")]
    pub stem: f64,
    /// Factor of the learning rate in the backbone's other blocks.
    #[serde(default = "one")]
    pub blocks: f64,
    /// Factor of the learning rate in the new head.
    #[serde(default = "one")]
    pub head: f64,
    /// Factor of the learning rate from each layer to the one before it, counted from the head as timm counts layers.
    #[serde(default = "one")]
    pub layer_decay: f64,
    /// Whether weight decay also acts on biases, normalization, class tokens and positions. With `false` it only acts on the
    /// weights of convolutions and dense layers, as in timm.
    #[serde(default = "yes")]
    pub decay_norms_and_biases: bool,
}

impl Default for Groups {
    fn default() -> Self {
        Self {
            stem: one(),
            blocks: one(),
            head: one(),
            layer_decay: one(),
            decay_norms_and_biases: yes(),
        }
    }
}

impl Groups {
    /// Whether all parameters train alike.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

fn one() -> f64 {
    1.0
}

fn yes() -> bool {
    true
}
