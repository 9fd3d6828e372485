//! The six figures of the study: what they are called, which way is better, how they are written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A measured figure, in the study's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    TrainTime,
    TrainAcc,
    ValAcc,
    TrainLoss,
    ValLoss,
    TestAcc,
}

impl Metric {
    pub const ALL: [Self; 6] = [
        Self::TrainTime,
        Self::TrainAcc,
        Self::ValAcc,
        Self::TrainLoss,
        Self::ValLoss,
        Self::TestAcc,
    ];

    /// Its name in JSON, CSV and experiment files.
    pub fn key(self) -> &'static str {
        match self {
            Self::TrainTime => "train_time",
            Self::TrainAcc => "train_acc",
            Self::ValAcc => "val_acc",
            Self::TrainLoss => "train_loss",
            Self::ValLoss => "val_loss",
            Self::TestAcc => "test_acc",
        }
    }

    /// Its name on top of a column, with its unit.
    pub fn title(self) -> &'static str {
        match self {
            Self::TrainTime => "train time (s)",
            Self::TrainAcc => "train acc",
            Self::ValAcc => "val acc",
            Self::TrainLoss => "train loss",
            Self::ValLoss => "val loss",
            Self::TestAcc => "test acc",
        }
    }

    pub fn higher_is_better(self) -> bool {
        matches!(self, Self::TrainAcc | Self::ValAcc | Self::TestAcc)
    }

    /// A figure at the precision that the study reports it with.
    pub fn format(self, figure: f64) -> String {
        let decimals = if self == Self::TrainTime { 2 } else { 4 };
        if figure.is_finite() {
            format!("{figure:.decimals$}")
        } else {
            figure.to_string()
        }
    }

    /// The difference of two figures, with its sign.
    pub fn format_difference(self, difference: f64) -> String {
        let sign = if difference >= 0.0 { "+" } else { "" };
        format!("{sign}{}", self.format(difference))
    }

    /// The better of two figures.
    pub fn better(self, a: f64, b: f64) -> f64 {
        if self.higher_is_better() {
            a.max(b)
        } else {
            a.min(b)
        }
    }
}
