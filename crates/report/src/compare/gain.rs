//! What a run gained over the run whose best checkpoint it started from.

use warmstart_runs::run::RunId;

use super::{Figures, Metric, Options};
use warmstart_runs::store::{Run, Runs};
use warmstart_schema::metric::Unit;

/// The differences between two runs' figures.
#[derive(Debug, Clone, PartialEq)]
pub struct Gain {
    /// The initial run and its experiment.
    pub over: RunId,
    pub experiment: String,
    /// Without the time: a later training's time is no gain over an earlier one's.
    pub figures: Figures,
}

impl Gain {
    /// The gain of a run whose initial run still exists.
    pub fn of(runs: &Runs, run: &Run, options: &Options) -> Option<Self> {
        let source = runs.get(&run.state.started_from.as_ref()?.run)?;
        let before = Figures::to_subtract(runs, source, options);
        let after = Figures::of(&run.state, options.figures);
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

    /// The name of its line.
    pub fn title(&self) -> String {
        format!("gain over {}", self.experiment)
    }
}
