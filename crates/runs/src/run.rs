//! The run folder. The worker writes it, everything else reads it.

mod lock;

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::lock::RunLock;
pub(crate) use self::lock::lock_file_within;
use crate::event_log::EventReader;
use crate::member::MemberOf;
use crate::pictures::Sets;
use crate::storage::{Disk, Storage, replace};
use warmstart_schema::annotation::Annotation;
use warmstart_schema::experiment::Experiment;
use warmstart_schema::identity::Handle;
pub use warmstart_schema::run_id::{BadRunId, RunId};
use warmstart_schema::state::RunState;
use warmstart_schema::text;

/// Bytes reserved for the last event, and the file that reserves them.
const RESERVED: usize = 16 << 10;
const RESERVE: &str = ".reserve";

const PICTURES: &str = "pictures.json";

/// Version of the run folder; a reader refuses a newer one.
pub const FORMAT: u32 = 1;

/// How many ids to try for a new run before giving up.
const ID_TRIES: usize = 10;

/// `run.json`: the identity of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunInfo {
    pub format: u32,
    pub id: RunId,
    /// The experiment's name, as a label.
    pub experiment: String,
    /// The name exactly as the experiment has it, if the label differs; for machines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exact: Option<String>,
    /// The title under which lists show the experiment.
    pub group: String,
    /// The experiment's file without folder and `.yaml`, as `init: {from: …}` and the command line name it.
    pub stem: String,
    /// The file that it was launched from, as the user wrote it.
    pub source: PathBuf,
    pub created: Timestamp,
    /// The full path of that file, links resolved; absent in runs of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// SHA-256 of the text of that file at launch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// The full path of the file that `init: {from: …}` meant at launch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init_file: Option<PathBuf>,
    /// Which member of its group the run is, if its file has `seeds` or `grid`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<MemberOf>,
    /// The folder from which it was launched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<PathBuf>,
    /// The requested device: `auto`, `cpu` or `cuda:N`.
    pub device: String,
    /// The worker that has, or last had, the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<Handle>,
}

/// `names.json`: the steps of the named checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Names {
    pub last: Option<u64>,
    pub best: Option<u64>,
}

/// `labels.json`: the classes in the order of the model's outputs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Labels {
    /// Exactly as the folders or the publisher name them; not for screens.
    pub names: Vec<String>,
    /// Number of training images of each class.
    pub train_images: Vec<u32>,
}

impl Labels {
    /// The names for screens, made distinct.
    pub fn shown(&self) -> Vec<String> {
        text::distinct(self.names.iter().map(String::as_str), 80)
    }
}

/// What a new run needs.
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

impl RunDir {
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The run's folder below `root`.
    pub fn of(root: &Path, id: &RunId) -> Self {
        Self::new(root.join(id.as_str()))
    }

    /// Creates the folder of a new run, completely or not at all.
    pub fn create(root: &Path, launch: &Launch) -> io::Result<(Self, RunInfo)> {
        Self::create_member(root, launch, None, None)
    }

    /// As [`Self::create`], for a member of a group, and for an experiment whose `init: {from: …}` means `init_file`.
    pub fn create_member(
        root: &Path,
        launch: &Launch,
        init_file: Option<&Path>,
        member: Option<&MemberOf>,
    ) -> io::Result<(Self, RunInfo)> {
        // Two runs of one second may draw the same id.
        let is_taken = |error: &io::Error| {
            matches!(
                error.kind(),
                io::ErrorKind::AlreadyExists | io::ErrorKind::DirectoryNotEmpty
            )
        };
        let create = || Self::create_as(root, launch, init_file, member, RunId::generate());
        for _ in 1..ID_TRIES {
            match create() {
                Err(error) if is_taken(&error) => {}
                other => return other,
            }
        }
        create()
    }

