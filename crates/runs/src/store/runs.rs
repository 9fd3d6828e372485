//! All runs in memory, a fold over the watcher's changes; no I/O.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::queue;
use crate::run::{RunId, RunInfo};
use jiff::Timestamp;
use warmstart_schema::annotation::Annotation;
use warmstart_schema::experiment::Experiment;
use warmstart_schema::state::{Liveness, RunState, Status};
use warmstart_schema::text;

use super::experiment_index::ExperimentIndex;
use super::{Change, ExperimentFile, ExperimentKey, Run};

/// How many runs are in each kind of state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    pub live: usize,
    pub queued: usize,
    pub failed_or_lost: usize,
}

/// All runs below one folder.
#[derive(Debug, Default)]
pub struct Runs {
    by_id: BTreeMap<RunId, Run>,
    /// Each experiment's runs in order of creation.
    by_experiment: HashMap<ExperimentKey, BTreeSet<(Timestamp, RunId)>>,
    keys: HashMap<RunId, ExperimentKey>,
    index: ExperimentIndex,
    /// Updated at each change, so that a frame need not visit ten thousand runs.
    by_state: ByState,
    queue: queue::Content,
    problem: Option<String>,
    ignored_folders: Option<String>,
    revision: u64,
}

/// The runs whose state a screen lists.
#[derive(Debug, Default)]
struct ByState {
    live: BTreeSet<RunId>,
    queued: BTreeSet<RunId>,
    failed_or_lost: BTreeSet<RunId>,
    /// Runs with an unreadable `run.json`.
    unreadable: BTreeSet<RunId>,
}

impl ByState {
    fn file(&mut self, id: &RunId, run: Option<&Run>) {
        let status = run.map(Run::status);
        let is_failed = matches!(status, Some(Status::Failed | Status::Lost));
        for (set, belongs) in [
            (&mut self.live, status.is_some_and(Status::is_live)),
            (&mut self.queued, matches!(status, Some(Status::Queued(_)))),
            (&mut self.failed_or_lost, is_failed),
            (
                &mut self.unreadable,
                run.is_some_and(|run| run.info.is_err()),
            ),
        ] {
            if belongs {
                set.insert(id.clone());
            } else {
                set.remove(id);
            }
        }
    }
}

/// The queue, sanitized: any program may have written its file.
fn sanitized(mut queue: queue::Content) -> queue::Content {
    let active = queue.active.iter_mut().map(|active| &mut active.entry);
    for entry in queue.waiting.iter_mut().chain(active) {
        (entry.stem, entry.slot) = (text::line(&entry.stem, 80), text::line(&entry.slot, 40));
        entry.after = entry.after.take().map(|after| text::line(&after, 80));
    }
    queue.paused = queue.paused.take().map(|reason| text::line(&reason, 200));
    queue
}

