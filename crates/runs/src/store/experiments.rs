//! The experiment files of a folder.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::{run, storage};
use warmstart_schema::experiment::{self, Experiment, Group, Problem};
use warmstart_schema::text;

use crate::failure::{Failure, Kind};

/// The group that is listed first: the study that warmstart started with.
const FIRST_GROUP: &str = "study";

/// An experiment file, valid or not.
#[derive(Debug, Clone)]
pub struct ExperimentFile {
    /// Its path, as it was named or found.
    pub path: PathBuf,
    /// The file's name without `.yaml` or `.yml`, as the command line and `init: {from: …}` name it.
    pub stem: String,
    pub loaded: Result<Experiment, Vec<Problem>>,
    /// Its members, if it has `seeds` or `grid`.
    pub group: Option<Group>,
    /// Its full path, links resolved, by which runs refer to it; `path` if that cannot be found out.
    pub full_path: PathBuf,
    /// SHA-256 of its bytes; none if it is unreadable or larger than [`experiment::MAX_BYTES`].
    pub sha256: Option<String>,
}

impl ExperimentFile {
    /// Reads one file; its problems are part of the result.
    pub fn load(path: PathBuf, overrides: &[String]) -> Self {
        let text = match experiment::read_text(&path) {
            Ok(text) => text,
            Err(problems) => return Self::new(path, Err(problems)),
        };
        let (loaded, group) = match experiment::parse_file(&path, &text, overrides) {
            Ok((experiment, group)) => (Ok(experiment), group),
            Err(problems) => (Err(problems), None),
        };
        // Of the text that was parsed: an editor may save another one meanwhile.
        let sha256 = Some(storage::fingerprint(text.as_bytes()));
        Self {
            group,
            ..Self::with_hash(path, loaded, sha256)
        }
    }

    /// A file without `seeds` and `grid`, and what was parsed from it.
    pub fn new(path: PathBuf, loaded: Result<Experiment, Vec<Problem>>) -> Self {
        let bytes = storage::read_at_most(&path, experiment::MAX_BYTES as u64);
        let sha256 = bytes.as_deref().map(storage::fingerprint);
        Self::with_hash(path, loaded, sha256)
    }

    fn with_hash(
        path: PathBuf,
        loaded: Result<Experiment, Vec<Problem>>,
        sha256: Option<String>,
    ) -> Self {
        Self {
            stem: run::stem(&path),
            loaded,
            group: None,
            full_path: fs::canonicalize(&path).unwrap_or_else(|_| path.clone()),
            sha256,
            path,
        }
    }

    /// The name by which the command line finds it among the files of `dir`: its stem, or its path below `dir` if another file has
    /// the same stem.
    pub fn handle(&self, dir: &Path, files: &[Self]) -> String {
        let is_shared = files
            .iter()
            .any(|other| other.stem == self.stem && other.full_path != self.full_path);
        if is_shared {
            shown(self.path.strip_prefix(dir).unwrap_or(&self.path))
        } else {
            self.stem.clone()
        }
    }

    /// The experiments of its runs: those of its members, or its own without `seeds` and `grid`. None if it is not valid.
    pub fn of_runs(&self) -> Vec<&Experiment> {
        match (&self.loaded, &self.group) {
            (Err(_), _) => Vec::new(),
            (Ok(_), Some(group)) => group
                .members
                .iter()
                .map(|member| &member.experiment)
                .collect(),
            (Ok(experiment), None) => vec![experiment],
        }
    }

    /// The file's name with its ending, for messages.
    pub fn file_name(&self) -> String {
        text::line(
            &self.path.file_name().unwrap_or_default().to_string_lossy(),
            80,
        )
    }

    /// The experiment's name, or the file's if it has none.
    pub fn label(&self) -> &str {
        self.loaded
            .as_ref()
            .map_or(&self.stem, |experiment| &experiment.name)
    }
}

/// Every `*.yaml` and `*.yml` of a folder and of the folders in it, but no deeper. The study's group comes first, then the others
/// by name, each sorted by path. A broken file is in the group that [`group_names`] gives it.
pub fn experiments(dir: &Path) -> anyhow::Result<Vec<ExperimentFile>> {
    let mut files = Vec::new();
    for path in entries(dir).map_err(|error| unreadable(dir, &error))? {
        if is_yaml(&path) {
            files.push(ExperimentFile::load(path, &[]));
        } else if path.is_dir() {
            match entries(&path) {
                Ok(inner) => files.extend(
                    inner
                        .into_iter()
                        .filter(|path| is_yaml(path))
                        .map(|path| ExperimentFile::load(path, &[])),
                ),
                Err(error) => files.push(broken(path, &error)),
            }
        }
    }
    let groups: Vec<String> = group_names(&files)
        .into_iter()
        .map(|group| group.unwrap_or_default().to_owned())
        .collect();
    let mut keyed: Vec<_> = groups.into_iter().zip(files).collect();
    keyed.sort_by(|(one, first), (other, second)| {
        (one != FIRST_GROUP, one, &first.path).cmp(&(other != FIRST_GROUP, other, &second.path))
    });
    Ok(keyed.into_iter().map(|(_, file)| file).collect())
}