    fn create_as(
        root: &Path,
        launch: &Launch,
        init_file: Option<&Path>,
        member: Option<&MemberOf>,
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
            // If the file is gone, only its stem is known.
            file: fs::canonicalize(launch.source).ok(),
            sha256: text.as_deref().map(crate::storage::fingerprint),
            init_file: init_file.map(Path::to_path_buf),
            member: member.cloned(),
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
            // Report the first error; a folder that cannot be written may not be removable either.
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

    /// The folder of all checkpoints of the run.
    pub fn checkpoints(&self) -> PathBuf {
        self.path.join("ckpt")
    }

    /// The folder of the checkpoint after `step` steps.
    pub fn checkpoint(&self, step: u64) -> PathBuf {
        self.checkpoints().join(format!("step-{step:08}"))
    }

    pub fn info(&self) -> io::Result<RunInfo> {
        /// The fields that every version of the file has.
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        let path = self.path.join("run.json");
        let bytes = Disk.read(&path)?;
        let invalid = |message: String| io::Error::new(io::ErrorKind::InvalidData, message);
        // A newer format may lack the fields of this one.
        if let Ok(Head { format }) = serde_json::from_slice(&bytes)
            && format > FORMAT
        {
            let message = format!(
                "run.json has format {format}; this version knows up to {FORMAT}: use a newer warmstart"
            );
            return Err(invalid(message));
        }
        let info: RunInfo = serde_json::from_slice(&bytes)
            .map_err(|error| invalid(format!("run.json is damaged: {}", reason(&error))))?;
        // A folder may be a copy from anywhere, so its texts are untrusted.
        Ok(RunInfo {
            experiment: text::line(&info.experiment, 80),
            exact: info.exact.filter(|exact| text::is_cell(exact)),
            group: text::line(&info.group, 40),
            stem: text::line(&info.stem, 80),
            device: text::line(&info.device, 40),
            member: info.member.map(MemberOf::sanitized),
            ..info
        })
    }

    pub fn write_info(&self, info: &RunInfo) -> io::Result<()> {
        write_json(&Disk, &self.path.join("run.json"), info)
    }

    /// The named checkpoints, `last` and `best`; none in a new run.
    pub fn names(&self, storage: &impl Storage) -> io::Result<Names> {
        let names: Option<Names> = read_json(storage, &self.path.join("names.json"))?;
        Ok(names.unwrap_or_default())
    }

    pub fn write_names(&self, storage: &impl Storage, names: Names) -> io::Result<()> {
        write_json(storage, &self.path.join("names.json"), &names)
    }

    /// The classes of the run; none before its data were listed.
    pub fn labels(&self) -> io::Result<Option<Labels>> {
        read_json(&Disk, &self.path.join("labels.json"))
    }

    pub fn write_labels(&self, labels: &Labels) -> io::Result<()> {
        write_json(&Disk, &self.path.join("labels.json"), labels)
    }

    /// The images that the run trains and evaluates on. None for a published dataset, before an attempt has
    /// listed them, and in runs of earlier versions.
    pub fn pictures(&self) -> io::Result<Option<Sets>> {
        read_json(&Disk, &self.path.join(PICTURES))
    }

    pub fn write_pictures(&self, sets: &Sets) -> io::Result<()> {
        let mut bytes = serde_json::to_vec(sets)?;
        bytes.push(b'\n');
        replace(&Disk, &self.path.join(PICTURES), &bytes)
    }

    /// Tags, note and whether the run is archived; the default if nobody set them.
    pub fn annotation(&self) -> io::Result<Annotation> {
        let annotation: Option<Annotation> = read_json(&Disk, &self.annotation_json())?;
        Ok(annotation.map(Annotation::sanitized).unwrap_or_default())
    }

    pub fn write_annotation(&self, annotation: &Annotation) -> io::Result<()> {
        write_json(&Disk, &self.annotation_json(), annotation)
    }

    pub fn annotation_json(&self) -> PathBuf {
        self.path.join("annotation.json")
    }

    /// The run's state after its whole log.
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

    /// Reserves a little disk space, so that even on a full disk the last event can be written.
    pub fn reserve(&self) -> io::Result<()> {
        fs::write(self.path.join(RESERVE), [0x5a; RESERVED])
    }

    /// Releases that space.
    pub fn release_reserve(&self) {
        // Nothing is reserved if the file is missing.
        let _ = fs::remove_file(self.path.join(RESERVE));
    }
}

/// The experiment's name, if its label differs from it.
fn exact_name(yaml: &[u8], label: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        name: String,
    }
    let Named { name } = serde_yaml::from_slice(yaml).ok()?;
    (name != label && text::is_cell(&name) && text::line(&name, 80) == label).then_some(name)
}

/// The name of an experiment by its file.
pub fn stem(source: &Path) -> String {
    text::line(
        &source.file_stem().unwrap_or_default().to_string_lossy(),
        80,
    )
}

/// The name of an experiment by its path or name, as `init: {from: …}` gives it.
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

/// Why a file is damaged. The reason may quote what the file holds, which is untrusted.
pub(crate) fn reason(error: &serde_json::Error) -> String {
    text::line(&error.to_string(), 300)
}

/// The value of a file; none if there is no file.
fn read_json<T: for<'de> Deserialize<'de>>(
    storage: &impl Storage,
    path: &Path,
) -> io::Result<Option<T>> {
    let bytes = match storage.read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        bytes => bytes?,
    };
    let wrong = |error: serde_json::Error| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{}: {}", reason(&error), path.display()),
        )
    };
    serde_json::from_slice(&bytes).map(Some).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_of_a_damaged_file_has_no_control_characters() {
        let root = tempfile::tempdir().unwrap();
        let run = RunDir::new(root.path());
        let info = serde_json::json!({
            "format": 1, "id": "20261129-090414-0001", "experiment": "e", "group": "g", "stem": "s", "source": "s.yaml",
            "created": "2026-01-01T00:00:00Z", "device": "cpu",
            "member": { "group": "g", "seed": 1, "halving": { "epochs": [1], "monitor": "\u{1b}[31mloss" } },
        });
        fs::write(run.path().join("run.json"), info.to_string()).unwrap();
        let pictures = serde_json::json!({ "split": "\u{1b}[31mloss" });
        fs::write(run.path().join(PICTURES), pictures.to_string()).unwrap();
        let reasons = [
            run.info().unwrap_err().to_string(),
            run.pictures().unwrap_err().to_string(),
        ];
        for reason in reasons {
            assert!(reason.contains("[31mloss"), "{reason:?}");
            assert!(!reason.contains(char::is_control), "{reason:?}");
        }
        let reason = run.pictures().unwrap_err().to_string();
        assert!(reason.ends_with(PICTURES), "{reason:?}");
    }

    #[test]
    fn run_ids_are_never_paths() {
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
    fn run_json_stores_a_local_worker_as_boot_id_pid_and_start_ticks() {
        let json = "{\"boot_id\":\"b\",\"pid\":7,\"start_ticks\":9}";
        let worker: Handle = serde_json::from_str(json).unwrap();
        assert_eq!(worker.pid(), Some(7));
        assert_eq!(serde_json::to_string(&worker).unwrap(), json);
    }

    #[test]
    fn failed_replace_keeps_the_file_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("names.json");
        fs::create_dir(&target).unwrap();
        assert!(replace(&Disk, &target, b"{}").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
