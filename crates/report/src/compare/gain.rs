//! What a run gained over the one whose best checkpoint it started from.

use warmstart_runs::run::RunId;

use super::{At, Figures, Metric};
use warmstart_runs::store::{Run, Runs};
use warmstart_schema::metric::Unit;

/// The differences between two runs' figures.
#[derive(Debug, Clone, PartialEq)]
pub struct Gain {
    /// The run that it started from, and that one's experiment.
    pub over: RunId,
    pub experiment: String,
    /// Without a time: what a later training took is no gain over an earlier one.
    pub figures: Figures,
}

impl Gain {
    /// Of a run that started from another one which is still here.
    pub fn of(runs: &Runs, run: &Run, at: At) -> Option<Self> {
        let source = runs.get(&run.state.started_from.as_ref()?.run)?;
        let (before, after) = (Figures::of(&source.state, at), Figures::of(&run.state, at));
        let difference = |metric: Metric| {
            let gained = after.get(metric)? - before.get(metric)?;
            (metric.unit() != Unit::Seconds).then_some(gained)
        };
        Some(Self {
            over: source.id.clone(),
            experiment: source.label().to_owned(),
            figures: Figures::by(difference),
        })
    }

    /// What its line is called.
    pub fn title(&self) -> String {
        format!("gain over {}", self.experiment)
    }
}