impl Runs {
    /// Applies a change; ignores a change of an unknown run.
    pub fn apply(&mut self, change: Change) {
        self.revision += 1;
        let id = change.run().cloned();
        self.fold(change);
        if let Some(id) = id {
            self.by_state.file(&id, self.by_id.get(&id));
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
                self.forget(&id);
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
                self.forget(&id);
                self.by_id.remove(&id);
            }
            Change::Queue(queue) => self.queue = sanitized(queue),
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

    pub fn tally(&self) -> Tally {
        let ByState {
            live,
            queued,
            failed_or_lost,
            ..
        } = &self.by_state;
        Tally {
            live: live.len(),
            queued: queued.len(),
            failed_or_lost: failed_or_lost.len(),
        }
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
        let name = crate::run::source_stem(from);
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
        files.iter().find(|file| file.place == *path)
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
        self.forget(id);
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

    /// Adds a run to its experiment's, in order of creation.
    fn add_to_index(&mut self, id: &RunId) {
        let Some(info) = self.by_id.get(id).and_then(|run| run.info.as_ref().ok()) else {
            return;
        };
        let others = self.index.add(id, info);
        self.assign(id);
        for other in others {
            self.assign(&other);
        }
    }

    /// Moves a run to its experiment.
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

    fn forget(&mut self, id: &RunId) {
        self.unassign(id);
        let Some(info) = self.by_id.get(id).and_then(|run| run.info.as_ref().ok()) else {
            return;
        };
        for other in self.index.remove(id, info) {
            self.assign(&other);
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
        Change::Added {
            id: id.parse().unwrap(),
            info: Ok(info(id, created)),
            experiment: None,
        }
    }

    #[test]
    fn newest_run_is_by_creation_not_by_arrival_or_name() {
        let mut runs = Runs::default();
        runs.apply(added("b", "2026-01-02T00:00:00Z"));
        runs.apply(added("a", "2026-01-03T00:00:00Z"));
        runs.apply(added("z", "2026-01-01T00:00:00Z"));
        assert_eq!(
            runs.latest_of(&ExperimentKey::Stem("s".to_owned()))
                .unwrap()
                .id
                .as_str(),
            "a"
        );
        runs.apply(Change::Removed {
            id: "a".parse().unwrap(),
        });
        assert_eq!(
            runs.latest_of(&ExperimentKey::Stem("s".to_owned()))
                .unwrap()
                .id
                .as_str(),
            "b"
        );
        assert_eq!(runs.all_of(&ExperimentKey::Stem("s".to_owned())).count(), 2);
        assert!(
            runs.latest_of(&ExperimentKey::Stem("other".to_owned()))
                .is_none()
        );
    }

    fn of_file(id: &str, file: Option<&str>, text: &str, source: &str) -> Change {
        let stem = crate::run::stem(source.as_ref());
        let info = RunInfo {
            stem,
            source: source.into(),
            file: file.map(Into::into),
            sha256: file.map(|_| text.to_owned()),
            ..info(id, "2026-01-02T00:00:00Z")
        };
        Change::Added {
            id: id.parse().unwrap(),
            info: Ok(info),
            experiment: None,
        }
    }

    fn file(path: &str, text: &str) -> ExperimentFile {
        let file = ExperimentFile::new(path.into(), Err(Vec::new()));
        ExperimentFile {
            sha256: Some(text.to_owned()),
            ..file
        }
    }

    fn ids_of(runs: &Runs, path: &str) -> String {
        let ids: Vec<&str> = runs
            .all_of(&ExperimentKey::File(path.into()))
            .map(|run| run.id.as_str())
            .collect();
        ids.join(" ")
    }

    #[test]
    fn runs_belong_to_their_file_and_not_to_one_of_the_same_name() {
        let mut runs = Runs::default();
        runs.set_files(&[
            file("/p/quick.yaml", "one"),
            file("/p/sub/quick.yaml", "two"),
        ]);
        runs.apply(of_file("a", Some("/p/quick.yaml"), "one", "quick.yaml"));
        runs.apply(of_file(
            "b",
            Some("/p/sub/quick.yaml"),
            "two",
            "sub/quick.yaml",
        ));
        // c: its file was edited later. d and e: runs of earlier versions, which record a source but no file.
        runs.apply(of_file("c", Some("/p/quick.yaml"), "older", "quick.yaml"));
        runs.apply(of_file("d", None, "", "sub/quick.yaml"));
        runs.apply(of_file("e", None, "", "quick.yaml"));
        assert_eq!(
            (
                ids_of(&runs, "/p/quick.yaml"),
                ids_of(&runs, "/p/sub/quick.yaml")
            ),
            ("a c".into(), "b d".into())
        );
        assert_eq!(
            runs.all_of(&ExperimentKey::Stem("quick".to_owned()))
                .count(),
            1,
            "its experiment is unknown"
        );
        // quick.yaml is removed: c stays with its old file, but e can only belong to the remaining file.
        runs.set_files(&[file("/p/sub/quick.yaml", "two")]);
        assert_eq!(
            (
                ids_of(&runs, "/p/quick.yaml"),
                ids_of(&runs, "/p/sub/quick.yaml")
            ),
            ("a c".into(), "b d e".into())
        );
    }

    #[test]
    fn runs_follow_a_renamed_file_and_stay_without_it() {
        let mut runs = Runs::default();
        runs.set_files(&[file("/p/a.yaml", "text"), file("/p/other.yaml", "else")]);
        runs.apply(of_file("a", Some("/p/a.yaml"), "text", "a.yaml"));
        for (files, key) in [
            (
                vec![file("/p/b.yaml", "text"), file("/p/other.yaml", "else")],
                "/p/b.yaml",
            ),
            // Moved with its project, where the text exists twice: the file with the same name.
            (
                vec![file("/q/a.yaml", "text"), file("/q/copy.yaml", "text")],
                "/q/a.yaml",
            ),
            // Renamed and edited, or two files with the text: unknown.
            (vec![file("/p/b.yaml", "new")], "/p/a.yaml"),
            (
                vec![file("/p/b.yaml", "text"), file("/p/c.yaml", "text")],
                "/p/a.yaml",
            ),
            // The same path, edited.
            (
                vec![file("/p/a.yaml", "new"), file("/p/b.yaml", "text")],
                "/p/a.yaml",
            ),
            (Vec::new(), "/p/a.yaml"),
        ] {
            runs.set_files(&files);
            assert_eq!(ids_of(&runs, key), "a", "{files:?}");
            assert_eq!(runs.experiment_keys().count(), 1);
        }
        runs.apply(Change::Removed {
            id: "a".parse().unwrap(),
        });
        assert_eq!(runs.experiment_keys().count(), 0);
    }

    #[test]
    fn runs_of_earlier_versions_belong_to_the_only_file_of_their_name() {
        let mut runs = Runs::default();
        runs.apply(of_file("old", None, "", "experiments/quick.yaml"));
        assert_eq!(
            runs.all_of(&ExperimentKey::Stem("quick".to_owned()))
                .count(),
            1
        );
        runs.apply(of_file("new", Some("/p/quick.yaml"), "one", "quick.yaml"));
        assert_eq!(ids_of(&runs, "/p/quick.yaml"), "new old");
        runs.apply(of_file(
            "other",
            Some("/p/sub/quick.yaml"),
            "two",
            "sub/quick.yaml",
        ));
        assert_eq!(
            ids_of(&runs, "/p/quick.yaml"),
            "new",
            "it may belong to either"
        );
        runs.apply(Change::Removed {
            id: "other".parse().unwrap(),
        });
        assert_eq!(ids_of(&runs, "/p/quick.yaml"), "new old");
    }

    #[test]
    fn runs_are_counted_by_their_current_state() {
        let mut runs = Runs::default();
        let id: RunId = "a".parse().unwrap();
        let liveness = |liveness| Change::Liveness {
            id: "a".parse().unwrap(),
            liveness,
        };
        let mut after = |change| {
            runs.apply(change);
            let live: Vec<&str> = runs.live().map(|run| run.id.as_str()).collect();
            let unreadable = runs.latest().filter(|run| run.info.is_err()).count();
            (runs.tally(), live.len(), unreadable)
        };
        let tally = |live, queued, failed_or_lost| Tally {
            live,
            queued,
            failed_or_lost,
        };
        assert_eq!(
            after(added("a", "2026-01-02T00:00:00Z")),
            (tally(0, 0, 1), 0, 0)
        );
        assert_eq!(after(liveness(Liveness::Queued(1))), (tally(0, 1, 0), 0, 0));
        assert_eq!(after(liveness(Liveness::Held)), (tally(1, 0, 0), 1, 0));
        assert_eq!(
            after(Change::Info {
                id: id.clone(),
                info: Err("torn".to_owned())
            }),
            (tally(1, 0, 0), 1, 1)
        );
        assert_eq!(after(Change::Removed { id }), (tally(0, 0, 0), 0, 0));
    }

    #[test]
    fn replaced_log_restarts_the_fold() {
        let mut runs = Runs::default();
        runs.apply(added("a", "2026-01-02T00:00:00Z"));
        let stopping = || vec![serde_json::from_str("{\"t\":1,\"event\":\"stopping\"}").unwrap()];
        let id: RunId = "a".parse().unwrap();
        runs.apply(Change::Events {
            id: id.clone(),
            records: stopping(),
            damaged: 2,
            restarted: false,
        });
        assert!(runs.get(&id).unwrap().state.stopping);
        runs.apply(Change::Events {
            id: id.clone(),
            records: Vec::new(),
            damaged: 0,
            restarted: true,
        });
        assert_eq!(*runs.get(&id).unwrap().state, RunState::default());
    }
}
