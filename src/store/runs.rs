//! All runs as their folders tell, by folding changes; no I/O.

use std::collections::{BTreeMap, HashMap};

use warmstart_schema::event::Record;
use warmstart_schema::experiment::Experiment;
use warmstart_schema::queue;
use warmstart_schema::run::{RunId, RunInfo};
use warmstart_schema::state::{Liveness, RunState, Status};

/// What a poll of the run folders found.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a change is made once, moved once and gone")]
pub enum Change {
    /// A run whose log was read to its end; its events come next.
    Added {
        id: RunId,
        info: Result<RunInfo, String>,
        experiment: Option<Experiment>,
    },
    /// `run.json` was written anew.
    Info {
        id: RunId,
        info: Result<RunInfo, String>,
    },
    /// Lines were appended; `restarted` when the log was replaced and what was read before is void.
    Events {
        id: RunId,
        records: Vec<Record>,
        damaged: usize,
        restarted: bool,
    },
    Liveness {
        id: RunId,
        liveness: Liveness,
    },
    Removed {
        id: RunId,
    },
    Queue(queue::Content),
    /// Something beside the runs cannot be read.
    Problem {
        text: String,
    },
}

/// One run.
#[derive(Debug, Clone)]
pub struct Run {
    pub id: RunId,
    pub info: Result<RunInfo, String>,
    /// As it was frozen at launch.
    pub experiment: Option<Experiment>,
    pub state: RunState,
    pub liveness: Liveness,
}

impl Run {
    pub fn status(&self) -> Status {
        self.state.status(self.liveness)
    }

    /// The experiment's name, or the run's own where that cannot be read.
    pub fn label(&self) -> &str {
        self.info.as_ref().map_or(self.id.as_str(), |info| &info.experiment)
    }

    /// The experiment's file stem.
    pub fn stem(&self) -> Option<&str> {
        self.info.as_ref().ok().map(|info| info.stem.as_str())
    }

    /// The device it runs on, or the one asked for before a worker has chosen.
    pub fn device(&self) -> &str {
        let chosen = self.state.attempt.as_ref().map(|attempt| attempt.device.as_str());
        chosen.or_else(|| self.info.as_ref().ok().map(|info| info.device.as_str())).unwrap_or("")
    }
}

/// All runs below one folder.
#[derive(Debug, Default)]
pub struct Runs {
    by_id: BTreeMap<RunId, Run>,
    /// Each experiment's runs in order of creation.
    by_stem: HashMap<String, Vec<RunId>>,
    queue: queue::Content,
    problem: Option<String>,
}

impl Runs {
    /// Takes in a change; one of a run that is not known is of no consequence.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Added { id, info, experiment } => self.add(&id, info, experiment),
            Change::Info { id, info } => {
                self.forget(&id);
                if let Some(run) = self.by_id.get_mut(&id) {
                    run.info = info;
                    self.index(&id);
                }
            }
            Change::Events { id, records, damaged, restarted } => {
                if let Some(run) = self.by_id.get_mut(&id) {
                    if restarted {
                        run.state = RunState::default();
                    }
                    run.state.damaged_lines += damaged;
                    for record in records {
                        run.state.apply(record);
                    }
                }
            }
            Change::Liveness { id, liveness } => {
                if let Some(run) = self.by_id.get_mut(&id) {
                    run.liveness = liveness;
                }
            }
            Change::Removed { id } => {
                self.forget(&id);
                self.by_id.remove(&id);
            }
            Change::Queue(queue) => self.queue = queue,
            Change::Problem { text } => self.problem = Some(text).filter(|text| !text.is_empty()),
        }
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

    /// An experiment's newest run.
    pub fn latest_of(&self, stem: &str) -> Option<&Run> {
        self.get(self.by_stem.get(stem)?.last()?)
    }

    /// An experiment's runs, oldest first.
    pub fn all_of(&self, stem: &str) -> impl DoubleEndedIterator<Item = &Run> {
        self.by_stem.get(stem).into_iter().flatten().filter_map(|id| self.get(id))
    }

    pub fn queue(&self) -> &queue::Content {
        &self.queue
    }

    /// What beside the runs cannot be read, in words.
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    fn add(&mut self, id: &RunId, info: Result<RunInfo, String>, experiment: Option<Experiment>) {
        self.forget(id);
        let run = Run { id: id.clone(), info, experiment, state: RunState::default(), liveness: Liveness::Free };
        self.by_id.insert(id.clone(), run);
        self.index(id);
    }

    /// Puts a run among its experiment's, in order of creation.
    fn index(&mut self, id: &RunId) {
        let created = |id: &RunId| self.by_id.get(id).and_then(|run| run.info.as_ref().ok()).map(|info| info.created);
        if let Some(stem) = self.by_id.get(id).and_then(Run::stem) {
            let ids = self.by_stem.entry(stem.to_owned()).or_default();
            let place = ids.partition_point(|other| (created(other), other) < (created(id), id));
            ids.insert(place, id.clone());
        }
    }

    fn forget(&mut self, id: &RunId) {
        let stem = self.by_id.get(id).and_then(Run::stem);
        if let Some(ids) = stem.and_then(|stem| self.by_stem.get_mut(stem)) {
            ids.retain(|other| other != id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(id: &str, created: &str) -> RunInfo {
        serde_json::from_value(serde_json::json!({
            "format": 1, "id": id, "experiment": "Name", "group": "g", "stem": "s", "source": "s.yaml",
            "created": created, "device": "auto",
        }))
        .unwrap()
    }

    fn added(id: &str, created: &str) -> Change {
        Change::Added { id: id.parse().unwrap(), info: Ok(info(id, created)), experiment: None }
    }

    #[test]
    fn the_newest_run_is_by_creation_not_by_arrival_or_name() {
        let mut runs = Runs::default();
        runs.apply(added("b", "2026-01-02T00:00:00Z"));
        runs.apply(added("a", "2026-01-03T00:00:00Z"));
        runs.apply(added("z", "2026-01-01T00:00:00Z"));
        assert_eq!(runs.latest_of("s").unwrap().id.as_str(), "a");
        runs.apply(Change::Removed { id: "a".parse().unwrap() });
        assert_eq!(runs.latest_of("s").unwrap().id.as_str(), "b");
        assert_eq!(runs.all_of("s").count(), 2);
        assert!(runs.latest_of("other").is_none());
    }

    #[test]
    fn a_replaced_log_starts_the_fold_anew() {
        let mut runs = Runs::default();
        runs.apply(added("a", "2026-01-02T00:00:00Z"));
        let stopping = || vec![serde_json::from_str("{\"t\":1,\"event\":\"stopping\"}").unwrap()];
        let id: RunId = "a".parse().unwrap();
        runs.apply(Change::Events { id: id.clone(), records: stopping(), damaged: 2, restarted: false });
        assert!(runs.get(&id).unwrap().state.stopping);
        runs.apply(Change::Events { id: id.clone(), records: Vec::new(), damaged: 0, restarted: true });
        assert_eq!(runs.get(&id).unwrap().state, RunState::default());
    }
}
