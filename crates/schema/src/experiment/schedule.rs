//! The learning rate's schedule and its settings.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::misplaced::{Misplaced, forbid};

const GAMMA: f64 = 0.1;
const PATIENCE: u32 = 10;
/// The constants of `PyTorch`'s `OneCycleLR`.
const RISE: f64 = 0.3;
const START_DIVISOR: f64 = 25.0;
const END_DIVISOR: f64 = 1e4;

/// The learning rate as a function of the step, and with `plateau` also of the monitored metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// The time in which the rate rises linearly to its full value.
    pub warmup: Length,
    /// What the rate does then.
    pub shape: Shape,
}

/// A part of a run, in epochs or in optimizer steps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Length {
    Epochs(f64),
    Steps(u32),
}

impl Length {
    /// Its optimizer steps, in epochs of `per_epoch`.
    pub fn steps(self, per_epoch: f64) -> f64 {
        match self {
            Self::Epochs(epochs) => epochs * per_epoch,
            Self::Steps(steps) => f64::from(steps),
        }
    }
}

/// How the rate changes after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    Constant,
    Step {
        /// Epochs or optimizer steps between two reductions.
        count: u32,
        unit: Every,
        /// Factor of each reduction.
        gamma: f64,
    },
    Exponential {
        gamma: f64,
        every: Every,
    },
    Cosine,
    OneCycle {
        /// Share of the run in which the rate rises.
        rise: f64,
        /// The first rate is the full one over this.
        start_divisor: f64,
        /// The last rate is the first one over this.
        end_divisor: f64,
    },
    Plateau {
        gamma: f64,
        /// Epochs without improvement before a reduction.
        patience: u32,
    },
}

/// How often a rate changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Every {
    #[default]
    Epoch,
    /// Optimizer step.
    Step,
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            warmup: Length::Epochs(0.0),
            shape: Shape::Constant,
        }
    }
}

