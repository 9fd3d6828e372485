//! The machine screen: the newest reading, and the live and queued runs.

use warmstart_runs::run::RunId;

use super::{Model, Screen, Selection};
use crate::effect::Effect;
use crate::machine::Machine;

/// The state of the machine screen.
#[derive(Debug, Default)]
pub(crate) struct MachineView {
    pub selection: Selection<RunId>,
    /// `None` before the first reading.
    pub machine: Option<Box<Machine>>,
}

impl Model {
    /// The live runs, then the queue in its order.
    pub(crate) fn working_and_waiting(&self) -> Vec<RunId> {
        let waiting = self
            .runs
            .queue()
            .waiting
            .iter()
            .map(|entry| entry.run.clone());
        self.live()
            .map(|run| run.id.clone())
            .chain(waiting)
            .collect()
    }

    /// Notes where the selected run of the machine screen is now.
    pub(crate) fn follow_selected_run(&mut self) {
        if !matches!(self.open, Screen::Machine(_)) {
            return;
        }
        let ids = self.working_and_waiting();
        if let Screen::Machine(view) = &mut self.open {
            view.selection.follow(&ids);
        }
    }

    /// Requests a reading while the machine screen is open, one at a time.
    pub(crate) fn read_machine(&mut self) -> Vec<Effect> {
        if self.reads_machine || !matches!(self.open, Screen::Machine(_)) {
            return Vec::new();
        }
        self.reads_machine = true;
        let worker = |run: &warmstart_runs::store::Run| {
            Some((run.id.clone(), run.state.attempt.as_ref()?.worker.clone()))
        };
        vec![Effect::ReadMachine(
            self.live().filter_map(worker).collect(),
        )]
    }
}
