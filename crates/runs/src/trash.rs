//! Deleted runs. Their folders stay in `checkpoints/.trash/` until a user restores them or their time is up.

use crate::launcher;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use crate::queue::{Content, Queue};
use crate::run::{RunDir, RunId, source_stem};
use anyhow::Context as _;
use warmstart_schema::state::Status;

use crate::failure::{Failure, Kind};
use crate::store::{ExperimentKey, Run, Runs};

/// How long a deleted run can be restored.
pub const KEPT: Duration = Duration::from_hours(168);

/// The names of folders that are being removed begin with this.
const REMAINS: &str = "removing-";

/// A deleted run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trashed {
    pub id: RunId,
    /// Seconds since the Unix epoch.
    pub deleted: u64,
}

impl Trashed {
    /// The folder's name contains the time, so that moving it is the whole deletion.
    fn folder(&self, root: &Path) -> PathBuf {
        folder(root).join(format!("{}-{}", self.deleted, self.id))
    }

    /// Where the folder is while its files are removed. No list contains this name.
    fn remains(&self, root: &Path) -> PathBuf {
        folder(root).join(format!("{REMAINS}{}-{}", self.deleted, self.id))
    }

    fn parse(name: &str) -> Option<Self> {
        let (deleted, id) = name.split_once('-')?;
        Some(Self {
            id: id.parse().ok()?,
            deleted: deleted.parse().ok()?,
        })
    }
}

fn folder(root: &Path) -> PathBuf {
    root.join(".trash")
}

fn now() -> u64 {
    jiff::Timestamp::now().as_second().unsigned_abs()
}

/// Why runs cannot be deleted now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    pub what: String,
    /// The run to stop first, and what a stop does to it; `None` if a stop from this machine does not help.
    pub stop: Option<(RunId, &'static str)>,
}

impl Obstacle {
    fn without_stop(what: String) -> Self {
        Self { what, stop: None }
    }
}

/// Why these runs cannot be deleted now: one is running, or a waiting run starts from it.
pub fn obstacle(runs: &Runs, ids: &[RunId]) -> Option<Obstacle> {
    ids.iter()
        .filter_map(|id| runs.get(id))
        .find_map(|run| at_work(run).or_else(|| needed(runs, run, ids)))
}

fn at_work(run: &Run) -> Option<Obstacle> {
    let (label, id) = (run.label(), &run.id);
    if let Some(host) = run.elsewhere() {
        return Some(Obstacle::without_stop(format!(
            "{label} ({id}) is {}; stop it first, on {host}, where it runs",
            run.status().as_str()
        )));
    }
    match run.status() {
        Status::Unreadable => run
            .trouble(0.0)
            .map(|trouble| Obstacle::without_stop(format!("{label} ({id}) {}", trouble.what))),
        Status::Queued(_) => Some(Obstacle {
            what: format!("{label} ({id}) waits in the queue"),
            stop: Some((id.clone(), "takes it out")),
        }),
        status if status.is_live() => Some(Obstacle {
            what: format!("{label} ({id}) is {}", status.as_str()),
            stop: Some((id.clone(), "stops it")),
        }),
        _ => None,
    }
}

/// A run without a checkpoint that is to start from this one, if no other run of the experiment can replace it.
fn needed(runs: &Runs, run: &Run, ids: &[RunId]) -> Option<Obstacle> {
    let stem = run.stem().filter(|_| run.status() == Status::Finished)?;
    let can_be_replaced = runs
        .all_like(run)
        .any(|other| other.status() == Status::Finished && !ids.contains(&other.id));
    if can_be_replaced {
        return None;
    }
    let from = |other: &Run| {
        let init = other
            .experiment
            .as_deref()
            .and_then(|experiment| experiment.init.as_ref());
        let file = other
            .info
            .as_ref()
            .ok()
            .and_then(|info| info.init_file.clone());
        let is_this = match (file, runs.experiment_key(run)) {
            (Some(file), Some(ExperimentKey::File(key))) => file == *key,
            _ => init.is_some_and(|init| source_stem(&init.from) == stem),
        };
        other.state.checkpoint.is_none() && init.is_some() && is_this
    };
    let queued = runs
        .queue()
        .waiting
        .iter()
        .filter_map(|entry| runs.get(&entry.run));
    let heir = runs.live().chain(queued).find(|other| from(other))?;
    Some(Obstacle::without_stop(format!(
        "{} ({}) is to start from {} ({}), its only finished run",
        heir.label(),
        heir.id,
        run.label(),
        run.id
    )))
}

