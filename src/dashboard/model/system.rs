//! The system screen: the newest reading, and the runs that work or wait.

use warmstart_schema::queue::Entry;
use warmstart_schema::run::RunId;

use super::{Model, Screen, Selection};
use crate::dashboard::effect::Effect;
use crate::dashboard::machine::Machine;

/// The system screen.
#[derive(Debug, Default)]
pub struct SystemView {
    pub selection: Selection<RunId>,
    /// None before the first one has come.
    pub machine: Option<Box<Machine>>,
}

impl Model {
    /// What works, then what waits, in its order.
    pub fn working_and_waiting(&self) -> Vec<RunId> {
        let waiting = self.runs.queue().waiting.iter().map(|entry| entry.run.clone());
        self.live().map(|run| run.id.clone()).chain(waiting).collect()
    }

    /// Asks for a reading of the machine while its screen is open, one at a time.
    pub fn read_machine(&mut self) -> Vec<Effect> {
        if self.reads_machine || !matches!(self.open, Screen::System(_)) {
            return Vec::new();
        }
        self.reads_machine = true;
        let worker = |run: &crate::store::Run| Some((run.id.clone(), run.state.attempt.as_ref()?.worker.clone()));
        vec![Effect::ReadMachine(self.live().filter_map(worker).collect())]
    }

    /// What a waiting run waits for: in a word, and in a sentence.
    pub fn waits_for(&self, entry: &Entry) -> (String, String) {
        let queue = self.runs.queue();
        if let Some(reason) = &queue.paused {
            return ("the queue".to_owned(), format!("The queue is paused {reason}."));
        }
        let active = || queue.active.iter().map(|active| &active.entry);
        let source = entry
            .after
            .as_ref()
            .filter(|stem| active().chain(&queue.waiting).any(|other| other.stem == **stem && other.run != entry.run));
        let label = |run: &RunId, stem: &str| self.runs.get(run).map_or(stem, crate::store::Run::label).to_owned();
        if let Some(stem) = source {
            let label = self.runs.latest_of(stem).map_or(stem.as_str(), crate::store::Run::label);
            return ("its base".to_owned(), format!("It starts from {label}, which has not ended."));
        }
        let before =
            queue.waiting.iter().take_while(|other| other.run != entry.run).find(|other| other.slot == entry.slot);
        match before.or(active().find(|other| other.slot == entry.slot)) {
            Some(other) => {
                (entry.slot.clone(), format!("{} goes to {} before it.", entry.slot, label(&other.run, &other.stem)))
            }
            None => {
                ("its start".to_owned(), "Nothing is in its way: it starts with the next look at the queue.".to_owned())
            }
        }
    }
}
