//! The run folder: the contract between the worker, which writes it, and everything else, which reads it.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::event_log::EventReader;
use crate::pictures::Sets;
use crate::storage::{Disk, Storage, replace};
use warmstart_schema::annotation::Annotation;
use warmstart_schema::experiment::Experiment;
use warmstart_schema::identity::Handle;
pub use warmstart_schema::run_id::{BadRunId, RunId};
use warmstart_schema::state::RunState;
use warmstart_schema::text;

/// How often, and how far apart, a lock is tried before the run counts as taken.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(5);

/// Room for the last word, and where it is kept until then.
const RESERVED: usize = 16 << 10;
const RESERVE: &str = ".reserve";

const PICTURES: &str = "pictures.json";

/// Version of the run folder; a reader refuses a newer one.
pub const FORMAT: u32 = 1;

/// Names tried for a new run before its folder counts as one that cannot be made.
const NAMES: usize = 10;

/// `run.json`: what a run is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunInfo {
    pub format: u32,
    pub id: RunId,
    /// The experiment's name, as a label.
    pub experiment: String,
    /// That name to the last character, where the label is not that: for machines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exact: Option<String>,
    pub group: String,
    /// The experiment's file without folder and `.yaml`: what `init: {from: …}` and the command line name it by.
    pub stem: String,
    /// The file that it was launched from, as given.
    pub source: PathBuf,
    pub created: Timestamp,
    /// That file's whole path, links followed; absent in runs of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// SHA-256 of that file's text at launch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// The whole path of the file that `init: {from: …}` meant at launch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init_file: Option<PathBuf>,
    /// The folder that it was launched in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<PathBuf>,
    /// The device asked for: `auto`, `cpu` or `cuda:N`.
    pub device: String,
    /// The worker that has, or last had, the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<Handle>,
}

/// `names.json`: which checkpoint is which, by step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Names {
    pub last: Option<u64>,
    pub best: Option<u64>,
}

/// `labels.json`: the classes in the order of the model's outputs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Labels {
    /// Exactly as their folders or their publisher call them: not for screens.
    pub names: Vec<String>,
    /// Training images of each.
    pub train_images: Vec<u32>,
}

impl Labels {
    /// The names as they may be shown, told apart.
    pub fn shown(&self) -> Vec<String> {
        text::distinct(self.names.iter().map(String::as_str), 80)
    }
}

/// What a new run starts from.
#[derive(Debug, Clone)]
pub struct Launch<'a> {
    pub experiment: &'a Experiment,
    pub source: &'a Path,
    pub device: &'a str,
}

/// The folder of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunDir {
    path: PathBuf,
}

/// Held by the worker for its whole life; the system lets go of it however the worker ends.
#[derive(Debug)]
pub struct RunLock(
    #[expect(
        dead_code,
        reason = "held, not read: closing the file gives the lock back"
    )]
    File,
);

impl RunDir {
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The run's folder below `root`.
    pub fn of(root: &Path, id: &RunId) -> Self {
        Self::new(root.join(id.as_str()))
    }

    /// Makes the folder of a new run, all of it or nothing.
    pub fn create(root: &Path, launch: &Launch) -> io::Result<(Self, RunInfo)> {
        Self::create_after(root, launch, None)
    }

    /// Likewise, of an experiment whose `init: {from: …}` means this file.
    pub fn create_after(
        root: &Path,
        launch: &Launch,
        init_file: Option<&Path>,
    ) -> io::Result<(Self, RunInfo)> {
        // Two runs of one second may draw the same name.
        let is_taken = |error: &io::Error| {
            matches!(
                error.kind(),
                io::ErrorKind::AlreadyExists | io::ErrorKind::DirectoryNotEmpty
            )
        };
        let mut created = Self::create_as(root, launch, init_file, RunId::generate());
        for _ in 0..NAMES {
            match &created {
                Err(error) if is_taken(error) => {
                    created = Self::create_as(root, launch, init_file, RunId::generate());
                }
                _ => break,
            }
        }
        created
    }

