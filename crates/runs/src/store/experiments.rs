//! The experiment files of a folder.

use std::cmp::Reverse;
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
    pub path: PathBuf,
    /// The file's name without `.yaml`, as the command line and `init: {from: …}` name it.
    pub stem: String,
    pub loaded: Result<Experiment, Vec<Problem>>,
    /// Its runs, if it has `seeds` or `grid`.
    pub group: Option<Group>,
    /// Its full path, links resolved; runs refer to it by this path.
    pub place: PathBuf,
    /// SHA-256 of its bytes; none if it is unreadable or larger than [`experiment::MAX_BYTES`].
    pub sha256: Option<String>,
}

impl ExperimentFile {
    /// Reads one file; its problems are part of the result.
    pub fn load(path: PathBuf, overrides: &[String]) -> Self {
        let (loaded, group) = match experiment::load_group(&path, overrides) {
            Ok((experiment, group)) => (Ok(experiment), group),
            Err(problems) => (Err(problems), None),
        };
        Self {
            group,
            ..Self::new(path, loaded)
        }
    }

    /// A file and its parsed experiment, which is one run.
    pub fn new(path: PathBuf, loaded: Result<Experiment, Vec<Problem>>) -> Self {
        let place = fs::canonicalize(&path).unwrap_or_else(|_| path.clone());
        let is_small = fs::metadata(&path)
            .is_ok_and(|meta| meta.is_file() && meta.len() <= experiment::MAX_BYTES);
        let sha256 = is_small
            .then(|| fs::read(&path).ok())
            .flatten()
            .map(|text| storage::fingerprint(&text));
        Self {
            stem: run::stem(&path),
            loaded,
            group: None,
            path,
            place,
            sha256,
        }
    }

    /// The name by which the command line finds it among the files of `dir`: its stem, or its path below `dir` if another file has
    /// the same stem.
    pub fn handle(&self, dir: &Path, files: &[Self]) -> String {
        let is_shared = files
            .iter()
            .any(|other| other.stem == self.stem && other.place != self.place);
        if is_shared {
            let below = self.path.strip_prefix(dir).unwrap_or(&self.path);
            text::line(&below.display().to_string(), 300)
        } else {
            self.stem.clone()
        }
    }

    /// The experiment's name, or the file's if it has none.
    pub fn label(&self) -> &str {
        self.loaded
            .as_ref()
            .map_or(&self.stem, |experiment| &experiment.name)
    }
}

/// Every `*.yaml` and `*.yml` of a folder and of the folders in it. The study's group comes first, then the others by name, each sorted by file. A
/// broken file is listed with its neighbours.
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
    let groups: Vec<String> = files.iter().map(|file| group(file, &files)).collect();
    let mut keyed: Vec<_> = groups.into_iter().zip(files).collect();
    keyed.sort_by(|(a, first), (b, second)| {
        let key = |group: &str| Reverse(group == FIRST_GROUP);
        key(a)
            .cmp(&key(b))
            .then_with(|| a.cmp(b))
            .then_with(|| first.path.cmp(&second.path))
    });
    Ok(keyed.into_iter().map(|(_, file)| file).collect())
}

/// The file that an experiment's `init: {from: …}` means, if it has one. A path is relative to its own folder or to `dir`, with
/// or without `.yaml`; a name must belong to one file. The error says how to correct it.
pub fn source(
    dir: &Path,
    files: &[ExperimentFile],
    file: &ExperimentFile,
) -> Result<Option<PathBuf>, (String, String)> {
    let Some(init) = file
        .loaded
        .as_ref()
        .ok()
        .and_then(|experiment| experiment.init.as_ref())
    else {
        return Ok(None);
    };
    let from = Path::new(&init.from);
    let known = || files.iter().chain(std::iter::once(file));
    let is_path = init.from.contains('/') || is_yaml(from);
    let mut found: Vec<&Path> = if is_path {
        let folders = [file.path.parent().unwrap_or(Path::new("")), dir];
        let named = folders.iter().flat_map(|folder| {
            ["", ".yaml", ".yml"].map(|end| folder.join(format!("{}{end}", init.from)))
        });
        let Some(place) = named
            .filter(|path| path.is_file())
            .find_map(|path| fs::canonicalize(path).ok())
        else {
            let what = format!(
                "there is no experiment file {}",
                text::line(&init.from, 200)
            );
            return Err((
                what,
                "a path is relative to the experiment's folder, or to the folder of experiments"
                    .to_owned(),
            ));
        };
        return Ok(Some(place));
    } else {
        known()
            .filter(|other| other.stem == init.from)
            .map(|other| other.place.as_path())
            .collect()
    };
    found.sort_unstable();
    found.dedup();
    match found[..] {
        [one] => Ok(Some(one.to_path_buf())),
        [] => {
            let near = text::closest(&init.from, known().map(|other| other.stem.as_str()));
            let help = near.map_or_else(
                || "`warmstart list` shows all".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            Err((
                format!("no experiment is called `{}`", text::line(&init.from, 80)),
                help,
            ))
        }
        ref several => {
            let named: Vec<String> = several
                .iter()
                .map(|path| path.display().to_string())
                .collect();
            let what = format!(
                "`{}` could be more than one experiment: {}",
                text::line(&init.from, 80),
                named.join(", ")
            );
            Err((
                what,
                "write its path from the folder of experiments, as sub/name.yaml".to_owned(),
            ))
        }
    }
}

/// A broken file's group is that of the first readable file beside it.
fn group(file: &ExperimentFile, all: &[ExperimentFile]) -> String {
    let beside = || {
        all.iter()
            .filter(|other| other.path.parent() == file.path.parent())
            .find_map(|other| other.loaded.as_ref().ok())
    };
    file.loaded
        .as_ref()
        .ok()
        .or_else(beside)
        .map_or_else(String::new, |experiment| experiment.group.clone())
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
        "the experiments folder {} cannot be read: {error}",
        text::line(&dir.display().to_string(), 300)
    );
    if error.kind() == io::ErrorKind::NotFound {
        Failure::new(Kind::NotFound, what).help(
            "name another one with --experiments DIR, or start in the folder that has `experiments/`",
        )
    } else {
        Failure::new(Kind::Input, what).help("check its permissions")
    }
}

fn broken(path: PathBuf, error: &io::Error) -> ExperimentFile {
    let problem = Problem {
        file: text::line(&path.display().to_string(), 300),
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
}
