//! All runs in memory, a fold over the watcher's changes; no I/O.

mod by_experiment;
mod by_state;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::queue;
use crate::run::{RunId, RunInfo};
use jiff::Timestamp;
use warmstart_schema::annotation::Annotation;
use warmstart_schema::experiment::Experiment;
use warmstart_schema::state::{Liveness, RunState};
use warmstart_schema::text;

use self::by_state::{ByState, Tally};
use super::experiment_index::ExperimentIndex;
use super::{Change, ExperimentKey, Run};

/// All runs below one folder.
#[derive(Debug, Default)]
pub struct Runs {
    by_id: BTreeMap<RunId, Run>,
    /// Each experiment's runs in order of creation.
    by_experiment: HashMap<ExperimentKey, BTreeSet<(Timestamp, RunId)>>,
    /// Each run's experiment; none of a run whose `run.json` is unreadable.
    keys: HashMap<RunId, ExperimentKey>,
    index: ExperimentIndex,
    /// Updated at each change, so that a frame need not visit ten thousand runs.
    by_state: ByState,
    queue: queue::Content,
    problem: Option<String>,
    ignored_folders: Option<String>,
    revision: u64,
}

impl Runs {
    /// Applies a change; ignores a change of an unknown run.
    pub fn apply(&mut self, change: Change) {
        self.revision += 1;
        let id = change.run().cloned();
        self.fold(change);
        if let Some(id) = id {
            self.by_state.update(&id, self.by_id.get(&id));
        }
    }

    fn fold(&mut self, change: Change) {
        match change {
            Change::Added {
                id,
                info,
                experiment,
            } => self.add(&id, info, experiment),
            Change::Info { id, info } => {
                self.remove_from_index(&id);
                if let Some(run) = self.by_id.get_mut(&id) {
                    run.info = info;
                    self.add_to_index(&id);
                }
            }
            Change::Events {
                id,
                records,
                damaged,
                restarted,
            } => {
                if let Some(run) = self.by_id.get_mut(&id) {
                    if restarted {
                        *run.state = RunState::default();
                    }
                    run.state.damaged_lines += damaged;
                    for record in records {
                        run.state.apply(record);
                    }
                }
            }
            Change::State {
                id,
                state,
                is_summary,
            } => {
                if let Some(run) = self.by_id.get_mut(&id) {
                    run.state = state;
                    run.is_summary = is_summary;
                }
            }
            Change::Summarized { id } => {
                if let Some(run) = self.by_id.get_mut(&id) {
                    run.state.summarize();
                    run.is_summary = true;
                }
            }
            Change::Experiment { id, experiment } => {
                if let Some(run) = self.by_id.get_mut(&id) {
                    run.experiment = experiment;
                }
            }
            Change::Liveness { id, liveness } => {
                if let Some(run) = self.by_id.get_mut(&id) {
                    run.liveness = liveness;
                }
            }
            Change::Standing { id, standing } => {
                if let Some(run) = self.by_id.get_mut(&id) {
                    run.standing = standing;
                }
            }
            Change::Annotation { id, annotation } => {
                if let Some(run) = self.by_id.get_mut(&id) {
                    run.annotation = annotation;
                }
            }
            Change::Removed { id } => {
                self.remove_from_index(&id);
                self.by_id.remove(&id);
            }
            Change::Queue(queue) => self.queue = queue.sanitized(),
            Change::IgnoredFolders { text } => {
                self.ignored_folders = Some(text::line(&text, 500)).filter(|text| !text.is_empty());
            }
            Change::Problem { text } => {
                self.problem = Some(text::line(&text, 500)).filter(|text| !text.is_empty());
            }
        }
    }

    /// Grows with every change.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// How many runs are live, in the queue, and failed or lost.
    pub fn tally(&self) -> Tally {
        self.by_state.tally()
    }

    /// Runs that a worker has or is about to have, oldest first.
    pub fn live(&self) -> impl Iterator<Item = &Run> {
        self.by_state.live.iter().filter_map(|id| self.get(id))
    }

    /// The newest run of each experiment, and every unreadable run; in no order.
    pub fn latest(&self) -> impl Iterator<Item = &Run> {
        let named = self
            .by_experiment
            .values()
            .filter_map(|ids| ids.last())
            .map(|(_, id)| id);
        named
            .chain(&self.by_state.unreadable)
            .filter_map(|id| self.get(id))
    }

    /// Every run, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Run> {
        self.by_id.values()
    }

    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    pub fn get(&self, id: &RunId) -> Option<&Run> {
        self.by_id.get(id)
    }

    pub fn queue(&self) -> &queue::Content {
        &self.queue
    }

    /// Problems besides the runs, in words.
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// Folders beside the runs that are no runs, in words.
    pub fn ignored_folders(&self) -> Option<&str> {
        self.ignored_folders.as_deref()
    }

    fn add(
        &mut self,
        id: &RunId,
        info: Result<RunInfo, String>,
        experiment: Option<Arc<Experiment>>,
    ) {
        self.remove_from_index(id);
        let run = Run {
            id: id.clone(),
            info,
            experiment,
            state: Box::default(),
            is_summary: false,
            liveness: Liveness::Free,
            standing: None,
            annotation: Annotation::default(),
        };
        self.by_id.insert(id.clone(), run);
        self.add_to_index(id);
    }
}

#[cfg(test)]
mod tests;