    fn create_as(
        root: &Path,
        launch: &Launch,
        init_file: Option<&Path>,
        id: RunId,
    ) -> io::Result<(Self, RunInfo)> {
        let text = fs::read(launch.source).ok();
        let info = RunInfo {
            exact: text
                .as_deref()
                .and_then(|text| exact_name(text, &launch.experiment.name)),
            format: FORMAT,
            id,
            experiment: launch.experiment.name.clone(),
            group: launch.experiment.group.clone(),
            stem: stem(launch.source),
            source: launch.source.to_path_buf(),
            // What has no text on this disk any more is known by its stem alone.
            file: fs::canonicalize(launch.source).ok(),
            sha256: text.as_deref().map(crate::storage::fingerprint),
            init_file: init_file.map(Path::to_path_buf),
            cwd: std::env::current_dir().ok(),
            created: Timestamp::now(),
            device: launch.device.to_owned(),
            worker: None,
        };
        fs::create_dir_all(root)?;
        let aside = root.join(format!(".{}.new", info.id));
        DirBuilder::new().mode(0o700).create(&aside)?;
        let run = Self::new(root.join(info.id.as_str()));
        let written = Self::new(&aside)
            .write_info(&info)
            .and_then(|()| {
                launch
                    .experiment
                    .clone()
                    .placed()?
                    .frozen()
                    .to_yaml()
                    .map_err(io::Error::other)
            })
            .and_then(|yaml| replace(&Disk, &aside.join("experiment.yaml"), yaml.as_bytes()))
            .and_then(|()| fs::rename(&aside, &run.path))
            .and_then(|()| Disk.sync_dir(root));
        if let Err(error) = written {
            // The error that matters is the first one; what could not be written may not be removable either.
            let _ = fs::remove_dir_all(&aside);
            return Err(error);
        }
        Ok((run, info))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn events(&self) -> PathBuf {
        self.path.join("events.jsonl")
    }

    pub fn experiment_yaml(&self) -> PathBuf {
        self.path.join("experiment.yaml")
    }

    pub fn worker_log(&self) -> PathBuf {
        self.path.join("worker.log")
    }

    /// Where all checkpoints of the run are.
    pub fn checkpoints(&self) -> PathBuf {
        self.path.join("ckpt")
    }

    /// The folder of the checkpoint after `step` steps.
    pub fn checkpoint(&self, step: u64) -> PathBuf {
        self.checkpoints().join(format!("step-{step:08}"))
    }

    pub fn info(&self) -> io::Result<RunInfo> {
        /// What every version of the file has.
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        let path = self.path.join("run.json");
        let bytes = Disk.read(&path)?;
        let invalid = |message: String| io::Error::new(io::ErrorKind::InvalidData, message);
        // A newer format need not have the fields of this one.
        if let Ok(Head { format }) = serde_json::from_slice(&bytes)
            && format > FORMAT
        {
            let message = format!(
                "run.json has format {format}; this version knows up to {FORMAT}: use a newer warmstart"
            );
            return Err(invalid(message));
        }
        let info: RunInfo = serde_json::from_slice(&bytes)
            .map_err(|error| invalid(format!("run.json is damaged: {error}")))?;
        // A folder may have been copied from anywhere: its texts are as foreign as a user's.
        Ok(RunInfo {
            experiment: text::line(&info.experiment, 80),
            exact: info.exact.filter(|exact| text::is_cell(exact)),
            group: text::line(&info.group, 40),
            stem: text::line(&info.stem, 80),
            device: text::line(&info.device, 40),
            ..info
        })
    }

    pub fn write_info(&self, info: &RunInfo) -> io::Result<()> {
        write_json(&Disk, &self.path.join("run.json"), info)
    }

    /// Which checkpoints are `last` and `best`; none in a new run.
    pub fn names(&self, storage: &impl Storage) -> io::Result<Names> {
        match read_json(storage, &self.path.join("names.json")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Names::default()),
            other => other,
        }
    }

    pub fn write_names(&self, storage: &impl Storage, names: Names) -> io::Result<()> {
        write_json(storage, &self.path.join("names.json"), &names)
    }

