//! The six figures of the study, of a run or as published.

use warmstart_schema::experiment::Reference;
use warmstart_schema::metric::Metric;
use warmstart_schema::state::RunState;

use super::At;

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
                let tested = state
                    .epochs
                    .iter()
                    .find(|epoch| Some(epoch.epoch) == tested);
                tested
                    .or_else(|| state.best_epoch())
                    .or(state.epochs.last())
            }
            At::Last | At::Best => state.epochs.last(),
        };
        Self(Metric::ALL.map(|metric| match metric {
            Metric::TrainTime => state.train_time(),
            Metric::TestAcc => state.test.as_ref().map(|test| test.accuracy),
            _ if at == At::Best => {
                let figures = state.epochs.iter().filter_map(|epoch| epoch.metric(metric));
                let finite = figures.filter(|figure| figure.is_finite());
                finite
                    .reduce(|a, b| metric.better(a, b))
                    .or_else(|| epoch?.metric(metric))
            }
            _ => epoch?.metric(metric),
        }))
    }

    pub fn published(reference: &Reference) -> Self {
        let Reference {
            train_time,
            train_acc,
            val_acc,
            train_loss,
            val_loss,
            test_acc,
            ..
        } = *reference;
        Self([
            train_time, train_acc, val_acc, train_loss, val_loss, test_acc,
        ])
    }
}