impl Schedule {
    /// The name in a sentence. Experiment files write `one_cycle`, with an underscore.
    pub fn name(&self) -> &'static str {
        match self.shape {
            Shape::Constant => "constant",
            Shape::Step { .. } => "step",
            Shape::Exponential { .. } => "exponential",
            Shape::Cosine => "cosine",
            Shape::OneCycle { .. } => "one-cycle",
            Shape::Plateau { .. } => "plateau",
        }
    }

    /// Whether the rate depends on the planned number of epochs.
    pub fn depends_on_epochs(&self) -> bool {
        matches!(self.shape, Shape::Cosine | Shape::OneCycle { .. })
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ScheduleName")]
enum Name {
    /// Keep the rate.
    #[default]
    Constant,
    /// Multiply the rate by `gamma` every `step_epochs` epochs, or every `step_steps` optimizer steps.
    Step,
    /// Multiply the rate by `gamma` every epoch, or every optimizer step.
    Exponential,
    /// Lower the rate to 0 along half a cosine.
    Cosine,
    /// Raise the rate from a small one, then lower it to almost 0, each along half a cosine: `PyTorch`'s `OneCycleLR`. Momentum
    /// stays as it is.
    OneCycle,
    /// Reduce the rate when the monitored metric stops improving by a ten-thousandth.
    Plateau,
}

/// The learning rate as a function of the step, and with `plateau` also of the monitored metric.
// Parsed flat, so that an error keeps its place in the text.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename = "Schedule")]
#[schemars(transform = restrict)]
struct Fields {
    /// How the learning rate changes after the warm-up.
    #[serde(default)]
    name: Name,
    /// Epochs in which the rate rises linearly to its full value.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "f64", extend("default" = 0.0))]
    warmup_epochs: Option<f64>,
    /// The same in optimizer steps, instead of `warmup_epochs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    warmup_steps: Option<u32>,
    /// For `step`: epochs between two reductions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    step_epochs: Option<u32>,
    /// For `step`: optimizer steps between two reductions, instead of `step_epochs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    step_steps: Option<u32>,
    /// For `step`, `exponential` and `plateau`: the factor of each reduction. The default is 0.1; `exponential` requires it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gamma: Option<f64>,
    /// For `exponential`: how often to multiply the rate. The default is each epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    every: Option<Every>,
    /// For `one_cycle`: the share of the run in which the rate rises. The default is 0.3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rise: Option<f64>,
    /// For `one_cycle`: the first rate is `learning_rate` over this. The default is 25.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    start_divisor: Option<f64>,
    /// For `one_cycle`: the last rate is the first one over this. The default is 10000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    end_divisor: Option<f64>,
    /// For `plateau`: reduce the rate after more than this many epochs without improvement of the monitored metric. The default
    /// is 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    patience: Option<u32>,
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    f64::deserialize(deserializer).map(Some)
}

/// The fields that belong to some names only, with these names.
const OWNERS: [(&str, &[&str]); 8] = [
    ("step_epochs", &["step"]),
    ("step_steps", &["step"]),
    ("gamma", &["step", "exponential", "plateau"]),
    ("every", &["exponential"]),
    ("rise", &["one_cycle"]),
    ("start_divisor", &["one_cycle"]),
    ("end_divisor", &["one_cycle"]),
    ("patience", &["plateau"]),
];

fn restrict(schema: &mut Schema) {
    let forbidden: Vec<(&str, Vec<&str>)> = Name::ALL
        .map(Name::as_str)
        .into_iter()
        .map(|name| {
            let others = OWNERS.iter().filter(|(_, owners)| !owners.contains(&name));
            (name, others.map(|(field, _)| *field).collect())
        })
        .collect();
    let rules: Vec<(&[&str], &[&str])> = forbidden
        .iter()
        .map(|(name, fields)| (std::slice::from_ref(name), fields.as_slice()))
        .collect();
    forbid(schema, &rules);
}

impl Name {
    const ALL: [Self; 6] = [
        Self::Constant,
        Self::Step,
        Self::Exponential,
        Self::Cosine,
        Self::OneCycle,
        Self::Plateau,
    ];

    /// The name in experiment files.
    fn as_str(self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Step => "step",
            Self::Exponential => "exponential",
            Self::Cosine => "cosine",
            Self::OneCycle => "one_cycle",
            Self::Plateau => "plateau",
        }
    }
}

impl Fields {
    /// The first field that does not belong to the name.
    fn misplaced(&self) -> Option<Misplaced> {
        // In the order of `OWNERS`.
        let given = [
            self.step_epochs.is_some(),
            self.step_steps.is_some(),
            self.gamma.is_some(),
            self.every.is_some(),
            self.rise.is_some(),
            self.start_divisor.is_some(),
            self.end_divisor.is_some(),
            self.patience.is_some(),
        ];
        let name = self.name.as_str();
        OWNERS
            .iter()
            .zip(given)
            .find(|((_, owners), is_given)| *is_given && !owners.contains(&name))
            .map(|((field, owners), _)| {
                let owners: Vec<String> = owners
                    .iter()
                    .map(|name| format!("`name: {name}`"))
                    .collect();
                let (last, first) = owners.split_last().map_or_else(
                    || (String::new(), String::new()),
                    |(last, first)| (last.clone(), first.join(", ")),
                );
                let all = if first.is_empty() {
                    last
                } else {
                    format!("{first} or {last}")
                };
                Misplaced::only(field, &all)
            })
    }

    fn warmup(&self) -> Result<Length, Misplaced> {
        let epochs = self.warmup_epochs.unwrap_or(0.0);
        if self.name == Name::OneCycle {
            let steps = self.warmup_steps.map(f64::from);
            let (field, found) = match steps {
                Some(steps) => ("warmup_steps", steps),
                None => ("warmup_epochs", epochs),
            };
            if found != 0.0 {
                return Err(Misplaced::new(
                    field,
                    "none with `name: one_cycle`, which rises first",
                    found,
                    "remove the line; `rise` says how long the rate rises",
                ));
            }
        }
        match self.warmup_steps {
            None => Ok(Length::Epochs(epochs)),
            Some(_) if epochs != 0.0 => Err(Misplaced::new(
                "warmup_steps",
                "either it or `warmup_epochs`",
                "both",
                "remove one of the two",
            )),
            Some(steps) => Ok(Length::Steps(steps)),
        }
    }