    /// The classes that the run tells apart; none before its data were listed.
    pub fn labels(&self) -> io::Result<Option<Labels>> {
        match read_json(&Disk, &self.path.join("labels.json")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            other => other.map(Some),
        }
    }

    /// The pictures that the run learns from and is measured on; none where it has none of its own, or is of an earlier version.
    pub fn pictures(&self) -> io::Result<Option<Sets>> {
        match read_json(&Disk, &self.path.join(PICTURES)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            other => other.map(Some),
        }
    }

    pub fn write_pictures(&self, sets: &Sets) -> io::Result<()> {
        let mut bytes = serde_json::to_vec(sets)?;
        bytes.push(b'\n');
        replace(&Disk, &self.path.join(PICTURES), &bytes)
    }

    /// What people have noted of the run; nothing where they have not.
    pub fn annotation(&self) -> io::Result<Annotation> {
        match read_json::<Annotation>(&Disk, &self.annotation_json()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Annotation::default()),
            other => other.map(Annotation::sanitized),
        }
    }

    pub fn write_annotation(&self, annotation: &Annotation) -> io::Result<()> {
        write_json(&Disk, &self.annotation_json(), annotation)
    }

    pub fn annotation_json(&self) -> PathBuf {
        self.path.join("annotation.json")
    }

    pub fn write_labels(&self, labels: &Labels) -> io::Result<()> {
        write_json(&Disk, &self.path.join("labels.json"), labels)
    }

    /// The file that a worker locks for its whole life.
    pub(crate) fn lock_file(&self) -> PathBuf {
        self.path.join("run.lock")
    }

    /// Takes the run for this process; `None` when another worker has it. Whoever looks whether the run is held holds the
    /// lock for that moment, so one refusal is not yet an answer.
    pub fn lock(&self) -> io::Result<Option<RunLock>> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(self.lock_file())?;
        for _ in 0..LOCK_TRIES {
            match file.try_lock() {
                Ok(()) => return Ok(Some(RunLock(file))),
                Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Takes the run for this process, and tries again for so long while another one has it.
    pub fn lock_within(&self, patience: Duration) -> io::Result<Option<RunLock>> {
        let deadline = Instant::now() + patience;
        loop {
            match self.lock()? {
                None if Instant::now() < deadline => std::thread::sleep(LOCK_PAUSE),
                other => return Ok(other),
            }
        }
    }

    /// The run as its whole log tells it.
    pub fn state(&self) -> io::Result<RunState> {
        let (mut reader, mut state) = (EventReader::new(self.events()), RunState::default());
        loop {
            let poll = reader.poll()?;
            poll.records
                .into_iter()
                .for_each(|record| state.apply(record));
            if !poll.more {
                return Ok(state);
            }
        }
    }

    /// Shows that the worker is alive, by the time of `run.lock`.
    pub fn touch(&self) -> io::Result<()> {
        File::open(self.lock_file())?.set_modified(std::time::SystemTime::now())
    }

    /// When the worker last showed that it is alive.
    pub fn touched(&self) -> Option<std::time::SystemTime> {
        fs::metadata(self.lock_file())
            .and_then(|meta| meta.modified())
            .ok()
    }

    /// Puts a little room aside, so that on a disk that became full there is still a place for the last word.
    pub fn reserve(&self) -> io::Result<()> {
        fs::write(self.path.join(RESERVE), [0x5a; RESERVED])
    }

    /// Gives that room back.
    pub fn release_reserve(&self) {
        // Nothing was put aside where it is not there.
        let _ = fs::remove_file(self.path.join(RESERVE));
    }
}

/// The name in an experiment's file, where its label is made of it and is not the same.
fn exact_name(yaml: &[u8], label: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        name: String,
    }
    let Named { name } = serde_yaml::from_slice(yaml).ok()?;
    (name != label && text::is_cell(&name) && text::line(&name, 80) == label).then_some(name)
}