/// Moves a run to the trash. Refuses a run that has a worker or is in the queue.
pub fn delete(root: &Path, id: &RunId) -> anyhow::Result<Trashed> {
    let run = RunDir::of(root, id);
    // Leave folders alone that are no runs: put no lock into them.
    if let Err(error) = fs::symlink_metadata(run.path().join("run.json")) {
        let what = if error.kind() == io::ErrorKind::NotFound {
            format!("{} is no run: it has no run.json", run.path().display())
        } else {
            format!("cannot read run {id}: {error}")
        };
        return Err(Failure::new(Kind::Input, what)
            .help("the folder is unchanged")
            .into());
    }
    let refuse = |what: String| {
        Failure::new(Kind::Input, what).help(format!("stop it first; `warmstart stop {id}` does"))
    };
    let Content {
        waiting, active, ..
    } = Queue::new(root).content()?;
    if waiting.iter().any(|entry| entry.run == *id)
        || active
            .iter()
            .filter(|active| active.entry.run == *id)
            .any(|active| launcher::of_worker(&active.worker).occupies(&run, &active.worker))
    {
        return Err(refuse(format!("run {id} is in the queue and cannot be deleted")).into());
    }
    let moving = || format!("cannot move run {id} to {}", folder(root).display());
    let worker = run.info().ok().and_then(|info| info.worker);
    if worker.is_some_and(|it| {
        launcher::is_elsewhere(&it) && launcher::of_worker(&it).occupies(&run, &it)
    }) {
        return Err(refuse(format!("run {id} has a worker and cannot be deleted")).into());
    }
    // Held while the folder moves, so that no worker can take the run meanwhile.
    let Some(_lock) = run.lock().with_context(moving)? else {
        return Err(refuse(format!("run {id} has a worker and cannot be deleted")).into());
    };
    fs::create_dir_all(folder(root)).with_context(moving)?;
    let trashed = Trashed {
        id: id.clone(),
        deleted: now(),
    };
    fs::rename(run.path(), trashed.folder(root)).with_context(moving)?;
    Ok(trashed)
}

/// Moves a deleted run back to its place.
pub fn restore(root: &Path, trashed: &Trashed) -> anyhow::Result<()> {
    let target = RunDir::of(root, &trashed.id);
    if target.path().exists() {
        let what = format!("run {} already exists and is not replaced", trashed.id);
        return Err(Failure::new(Kind::Input, what)
            .help("delete that one first")
            .into());
    }
    let from = trashed.folder(root);
    fs::rename(&from, target.path()).with_context(|| format!("cannot restore {}", from.display()))
}

/// The runs in the trash, newest first.
pub fn list(root: &Path) -> io::Result<Vec<Trashed>> {
    let names = names(root)?;
    let runs = names.iter().filter_map(|name| name.to_str());
    let mut all: Vec<Trashed> = runs.filter_map(Trashed::parse).collect();
    all.sort_by(|a, b| (b.deleted, &b.id).cmp(&(a.deleted, &a.id)));
    Ok(all)
}

/// The folders that an interrupted removal left.
fn remains(root: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for name in names(root)? {
        if name.to_str().is_some_and(|name| name.starts_with(REMAINS)) {
            found.push(folder(root).join(name));
        }
    }
    Ok(found)
}

/// The names in the trash; none if there is no trash yet.
fn names(root: &Path) -> io::Result<Vec<OsString>> {
    match fs::read_dir(folder(root)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        entries => entries?.map(|entry| Ok(entry?.file_name())).collect(),
    }
}

