//! The average of the weights over the steps.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Average the weights over the steps: an exponential moving average, as timm's `ModelEmaV3`. Validation, the best epoch, the test,
/// predictions and exports are then those of the averaged weights. Each epoch also reports the plain weights. `{}` takes the
/// defaults.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ema {
    /// Share of the average that a step keeps. 0.9998 averages over about 5000 steps.
    #[serde(default = "decay")]
    pub decay: f64,
    /// Begin with a small share, which grows to `decay`.
    #[serde(default)]
    pub warmup: bool,
}

fn decay() -> f64 {
    0.9998
}

impl Ema {
    /// The share of the average that step `step` keeps, counted from 1. The first step keeps nothing.
    pub fn kept(&self, step: u64) -> f64 {
        if step <= 1 {
            0.0
        } else if self.warmup {
            self.decay.min(1.0 - (step as f64).powf(-2.0 / 3.0))
        } else {
            self.decay
        }
    }
}