/// What lies in a folder of runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Survey {
    /// All runs, oldest first.
    pub ids: Vec<RunId>,
    /// Folders that are none, by name, each with the reason.
    pub passed_over: Vec<(String, NoRun)>,
}

/// Why a folder is no run that can be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoRun {
    /// It has no `run.json`.
    NoInfo,
    /// It is one, but its name can be no run's.
    Name,
    /// It is a link to a run that is here already.
    Twice,
    /// It is a link that leads nowhere.
    Dangling,
}

impl Survey {
    /// What was passed over, in a sentence; none where nothing was.
    pub fn sentence(&self, root: &Path) -> Option<String> {
        let group = |why: NoRun, words: &str| {
            let names: Vec<String> = self
                .passed_over
                .iter()
                .filter(|(_, is)| *is == why)
                .map(|(name, _)| text::line(name, 60))
                .collect();
            (!names.is_empty()).then(|| format!("{} {words}", crate::pictures::listed(&names)))
        };
        let groups: Vec<String> = [
            group(NoRun::NoInfo, "(no run.json)"),
            group(
                NoRun::Name,
                "(a run, but its name has more than a-z, 0-9 and -: rename it to see it)",
            ),
            group(NoRun::Twice, "(a link to a run that is shown already)"),
            group(NoRun::Dangling, "(a link that leads nowhere)"),
        ]
        .into_iter()
        .flatten()
        .collect();
        let (count, root) = (
            self.passed_over.len(),
            text::line(&root.display().to_string(), 200),
        );
        let are = if count == 1 {
            "folder is left out"
        } else {
            "folders are left out"
        };
        (count > 0).then(|| format!("{count} {are} of the runs in {root}: {}", groups.join("; ")))
    }
}

/// The ids of all runs below `root`, oldest first; a folder that is not there holds none.
pub fn list(root: &Path) -> io::Result<Vec<RunId>> {
    survey(root, |_| false).map(|survey| survey.ids)
}

/// All runs below `root`, and what beside them is no run. A folder with a `run.json` is one, and so is one that may not be looked
/// into. Links are followed. Of a run that is `known` only the name is looked at.
pub fn survey(root: &Path, known: impl Fn(&RunId) -> bool) -> io::Result<Survey> {
    let entries = match fs::read_dir(root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Survey::default()),
        other => other?,
    };
    let (mut survey, mut links) = (Survey::default(), Vec::new());
    for entry in entries.flatten() {
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        let name = entry.file_name();
        if name.as_encoded_bytes().starts_with(b".") || !(kind.is_dir() || kind.is_symlink()) {
            continue;
        }
        let id: Option<RunId> = name.to_str().and_then(|name| name.parse().ok());
        if kind.is_symlink() {
            links.push((entry.path(), id));
            continue;
        }
        match id {
            Some(id) if known(&id) || has_info(&entry.path()) => survey.ids.push(id),
            id => survey
                .passed_over
                .extend(no_run(&entry.path(), id.is_some())),
        }
    }
    survey.follow(root, links);
    survey.ids.sort_unstable();
    survey
        .passed_over
        .sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(survey)
}

impl Survey {
    /// Takes in the runs that links lead to, each once.
    fn follow(&mut self, root: &Path, mut links: Vec<(PathBuf, Option<RunId>)>) {
        links.sort_unstable();
        let root = fs::canonicalize(root).unwrap_or_else(|_| root.to_path_buf());
        let mut seen: Vec<PathBuf> = Vec::new();
        for (link, id) in links {
            let name = link
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let Ok(target) = fs::canonicalize(&link) else {
                self.passed_over.push((name, NoRun::Dangling));
                continue;
            };
            if !target.is_dir() {
                continue;
            }
            let is_here = target.parent() == Some(root.as_path())
                && target
                    .file_name()
                    .and_then(|name| name.to_str()?.parse().ok())
                    .is_some_and(|id| self.ids.contains(&id));
            match id {
                Some(_) if is_here || seen.contains(&target) => {
                    self.passed_over.push((name, NoRun::Twice));
                }
                Some(id) if has_info(&target) => {
                    seen.push(target);
                    self.ids.push(id);
                }
                id => self.passed_over.extend(no_run(&link, id.is_some())),
            }
        }
    }
}

