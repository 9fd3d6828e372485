//! The optimizer of an experiment, with the settings that it has.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

use super::misplaced::{Misplaced, forbid};

const MOMENTUM: f64 = 0.9;

/// The optimizer and its settings. Its other constants are those of the papers: betas of 0.9 and 0.999 for Adam and `AdamW`, a
/// decay of 0.99 for `RMSprop`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "name", rename_all = "lowercase")]
pub enum Optimizer {
    Sgd {
        learning_rate: f64,
        /// 0 means none.
        momentum: f64,
        /// Whether a step looks ahead along the momentum.
        #[serde(skip_serializing_if = "super::is_false")]
        nesterov: bool,
        weight_decay: f64,
    },
    Adam {
        learning_rate: f64,
        weight_decay: f64,
    },
    Adamw {
        learning_rate: f64,
        weight_decay: f64,
    },
    Rmsprop {
        learning_rate: f64,
        weight_decay: f64,
    },
}

impl Optimizer {
    /// The name in experiment files.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sgd { .. } => "sgd",
            Self::Adam { .. } => "adam",
            Self::Adamw { .. } => "adamw",
            Self::Rmsprop { .. } => "rmsprop",
        }
    }

    pub fn learning_rate(&self) -> f64 {
        match *self {
            Self::Sgd { learning_rate, .. }
            | Self::Adam { learning_rate, .. }
            | Self::Adamw { learning_rate, .. }
            | Self::Rmsprop { learning_rate, .. } => learning_rate,
        }
    }

    pub fn weight_decay(&self) -> f64 {
        match *self {
            Self::Sgd { weight_decay, .. }
            | Self::Adam { weight_decay, .. }
            | Self::Adamw { weight_decay, .. }
            | Self::Rmsprop { weight_decay, .. } => weight_decay,
        }
    }

    /// The same without weight decay.
    #[must_use]
    pub fn without_weight_decay(mut self) -> Self {
        match &mut self {
            Self::Sgd { weight_decay, .. }
            | Self::Adam { weight_decay, .. }
            | Self::Adamw { weight_decay, .. }
            | Self::Rmsprop { weight_decay, .. } => *weight_decay = 0.0,
        }
        self
    }
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "OptimizerName")]
enum Name {
    Sgd,
    Adam,
    Adamw,
    Rmsprop,
}

// Parsed flat, so that an error keeps its place in the text.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename = "Optimizer")]
#[schemars(transform = restrict)]
struct Fields {
    name: Name,
    /// Factor of each optimizer step; `train.schedule` changes it during training.
    learning_rate: f64,
    /// Only for `sgd`. Adam and `AdamW` use the betas of their papers (0.9, 0.999), `RMSprop` a decay of 0.99.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "f64", extend("default" = MOMENTUM))]
    momentum: Option<f64>,
    /// Only for `sgd` with momentum: a step looks ahead along the momentum (Nesterov), as in `PyTorch`.
    #[serde(default)]
    nesterov: bool,
    /// Strength of the pull of weights towards 0. `adamw` shrinks the weights themselves; the others add it to the gradients.
    #[serde(default)]
    weight_decay: f64,
}

/// Refuses `null`, which a plain `Option` takes for an absent field.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    f64::deserialize(deserializer).map(Some)
}

fn restrict(schema: &mut Schema) {
    forbid(
        schema,
        &[(&["adam", "adamw", "rmsprop"], &["momentum", "nesterov"])],
    );
}

impl TryFrom<Fields> for Optimizer {
    type Error = Misplaced;

    fn try_from(fields: Fields) -> Result<Self, Misplaced> {
        let Fields {
            name,
            learning_rate,
            momentum,
            nesterov,
            weight_decay,
        } = fields;
        let is_sgd = matches!(name, Name::Sgd);
        if nesterov && !is_sgd {
            return Err(Misplaced::only("nesterov", "`name: sgd`"));
        }
        // Earlier versions wrote SGD's default into the file of every run.
        let is_misplaced = |momentum: &f64| !is_sgd && (momentum - MOMENTUM).abs() > f64::EPSILON;
        if let Some(momentum) = momentum.filter(is_misplaced) {
            return Err(Misplaced::new(
                "momentum",
                "none for this optimizer",
                momentum,
                "momentum belongs to `sgd`; remove the line",
            ));
        }
        Ok(match name {
            Name::Sgd => Self::Sgd {
                learning_rate,
                momentum: momentum.unwrap_or(MOMENTUM),
                nesterov,
                weight_decay,
            },
            Name::Adam => Self::Adam {
                learning_rate,
                weight_decay,
            },
            Name::Adamw => Self::Adamw {
                learning_rate,
                weight_decay,
            },
            Name::Rmsprop => Self::Rmsprop {
                learning_rate,
                weight_decay,
            },
        })
    }
}

impl<'de> Deserialize<'de> for Optimizer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Fields::deserialize(deserializer)?
            .try_into()
            .map_err(D::Error::custom)
    }
}

impl JsonSchema for Optimizer {
    fn schema_name() -> Cow<'static, str> {
        "Optimizer".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Fields::json_schema(generator)
    }
}