/// Permanently removes runs deleted at least `age` ago, and what an interrupted removal left; returns how many. A run that cannot be
/// removed does not keep the others in the trash: the error is the first one's.
pub fn empty(root: &Path, age: Duration) -> anyhow::Result<usize> {
    let trash = folder(root);
    let unreadable = || format!("cannot read {}", trash.display());
    let remains = remains(root).with_context(unreadable)?;
    let all = list(root).with_context(unreadable)?;
    let old = all
        .into_iter()
        .filter(|trashed| now().saturating_sub(trashed.deleted) >= age.as_secs());
    // A new name comes first, so that nobody restores a run that has lost some of its files.
    let old = old.map(|trashed| (trashed.folder(root), trashed.remains(root)));
    let remains = remains.into_iter().map(|path| (path.clone(), path));
    let (mut removed, mut failed) = (0, None);
    for (from, path) in remains.chain(old) {
        match fs::rename(&from, &path).and_then(|()| fs::remove_dir_all(&path)) {
            Ok(()) => removed += 1,
            // Another process restored or removed it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                let failure = anyhow::Error::new(error);
                let failure = failure.context(format!("cannot remove {}", path.display()));
                failed = failed.or(Some(failure));
            }
        }
    }
    failed.map_or(Ok(removed), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(ids: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for id in ids {
            let dir = root.path().join(id);
            fs::create_dir(&dir).unwrap();
            fs::write(dir.join("events.jsonl"), id).unwrap();
            fs::write(dir.join("run.json"), "{}").unwrap();
        }
        root
    }

    #[test]
    fn restore_brings_a_run_back_and_never_replaces_another() {
        let root = root(&["a"]);
        let trashed = delete(root.path(), &"a".parse().unwrap()).unwrap();
        assert!(!root.path().join("a").exists());
        assert!(
            crate::survey::list(root.path()).unwrap().is_empty(),
            "the trash is no run"
        );
        assert_eq!(list(root.path()).unwrap(), std::slice::from_ref(&trashed));
        fs::create_dir(root.path().join("a")).unwrap();
        assert!(
            restore(root.path(), &trashed)
                .unwrap_err()
                .to_string()
                .contains("already exists")
        );
        fs::remove_dir(root.path().join("a")).unwrap();
        restore(root.path(), &trashed).unwrap();
        assert_eq!(
            fs::read_to_string(root.path().join("a/events.jsonl")).unwrap(),
            "a"
        );
        assert!(list(root.path()).unwrap().is_empty());
    }

    #[test]
    fn folders_without_run_json_are_not_deleted() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("exports")).unwrap();
        let error = delete(root.path(), &"exports".parse().unwrap())
            .unwrap_err()
            .to_string();
        assert!(error.contains("is no run: it has no run.json"), "{error}");
        assert_eq!(
            fs::read_dir(root.path().join("exports")).unwrap().count(),
            0,
            "no lock is left in it"
        );
        assert!(!root.path().join(".trash").exists());
    }

    #[test]
    fn runs_with_a_worker_are_not_deleted() {
        let root = root(&["a"]);
        let lock = RunDir::new(root.path().join("a")).lock().unwrap().unwrap();
        let error = delete(root.path(), &"a".parse().unwrap())
            .unwrap_err()
            .to_string();
        assert!(error.contains("has a worker"), "{error}");
        assert!(root.path().join("a/events.jsonl").exists());
        drop(lock);
        delete(root.path(), &"a".parse().unwrap()).unwrap();
    }

    #[test]
    fn only_old_runs_are_removed_permanently() {
        let root = root(&["a", "b"]);
        for id in ["a", "b"] {
            delete(root.path(), &id.parse().unwrap()).unwrap();
        }
        let old = list(root.path())
            .unwrap()
            .into_iter()
            .find(|trashed| trashed.id.as_str() == "a")
            .unwrap();
        let older = Trashed {
            deleted: old.deleted - KEPT.as_secs(),
            ..old.clone()
        };
        fs::rename(old.folder(root.path()), older.folder(root.path())).unwrap();
        assert_eq!(empty(root.path(), KEPT).unwrap(), 1);
        assert_eq!(list(root.path()).unwrap().len(), 1);
        assert_eq!(empty(root.path(), Duration::ZERO).unwrap(), 1);
        assert_eq!(empty(root.path(), Duration::ZERO).unwrap(), 0);
    }

    #[test]
    fn a_run_that_cannot_be_removed_does_not_keep_the_others() {
        let root = root(&["a", "b"]);
        for id in ["a", "b"] {
            delete(root.path(), &id.parse().unwrap()).unwrap();
        }
        // The newest comes first. This one is a file, which cannot be removed as a folder.
        let stuck = Trashed {
            id: "c".parse().unwrap(),
            deleted: u64::MAX,
        };
        fs::write(stuck.folder(root.path()), "").unwrap();
        let error = empty(root.path(), Duration::ZERO).unwrap_err().to_string();
        assert!(error.contains("cannot remove"), "{error}");
        assert!(list(root.path()).unwrap().is_empty());
        assert!(stuck.remains(root.path()).exists());
    }

    #[test]
    fn an_interrupted_removal_goes_on_and_its_run_cannot_be_restored() {
        let root = root(&["a"]);
        let trashed = delete(root.path(), &"a".parse().unwrap()).unwrap();
        // Its removal fails, as a file in the place of the folder cannot be removed as a folder.
        fs::remove_dir_all(trashed.folder(root.path())).unwrap();
        fs::write(trashed.folder(root.path()), "").unwrap();
        assert!(empty(root.path(), Duration::ZERO).is_err());
        assert!(list(root.path()).unwrap().is_empty());
        assert!(restore(root.path(), &trashed).is_err());
        assert!(!root.path().join("a").exists());
        // Whatever its age, the next time removes it.
        let remains = trashed.remains(root.path());
        fs::remove_file(&remains).unwrap();
        fs::create_dir(&remains).unwrap();
        fs::write(remains.join("events.jsonl"), "").unwrap();
        assert_eq!(empty(root.path(), KEPT).unwrap(), 1);
        assert!(!remains.exists());
    }
}
