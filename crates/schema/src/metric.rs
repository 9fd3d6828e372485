//! The metrics of a run. Each row has a metric's name, its unit, which direction is better, and where it is measured.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::measured::{Epoch, Test};

/// The unit of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// From 0 to 1.
    Share,
    Loss,
    Seconds,
}

/// Where a metric is measured.
#[derive(Debug, Clone, Copy)]
enum Source {
    /// The training time of the whole run.
    TrainTime,
    Epoch(fn(&Epoch) -> Option<f64>),
    Test(fn(&Test) -> Option<f64>),
}

#[derive(Debug)]
struct Row {
    /// In JSON, CSV, filters and experiment files: the variant in snake case.
    key: &'static str,
    /// The title of a column, with the unit.
    title: &'static str,
    unit: Unit,
    higher_is_better: bool,
    source: Source,
}

macro_rules! metrics {
    ($($name:ident { $($row:tt)* })*) => {
        /// A metric, in the study's order.
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
        )]
        #[serde(rename_all = "snake_case")]
        pub enum Metric {
            $($name,)*
        }

        impl Metric {
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            const fn row(self) -> &'static Row {
                match self {
                    $(Self::$name => const { &Row { $($row)* } },)*
                }
            }
        }
    };
}

// A metric that the engine adds is a row here. Its source is `epoch.further("its_key")`.
metrics! {
    TrainTime {
        key: "train_time", title: "train time (s)", unit: Unit::Seconds, higher_is_better: false,
        source: Source::TrainTime,
    }
    TrainAcc {
        key: "train_acc", title: "train acc", unit: Unit::Share, higher_is_better: true,
        source: Source::Epoch(|epoch| Some(epoch.train_acc)),
    }
    ValAcc {
        key: "val_acc", title: "val acc", unit: Unit::Share, higher_is_better: true,
        source: Source::Epoch(|epoch| Some(epoch.val_acc)),
    }
    TrainLoss {
        key: "train_loss", title: "train loss", unit: Unit::Loss, higher_is_better: false,
        source: Source::Epoch(|epoch| Some(epoch.train_loss)),
    }
    ValLoss {
        key: "val_loss", title: "val loss", unit: Unit::Loss, higher_is_better: false,
        source: Source::Epoch(|epoch| Some(epoch.val_loss)),
    }
    TestAcc {
        key: "test_acc", title: "test acc", unit: Unit::Share, higher_is_better: true,
        source: Source::Test(|test| Some(test.accuracy)),
    }
}

impl Metric {
    /// Its name in JSON, CSV, filters and experiment files.
    pub const fn key(self) -> &'static str {
        self.row().key
    }

    /// The title of its column, with its unit.
    pub const fn title(self) -> &'static str {
        self.row().title
    }

    pub const fn unit(self) -> Unit {
        self.row().unit
    }

    pub const fn higher_is_better(self) -> bool {
        self.row().higher_is_better
    }

    /// A value with the study's precision.
    pub fn format(self, figure: f64) -> String {
        let decimals = if self.unit() == Unit::Seconds { 2 } else { 4 };
        if figure.is_finite() {
            format!("{figure:.decimals$}")
        } else {
            figure.to_string()
        }
    }

    /// The difference of two values, with its sign.
    pub fn format_difference(self, difference: f64) -> String {
        let sign = if difference >= 0.0 { "+" } else { "" };
        format!("{sign}{}", self.format(difference))
    }

    /// The better of two values.
    pub fn better(self, a: f64, b: f64) -> f64 {
        if self.higher_is_better() {
            a.max(b)
        } else {
            a.min(b)
        }
    }

    /// An epoch's value; none for a metric that a run measures once.
    pub fn of_epoch(self, epoch: &Epoch) -> Option<f64> {
        match self.row().source {
            Source::Epoch(of) => of(epoch),
            Source::TrainTime | Source::Test(_) => None,
        }
    }

    /// Whether it is measured on the test images.
    pub const fn is_of_test(self) -> bool {
        matches!(self.row().source, Source::Test(_))
    }

    /// A run's value, from its training time, its chosen epoch, and its test.
    pub fn of_run(
        self,
        train_time: Option<f64>,
        epoch: Option<&Epoch>,
        test: Option<&Test>,
    ) -> Option<f64> {
        match self.row().source {
            Source::TrainTime => train_time,
            Source::Epoch(of) => of(epoch?),
            Source::Test(of) => of(test?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_the_names_in_experiment_files() {
        for metric in Metric::ALL {
            assert_eq!(serde_json::to_value(metric).unwrap(), metric.key());
        }
    }
}
