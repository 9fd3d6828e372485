//! The learning rate's schedule and its settings.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

use super::misplaced::{Misplaced, forbid};

const GAMMA: f64 = 0.1;
const PATIENCE: u32 = 10;

/// The learning rate as a function of the step, and with `plateau` also of the monitored metric.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "name", rename_all = "lowercase")]
pub enum Schedule {
    Constant {
        warmup_epochs: f64,
    },
    Step {
        warmup_epochs: f64,
        /// Epochs between two reductions.
        step_epochs: u32,
        /// Factor of each reduction.
        gamma: f64,
    },
    Cosine {
        warmup_epochs: f64,
    },
    Plateau {
        warmup_epochs: f64,
        gamma: f64,
        /// Epochs without improvement before a reduction.
        patience: u32,
    },
}

impl Default for Schedule {
    fn default() -> Self {
        Self::Constant { warmup_epochs: 0.0 }
    }
}

impl Schedule {
    /// The name in experiment files.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Constant { .. } => "constant",
            Self::Step { .. } => "step",
            Self::Cosine { .. } => "cosine",
            Self::Plateau { .. } => "plateau",
        }
    }

    /// Epochs in which the rate rises linearly to its full value.
    pub fn warmup_epochs(&self) -> f64 {
        match *self {
            Self::Constant { warmup_epochs }
            | Self::Step { warmup_epochs, .. }
            | Self::Cosine { warmup_epochs }
            | Self::Plateau { warmup_epochs, .. } => warmup_epochs,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "ScheduleName")]
enum Name {
    /// Keep the rate.
    #[default]
    Constant,
    /// Multiply the rate by `gamma` every `step_epochs` epochs.
    Step,
    /// Lower the rate to 0 along half a cosine.
    Cosine,
    /// Reduce the rate when the monitored metric stops improving by a ten-thousandth.
    Plateau,
}

/// The learning rate as a function of the step, and with `plateau` also of the monitored metric.
// Parsed flat, so that an error keeps its place in the text.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename = "Schedule")]
#[schemars(transform = restrict)]
struct Fields {
    /// How the learning rate changes after the warm-up.
    #[serde(default)]
    name: Name,
    /// Epochs in which the rate rises linearly to its full value.
    #[serde(default)]
    warmup_epochs: f64,
    /// For `step`: epochs between two reductions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    step_epochs: Option<u32>,
    /// For `step` and `plateau`: the factor of each reduction. The default is 0.1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gamma: Option<f64>,
    /// For `plateau`: reduce the rate after more than this many epochs without improvement of the monitored metric. The default
    /// is 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    patience: Option<u32>,
}

fn restrict(schema: &mut Schema) {
    forbid(
        schema,
        &[
            (
                &["constant", "cosine"],
                &["step_epochs", "gamma", "patience"],
            ),
            (&["step"], &["patience"]),
            (&["plateau"], &["step_epochs"]),
        ],
    );
}

impl TryFrom<Fields> for Schedule {
    type Error = Misplaced;

    fn try_from(fields: Fields) -> Result<Self, Misplaced> {
        let Fields {
            name,
            warmup_epochs,
            step_epochs,
            gamma,
            patience,
        } = fields;
        if step_epochs.is_some() && name != Name::Step {
            return Err(Misplaced::only("step_epochs", "`name: step`"));
        }
        if gamma.is_some() && !matches!(name, Name::Step | Name::Plateau) {
            return Err(Misplaced::only("gamma", "`name: step` or `name: plateau`"));
        }
        if patience.is_some() && name != Name::Plateau {
            return Err(Misplaced::only("patience", "`name: plateau`"));
        }
        let gamma = gamma.unwrap_or(GAMMA);
        Ok(match name {
            Name::Constant => Self::Constant { warmup_epochs },
            Name::Cosine => Self::Cosine { warmup_epochs },
            Name::Step => Self::Step {
                warmup_epochs,
                step_epochs: step_epochs.ok_or_else(|| {
                    Misplaced::new(
                        "step_epochs",
                        "a whole number with `name: step`",
                        "nothing",
                        "add `step_epochs: 10`",
                    )
                })?,
                gamma,
            },
            Name::Plateau => Self::Plateau {
                warmup_epochs,
                gamma,
                patience: patience.unwrap_or(PATIENCE),
            },
        })
    }
}

impl<'de> Deserialize<'de> for Schedule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Fields::deserialize(deserializer)?
            .try_into()
            .map_err(D::Error::custom)
    }
}

impl JsonSchema for Schedule {
    fn schema_name() -> Cow<'static, str> {
        "Schedule".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Fields::json_schema(generator)
    }
}