    /// The time between two reductions of `step`.
    fn step(&self) -> Result<(u32, Every), Misplaced> {
        match (self.step_epochs, self.step_steps) {
            (Some(epochs), None) => Ok((epochs, Every::Epoch)),
            (None, Some(steps)) => Ok((steps, Every::Step)),
            (Some(_), Some(_)) => Err(Misplaced::new(
                "step_steps",
                "either it or `step_epochs`",
                "both",
                "remove one of the two",
            )),
            (None, None) => Err(Misplaced::new(
                "step_epochs",
                "a whole number with `name: step`",
                "nothing",
                "add `step_epochs: 10`",
            )),
        }
    }
}

impl TryFrom<Fields> for Schedule {
    type Error = Misplaced;

    fn try_from(fields: Fields) -> Result<Self, Misplaced> {
        if let Some(misplaced) = fields.misplaced() {
            return Err(misplaced);
        }
        let gamma = fields.gamma.unwrap_or(GAMMA);
        let shape = match fields.name {
            Name::Constant => Shape::Constant,
            Name::Cosine => Shape::Cosine,
            Name::Step => {
                let (count, unit) = fields.step()?;
                Shape::Step { count, unit, gamma }
            }
            Name::Exponential => Shape::Exponential {
                gamma: fields.gamma.ok_or_else(|| {
                    Misplaced::new(
                        "gamma",
                        "a factor with `name: exponential`",
                        "nothing",
                        "add `gamma: 0.975`",
                    )
                })?,
                every: fields.every.unwrap_or_default(),
            },
            Name::OneCycle => Shape::OneCycle {
                rise: fields.rise.unwrap_or(RISE),
                start_divisor: fields.start_divisor.unwrap_or(START_DIVISOR),
                end_divisor: fields.end_divisor.unwrap_or(END_DIVISOR),
            },
            Name::Plateau => Shape::Plateau {
                gamma,
                patience: fields.patience.unwrap_or(PATIENCE),
            },
        };
        Ok(Self {
            warmup: fields.warmup()?,
            shape,
        })
    }
}

impl From<&Schedule> for Fields {
    fn from(schedule: &Schedule) -> Self {
        let mut fields = Self::default();
        match schedule.warmup {
            Length::Epochs(epochs) => fields.warmup_epochs = Some(epochs),
            Length::Steps(steps) => fields.warmup_steps = Some(steps),
        }
        fields.name = match schedule.shape {
            Shape::Constant => Name::Constant,
            Shape::Step { count, unit, gamma } => {
                match unit {
                    Every::Epoch => fields.step_epochs = Some(count),
                    Every::Step => fields.step_steps = Some(count),
                }
                fields.gamma = Some(gamma);
                Name::Step
            }
            Shape::Exponential { gamma, every } => {
                (fields.gamma, fields.every) = (Some(gamma), Some(every));
                Name::Exponential
            }
            Shape::Cosine => Name::Cosine,
            Shape::OneCycle {
                rise,
                start_divisor,
                end_divisor,
            } => {
                (fields.rise, fields.start_divisor) = (Some(rise), Some(start_divisor));
                fields.end_divisor = Some(end_divisor);
                Name::OneCycle
            }
            Shape::Plateau { gamma, patience } => {
                (fields.gamma, fields.patience) = (Some(gamma), Some(patience));
                Name::Plateau
            }
        };
        fields
    }
}

impl Serialize for Schedule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Fields::from(self).serialize(serializer)
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
