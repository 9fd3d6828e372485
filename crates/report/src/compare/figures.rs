//! The metrics of a run, or of a publication.

use std::collections::BTreeMap;

use warmstart_runs::store::{Run, Runs};
use warmstart_schema::experiment::Reference;
use warmstart_schema::metric::Metric;
use warmstart_schema::state::RunState;

use super::{FiguresOf, Options, Selection};
use crate::group::cells_of;

/// Values by [`Metric`], each in its unit: seconds, or accuracies from 0 to 1. Unmeasured ones are absent.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Figures(BTreeMap<Metric, f64>);

impl Figures {
    pub fn get(&self, metric: Metric) -> Option<f64> {
        self.0.get(&metric).copied()
    }

    /// The values that `of` knows.
    pub(super) fn by(of: impl Fn(Metric) -> Option<f64>) -> Self {
        let figures = Metric::ALL
            .iter()
            .filter_map(|metric| Some((*metric, of(*metric)?)));
        Self(figures.collect())
    }

    /// A run's figures. Training time and test accuracy do not depend on `at`. The best epoch is the tested one, if there is one.
    pub fn of(state: &RunState, at: FiguresOf) -> Self {
        let epoch = match at {
            FiguresOf::BestEpoch => {
                let tested = state.test.as_ref().map(|test| test.epoch);
                let tested = state
                    .epochs
                    .iter()
                    .find(|epoch| Some(epoch.epoch) == tested);
                tested.or_else(|| state.best_or_last_epoch())
            }
            FiguresOf::Last | FiguresOf::Best => state.epochs.last(),
        };
        Self::by(|metric| {
            let figures = state
                .epochs
                .iter()
                .filter(|_| at == FiguresOf::Best)
                .filter_map(|epoch| metric.of_epoch(epoch));
            figures
                .filter(|figure| figure.is_finite())
                .reduce(|a, b| metric.better(a, b))
                .or_else(|| metric.of_run(state.train_time(), epoch, state.test.as_ref()))
        })
    }

    /// A run's figures, to subtract from those of others. A difference reveals both figures, so test figures that the run's group
    /// withholds are left out, unless runs are named one by one.
    pub(super) fn to_subtract(runs: &Runs, run: &Run, options: &Options) -> Self {
        let figures = Self::of(&run.state, options.figures);
        let cells = cells_of(runs, run);
        let settings = run.member().map(|member| &member.settings[..]);
        let cell = cells.iter().find(|cell| Some(cell.settings) == settings);
        let withholds = cell.is_some_and(|cell| cell.choice.withholds().is_some());
        if !withholds || matches!(options.selection, Selection::Runs(_)) {
            return figures;
        }
        Self::by(|metric| figures.get(metric).filter(|_| !metric.is_of_test()))
    }

    /// The study's figures, as its authors published them.
    pub fn published(reference: &Reference) -> Self {
        let figures = [
            (Metric::TrainTime, reference.train_time),
            (Metric::TrainAcc, reference.train_acc),
            (Metric::ValAcc, reference.val_acc),
            (Metric::TrainLoss, reference.train_loss),
            (Metric::ValLoss, reference.val_loss),
            (Metric::TestAcc, reference.test_acc),
        ];
        let known = figures.into_iter();
        Self(
            known
                .filter_map(|(metric, figure)| Some((metric, figure?)))
                .collect(),
        )
    }
}