/// The files that [`experiments`] reads, and the folders in which it looks for them; none of an unreadable folder.
pub fn experiment_paths(dir: &Path) -> Vec<PathBuf> {
    let mut paths = entries(dir).unwrap_or_default();
    paths.retain(|path| is_yaml(path) || path.is_dir());
    let folders = paths.iter().filter(|path| !is_yaml(path));
    let inner: Vec<PathBuf> = folders
        .flat_map(|folder| entries(folder).unwrap_or_default())
        .filter(|path| is_yaml(path))
        .collect();
    paths.extend(inner);
    paths
}

/// The full path of the file that an experiment's `init: {from: …}` means; none without `init`. A path is relative to the
/// experiment's own folder or to `dir`, with or without `.yaml`; a name must belong to one of `files`.
pub fn init_file(
    dir: &Path,
    files: &[ExperimentFile],
    file: &ExperimentFile,
) -> Result<Option<PathBuf>, Failure> {
    let experiment = file.loaded.as_ref().ok();
    let Some(init) = experiment.and_then(|experiment| experiment.init.as_ref()) else {
        return Ok(None);
    };
    let from = init.from.as_str();
    if from.contains('/') || is_yaml(Path::new(from)) {
        let folders = [file.path.parent().unwrap_or(Path::new("")), dir];
        return at_path(folders, from).map(Some);
    }
    let known: Vec<&ExperimentFile> = files.iter().chain([file]).collect();
    by_name(&known, from).map(Some)
}

