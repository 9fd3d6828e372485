//! The experiments of runs, each text parsed once.

use std::collections::HashMap;
use std::sync::Arc;

use warmstart_schema::experiment::{self, Experiment};

use crate::run::RunDir;
use crate::storage;

/// How many parsed experiments are kept in memory.
const MAX_KNOWN: usize = 256;

/// Parsed experiments by their text, because most runs share theirs with others.
#[derive(Debug, Default)]
pub(super) struct Experiments(HashMap<Vec<u8>, Option<Arc<Experiment>>>);

impl Experiments {
    /// The experiment of a run; none if it is unreadable.
    pub(super) fn read(&mut self, dir: &RunDir) -> Option<Arc<Experiment>> {
        let bytes = storage::read_at_most(&dir.experiment_yaml(), experiment::MAX_BYTES as u64)?;
        if let Some(experiment) = self.0.get(&bytes) {
            return experiment.clone();
        }
        let experiment = str::from_utf8(&bytes)
            .ok()
            .and_then(|text| experiment::parse(text, "experiment.yaml").ok());
        let experiment = experiment.map(Arc::new);
        if self.0.len() >= MAX_KNOWN {
            self.0.clear();
        }
        self.0.insert(bytes, experiment.clone());
        experiment
    }
}
