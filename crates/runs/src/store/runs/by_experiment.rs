//! Which runs belong to which experiment.

use super::Runs;
use crate::run::{RunId, source_stem};
use crate::store::{ExperimentFile, ExperimentKey, Run};

impl Runs {
    /// Sets the experiment files on disk, to which runs belong.
    pub fn set_files(&mut self, files: &[ExperimentFile]) {
        if !self.index.set_files(files) {
            return;
        }
        self.revision += 1;
        for id in self.by_id.keys().cloned().collect::<Vec<_>>() {
            self.assign(&id);
        }
    }

    /// The experiment of a run; none if its `run.json` is unreadable.
    pub fn experiment_key(&self, run: &Run) -> Option<&ExperimentKey> {
        self.keys.get(&run.id)
    }

    /// Every experiment that has runs.
    pub fn experiment_keys(&self) -> impl Iterator<Item = &ExperimentKey> {
        self.by_experiment.keys()
    }

    /// An experiment's newest run.
    pub fn latest_of(&self, key: &ExperimentKey) -> Option<&Run> {
        self.get(&self.by_experiment.get(key)?.last()?.1)
    }

    /// An experiment's runs, oldest first.
    pub fn all_of(&self, key: &ExperimentKey) -> impl DoubleEndedIterator<Item = &Run> {
        self.by_experiment
            .get(key)
            .into_iter()
            .flatten()
            .filter_map(|(_, id)| self.get(id))
    }

    /// All runs of a run's experiment, including itself, oldest first.
    pub fn all_like(&self, run: &Run) -> impl DoubleEndedIterator<Item = &Run> {
        self.experiment_key(run)
            .into_iter()
            .flat_map(|key| self.all_of(key))
    }

    /// The runs of every experiment that `init: {from: …}` may mean, oldest first within each.
    pub fn all_named(&self, from: &str) -> impl Iterator<Item = &Run> {
        let name = source_stem(from);
        self.by_experiment
            .keys()
            .filter(move |key| key.stem() == name)
            .flat_map(|key| self.all_of(key))
    }

    /// The file of a run, among these.
    pub fn file_of<'a>(
        &self,
        run: &Run,
        files: &'a [ExperimentFile],
    ) -> Option<&'a ExperimentFile> {
        let ExperimentKey::File(path) = self.experiment_key(run)? else {
            return None;
        };
        files.iter().find(|file| file.full_path == *path)
    }

    /// Adds a run to the runs of its experiment. Runs that do not name their file may move to another experiment.
    pub(super) fn add_to_index(&mut self, id: &RunId) {
        let Some(info) = self.by_id.get(id).and_then(|run| run.info.as_ref().ok()) else {
            return;
        };
        let others = self.index.add(id, info);
        self.assign(id);
        for other in others {
            self.assign(&other);
        }
    }

    /// Moves a run to the runs of its experiment, which are in order of creation.
    fn assign(&mut self, id: &RunId) {
        self.unassign(id);
        let Some(info) = self.by_id.get(id).and_then(|run| run.info.as_ref().ok()) else {
            return;
        };
        let key = self.index.experiment_key(info);
        let entry = (info.created, id.clone());
        match self.by_experiment.get_mut(&key) {
            Some(ids) => ids.insert(entry),
            None => self
                .by_experiment
                .entry(key.clone())
                .or_default()
                .insert(entry),
        };
        self.keys.insert(id.clone(), key);
    }

    fn unassign(&mut self, id: &RunId) {
        let Some(key) = self.keys.remove(id) else {
            return;
        };
        let info = self.by_id.get(id).and_then(|run| run.info.as_ref().ok());
        if let Some((ids, info)) = self.by_experiment.get_mut(&key).zip(info) {
            ids.remove(&(info.created, id.clone()));
            if ids.is_empty() {
                self.by_experiment.remove(&key);
            }
        }
    }

    /// Removes a run from the runs of its experiment. Runs that do not name their file may move to another experiment.
    pub(super) fn remove_from_index(&mut self, id: &RunId) {
        self.unassign(id);
        let Some(info) = self.by_id.get(id).and_then(|run| run.info.as_ref().ok()) else {
            return;
        };
        for other in self.index.remove(id, info) {
            self.assign(&other);
        }
    }
}