/// The file at a path below one of these folders; the first has precedence.
fn at_path(folders: [&Path; 2], from: &str) -> Result<PathBuf, Failure> {
    let paths = folders
        .into_iter()
        .flat_map(|folder| ["", ".yaml", ".yml"].map(|end| folder.join(format!("{from}{end}"))));
    let mut failed = None;
    for path in paths {
        match fs::canonicalize(&path) {
            Ok(file) if file.is_file() => return Ok(file),
            Err(error) if !is_absent(&error) => failed = failed.or(Some((path, error))),
            _ => {}
        }
    }
    Err(if let Some((path, error)) = failed {
        let path = shown(&path);
        let what = format!("the experiment file to start from cannot be read: {error}: {path}");
        Failure::new(Kind::Disk, what).help("check its permissions and those of its folder")
    } else {
        let what = format!("there is no experiment file {}", text::line(from, 200));
        Failure::new(Kind::Input, what)
            .help("a path is relative to the experiment's folder, or to the folder of experiments")
    })
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// The only file of this name; a file and a link to it are one.
fn by_name(known: &[&ExperimentFile], name: &str) -> Result<PathBuf, Failure> {
    let same = known.iter().filter(|file| file.stem == name);
    let mut found: Vec<&Path> = same.map(|file| file.full_path.as_path()).collect();
    found.sort_unstable();
    found.dedup();
    let (what, help) = match found[..] {
        [one] => return Ok(one.to_path_buf()),
        [] => {
            let near = text::closest(name, known.iter().map(|file| file.stem.as_str()));
            let help = near.map_or_else(
                || "`warmstart list` shows all".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            let name = text::line(name, 80);
            (format!("no experiment is called `{name}`"), help)
        }
        ref several => {
            let paths: Vec<String> = several.iter().map(|path| shown(path)).collect();
            let what = format!(
                "`{}` could be more than one experiment: {}",
                text::line(name, 80),
                paths.join(", ")
            );
            let help = "write its path from the folder of experiments, as sub/name.yaml";
            (what, help.to_owned())
        }
    };
    Err(Failure::new(Kind::Input, what).help(help))
}

/// The name of each file's group, as the file gives it. A broken file has that of the first readable file beside it, by path;
/// `None` if there is no such file.
pub fn group_names(files: &[ExperimentFile]) -> Vec<Option<&str>> {
    let mut firsts: HashMap<Option<&Path>, (&Path, &str)> = HashMap::new();
    for file in files {
        if let Ok(experiment) = &file.loaded {
            let own = (file.path.as_path(), experiment.group.as_str());
            let first = firsts.entry(file.path.parent()).or_insert(own);
            *first = own.min(*first);
        }
    }
    files
        .iter()
        .map(|file| match &file.loaded {
            Ok(experiment) => Some(experiment.group.as_str()),
            Err(_) => firsts.get(&file.path.parent()).map(|(_, group)| *group),
        })
        .collect()
}

fn entries(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths: Vec<PathBuf> = fs::read_dir(dir)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<_>>()?;
    paths.retain(|path| {
        path.file_name()
            .is_some_and(|name| !name.as_encoded_bytes().starts_with(b"."))
    });
    paths.sort_unstable();
    Ok(paths)
}

fn is_yaml(path: &Path) -> bool {
    path.extension()
        .is_some_and(|end| end == "yaml" || end == "yml")
}

fn unreadable(dir: &Path, error: &io::Error) -> Failure {
    let what = format!(
        "the folder of experiments cannot be read: {error}: {}",
        shown(dir)
    );
    match error.kind() {
        io::ErrorKind::NotFound => Failure::new(Kind::NotFound, what).help(
            "name another one with --experiments DIR, or start in the folder that has `experiments/`",
        ),
        io::ErrorKind::NotADirectory => {
            Failure::new(Kind::Input, what).help("name the folder of the file with --experiments DIR")
        }
        _ => Failure::new(Kind::Input, what).help("check its permissions"),
    }
}

fn shown(path: &Path) -> String {
    text::line(&path.display().to_string(), 300)
}

fn broken(path: PathBuf, error: &io::Error) -> ExperimentFile {
    let problem = Problem {
        file: shown(&path),
        at: None,
        field: String::new(),
        message: format!("cannot be read: {error}"),
        help: Some("check its permissions".to_owned()),
        excerpt: None,
    };
    ExperimentFile::new(path, Err(vec![problem]))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::*;

    const MINIMAL: &str = "dataset: { name: emoji98 }\nmodel: { backbone: resnet18 }\n\
        train: { epochs: 1, batch_size: 32, optimizer: { name: adam, learning_rate: 0.001 } }\n";

    #[test]
    fn study_is_listed_first_and_broken_files_hide_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        fs::create_dir(folder.path().join("quick")).unwrap();
        write("b.yaml", &format!("name: b\ngroup: study\n{MINIMAL}"));
        write("a.yaml", "name: [");
        write("notes.txt", "");
        write(".hidden.yaml", "");
        write("quick/c.yaml", &format!("name: c\ngroup: alpha\n{MINIMAL}"));
        let files = experiments(folder.path()).unwrap();
        let stems: Vec<&str> = files.iter().map(|file| file.stem.as_str()).collect();
        assert_eq!(stems, ["a", "b", "c"]);
        assert!(files[0].loaded.is_err() && files[1].loaded.is_ok());
    }

    #[test]
    fn missing_folders_are_named() {
        let error = experiments(Path::new("/nowhere/at/all"))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("/nowhere/at/all") && error.contains("--experiments"),
            "{error}"
        );
    }

    #[test]
    fn a_file_in_place_of_the_folder_is_no_lack_of_permissions() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = experiments(file.path()).unwrap_err().to_string();
        assert!(
            error.contains("--experiments DIR") && !error.contains("permissions"),
            "{error}"
        );
    }

    #[test]
    fn a_file_to_start_from_that_cannot_be_looked_at_is_not_called_absent() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("heir.yaml");
        let text = format!("name: heir\n{MINIMAL}init: {{ from: base.yaml }}\n");
        fs::write(&path, text).unwrap();
        let heir = ExperimentFile::load(path, &[]);
        let failure = || init_file(folder.path(), &[], &heir).unwrap_err();
        assert_eq!(failure().kind, Kind::Input);
        // The system refuses to follow it, for root too.
        let base = folder.path().join("base.yaml");
        std::os::unix::fs::symlink("x".repeat(300), base).unwrap();
        assert_eq!(failure().kind, Kind::Disk);
    }

    #[test]
    fn the_hash_is_that_of_the_text_that_was_parsed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.yaml");
        let text = |name: &str| format!("name: {name}\n{MINIMAL}");
        let save = |text: &str| {
            let aside = folder.path().join(".aside");
            fs::write(&aside, text).unwrap();
            fs::rename(&aside, &path).unwrap();
        };
        save(&text("one"));
        let is_done = AtomicBool::new(false);
        let wrong = thread::scope(|scope| {
            scope.spawn(|| {
                while !is_done.load(Ordering::Relaxed) {
                    save(&text("two"));
                    save(&text("one"));
                }
            });
            let is_wrong = |_: &u32| {
                let file = ExperimentFile::load(path.clone(), &[]);
                let of_text = file
                    .loaded
                    .map(|experiment| storage::fingerprint(text(&experiment.name).as_bytes()));
                of_text.ok() != file.sha256
            };
            let wrong = (0..2000).filter(is_wrong).count();
            is_done.store(true, Ordering::Relaxed);
            wrong
        });
        assert_eq!(wrong, 0);
    }
}