/// Why a folder is no run; none where it belongs to something else that is understood, or is empty.
fn no_run(folder: &Path, is_name: bool) -> Option<(String, NoRun)> {
    let name = folder.file_name()?.to_string_lossy().into_owned();
    Some((
        name,
        if !is_name && has_info(folder) {
            NoRun::Name
        } else {
            NoRun::NoInfo
        },
    ))
}

/// Whether a folder has a `run.json`, or may have one: not even its names may be looked at.
fn has_info(folder: &Path) -> bool {
    match fs::symlink_metadata(folder.join("run.json")) {
        Ok(_) => true,
        Err(error) => !matches!(
            error.kind(),
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
        ),
    }
}

/// What an experiment is called by its file.
pub fn stem(source: &Path) -> String {
    text::line(
        &source.file_stem().unwrap_or_default().to_string_lossy(),
        80,
    )
}

/// What an experiment is called by its path or name, as `init: {from: …}` says it.
pub fn source_stem(from: &str) -> String {
    let name = from.rsplit('/').next().unwrap_or(from);
    let name = name
        .strip_suffix(".yaml")
        .or_else(|| name.strip_suffix(".yml"))
        .unwrap_or(name);
    text::line(name, 80)
}

fn write_json(storage: &impl Storage, path: &Path, value: &impl Serialize) -> io::Result<()> {
    let mut bytes = serde_json::to_vec_pretty(value)?;
    bytes.push(b'\n');
    replace(storage, path, &bytes)
}

fn read_json<T: for<'de> Deserialize<'de>>(storage: &impl Storage, path: &Path) -> io::Result<T> {
    let bytes = storage.read(path)?;
    let wrong = |error: serde_json::Error| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{}: {error}", path.display()),
        )
    };
    serde_json::from_slice(&bytes).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_held(run: &RunDir) -> bool {
        crate::launcher::is_held(run, None)
    }

    #[test]
    fn a_run_id_is_never_a_path() {
        for name in [
            "",
            "..",
            "a/b",
            "-rf",
            "A",
            "a b",
            "a\0",
            "ä",
            &"a".repeat(65),
        ] {
            assert!(name.parse::<RunId>().is_err(), "{name:?}");
        }
        let id = RunId::generate();
        assert_eq!(id.as_str().parse::<RunId>().unwrap(), id);
    }

    #[test]
    fn run_json_keeps_a_local_worker_as_its_boot_id_pid_and_start_ticks() {
        let json = "{\"boot_id\":\"b\",\"pid\":7,\"start_ticks\":9}";
        let worker: Handle = serde_json::from_str(json).unwrap();
        assert_eq!(worker.pid(), Some(7));
        assert_eq!(serde_json::to_string(&worker).unwrap(), json);
    }

    #[test]
    fn a_lock_excludes_a_second_one_and_ends_with_its_holder() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::new(folder.path());
        assert!(!is_held(&run));
        let lock = run.lock().unwrap();
        assert!(lock.is_some() && is_held(&run));
        assert!(run.lock().unwrap().is_none());
        drop(lock);
        assert!(!is_held(&run) && run.lock().unwrap().is_some());
    }

    #[test]
    fn looking_whether_a_run_is_held_never_keeps_a_worker_from_taking_it() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::new(folder.path());
        drop(run.lock().unwrap());
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    is_held(&run);
                }
            });
            // Long enough for both to run at once on a busy machine.
            let began = std::time::Instant::now();
            let mut refused = 0;
            while began.elapsed() < Duration::from_millis(500) {
                refused += u32::from(run.lock().unwrap().is_none());
            }
            done.store(true, std::sync::atomic::Ordering::Relaxed);
            assert_eq!(refused, 0);
        });
    }

    #[test]
    fn replacing_a_file_that_cannot_be_written_leaves_it_and_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("names.json");
        fs::create_dir(&target).unwrap();
        assert!(replace(&Disk, &target, b"{}").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
