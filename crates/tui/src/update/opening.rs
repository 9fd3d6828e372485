//! Opens the run screen.

use warmstart_runs::run::RunId;

use crate::effect::Effect;
use crate::model::{ChartView, Model, Pane, RunView, Screen};

/// Opens a run's screen with the charts of other runs.
pub(super) fn show_run(model: &mut Model, id: RunId, others: Vec<RunId>) -> Effect {
    let charts = ChartView::with(model.detail).beside(others);
    model.show(Screen::Run(RunView {
        id: id.clone(),
        charts,
        pane: Pane::Charts,
        searched: None,
        logged: [0; 3],
    }));
    Effect::ReadWorkerLog(id)
}
