//! The six figures of the study, of a run or as published.

use warmstart_schema::event::Epoch;
use warmstart_schema::experiment::{Reference, ReferenceFigure};
use warmstart_schema::state::RunState;

use super::At;

/// A measured figure, in the study's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Metric {
    TrainTime,
    TrainAcc,
    ValAcc,
    TrainLoss,
    ValLoss,
    TestAcc,
}

impl Metric {
    pub const ALL: [Self; 6] =
        [Self::TrainTime, Self::TrainAcc, Self::ValAcc, Self::TrainLoss, Self::ValLoss, Self::TestAcc];

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

    /// What a published row calls it.
    pub fn of_reference(self) -> ReferenceFigure {
        match self {
            Self::TrainTime => ReferenceFigure::TrainTime,
            Self::TrainAcc => ReferenceFigure::TrainAcc,
            Self::ValAcc => ReferenceFigure::ValAcc,
            Self::TrainLoss => ReferenceFigure::TrainLoss,
            Self::ValLoss => ReferenceFigure::ValLoss,
            Self::TestAcc => ReferenceFigure::TestAcc,
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
        if figure.is_finite() { format!("{figure:.decimals$}") } else { figure.to_string() }
    }

    /// The difference of two figures, with its sign.
    pub fn format_difference(self, difference: f64) -> String {
        let sign = if difference >= 0.0 { "+" } else { "" };
        format!("{sign}{}", self.format(difference))
    }

    /// The better of two figures.
    pub fn better(self, a: f64, b: f64) -> f64 {
        if self.higher_is_better() { a.max(b) } else { a.min(b) }
    }

    /// An epoch's figure; none for what is measured once in a run.
    pub fn of_epoch(self, epoch: &Epoch) -> Option<f64> {
        match self {
            Self::TrainAcc => Some(epoch.train_acc),
            Self::ValAcc => Some(epoch.val_acc),
            Self::TrainLoss => Some(epoch.train_loss),
            Self::ValLoss => Some(epoch.val_loss),
            Self::TrainTime | Self::TestAcc => None,
        }
    }
}

/// Figures by [`Metric`]; what has not been measured is absent.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Figures(pub(super) [Option<f64>; 6]);

impl Figures {
    pub fn get(&self, metric: Metric) -> Option<f64> {
        self.0[metric as usize]
    }

    /// A run's figures. The time is that of the whole training, and the test is measured once, whatever epoch is asked for.
    pub fn of(state: &RunState, at: At) -> Self {
        let epoch = match at {
            At::BestEpoch => {
                let tested = state.test.as_ref().map(|test| test.epoch);
                let tested = state.epochs.iter().find(|epoch| Some(epoch.epoch) == tested);
                tested.or_else(|| state.best_epoch()).or(state.epochs.last())
            }
            At::Last | At::Best => state.epochs.last(),
        };
        Self(Metric::ALL.map(|metric| match metric {
            Metric::TrainTime => state.train_time(),
            Metric::TestAcc => state.test.as_ref().map(|test| test.accuracy),
            _ if at == At::Best => {
                let figures = state.epochs.iter().filter_map(|epoch| metric.of_epoch(epoch));
                let finite = figures.filter(|figure| figure.is_finite());
                finite.reduce(|a, b| metric.better(a, b)).or_else(|| metric.of_epoch(epoch?))
            }
            _ => metric.of_epoch(epoch?),
        }))
    }

    pub fn published(reference: &Reference) -> Self {
        let Reference { train_time, train_acc, val_acc, train_loss, val_loss, test_acc, .. } = *reference;
        Self([train_time, train_acc, val_acc, train_loss, val_loss, test_acc])
    }
}
