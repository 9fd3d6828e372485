//! Finds the experiment of a run: the file that it was launched from, by its path; if that is gone, the file of the same text. Runs
//! of earlier versions do not name their file, and match by its stem.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use crate::run::{self, RunId, RunInfo};

use super::ExperimentFile;

/// The experiment that a run belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ExperimentKey {
    /// The experiment of this file, by its full path.
    File(PathBuf),
    /// An experiment of which only the name is known.
    Stem(String),
}

impl ExperimentKey {
    /// The name of the experiment's file without `.yaml`.
    pub fn stem(&self) -> String {
        match self {
            Self::File(path) => run::stem(path),
            Self::Stem(stem) => stem.clone(),
        }
    }

    /// Whether a path ends with `name`, with or without `.yaml`: `sub/quick` matches `/home/me/sub/quick.yaml`.
    pub fn ends_with(&self, name: &Path) -> bool {
        match self {
            Self::File(path) => path.ends_with(name) || path.with_extension("").ends_with(name),
            Self::Stem(stem) => Path::new(stem) == name,
        }
    }

    /// The name for screens.
    pub fn shown(&self) -> String {
        match self {
            Self::File(path) => warmstart_schema::text::line(&path.display().to_string(), 300),
            Self::Stem(stem) => stem.clone(),
        }
    }
}

impl ExperimentFile {
    /// The experiments that runs belong to.
    pub fn experiment_key(&self) -> ExperimentKey {
        ExperimentKey::File(self.full_path.clone())
    }
}

/// The experiment files on disk, and those that runs name.
#[derive(Debug, Default)]
pub(super) struct ExperimentIndex {
    files: Vec<File>,
    by_path: HashMap<PathBuf, usize>,
    by_stem: HashMap<String, Vec<usize>>,
    by_text: HashMap<String, Vec<usize>>,
    /// For each stem, the files that runs were launched from, and how many runs of each.
    launched_from: HashMap<String, BTreeMap<PathBuf, usize>>,
    /// For each stem, the runs that do not name their file.
    without_file: HashMap<String, BTreeSet<RunId>>,
}

#[derive(Debug, Clone, PartialEq)]
struct File {
    path: PathBuf,
    stem: String,
    sha256: Option<String>,
}

impl ExperimentIndex {
    /// Sets the files on disk; false if they are the same as before.
    pub(super) fn set_files(&mut self, files: &[ExperimentFile]) -> bool {
        let file = |file: &ExperimentFile| File {
            path: file.full_path.clone(),
            stem: file.stem.clone(),
            sha256: file.sha256.clone(),
        };
        let files: Vec<File> = files.iter().map(file).collect();
        if files == self.files {
            return false;
        }
        self.by_path = files
            .iter()
            .zip(0..)
            .map(|(file, index)| (file.path.clone(), index))
            .collect();
        (self.by_stem, self.by_text) = (HashMap::new(), HashMap::new());
        for (file, index) in files.iter().zip(0..) {
            self.by_stem
                .entry(file.stem.clone())
                .or_default()
                .push(index);
            if let Some(sha256) = &file.sha256 {
                self.by_text.entry(sha256.clone()).or_default().push(index);
            }
        }
        self.files = files;
        true
    }

    /// Adds a run. Returns the runs whose experiment may change.
    pub(super) fn add(&mut self, id: &RunId, info: &RunInfo) -> Vec<RunId> {
        let Some(file) = &info.file else {
            self.without_file
                .entry(info.stem.clone())
                .or_default()
                .insert(id.clone());
            return Vec::new();
        };
        let files = self.launched_from.entry(info.stem.clone()).or_default();
        let count = files.entry(file.clone()).or_default();
        *count += 1;
        if *count == 1 {
            self.without_file(&info.stem)
        } else {
            Vec::new()
        }
    }

    /// Removes a run. Returns the runs whose experiment may change.
    pub(super) fn remove(&mut self, id: &RunId, info: &RunInfo) -> Vec<RunId> {
        if let Some(runs) = self.without_file.get_mut(&info.stem) {
            runs.remove(id);
        }
        let Some(file) = &info.file else {
            return Vec::new();
        };
        let Some(files) = self.launched_from.get_mut(&info.stem) else {
            return Vec::new();
        };
        let Some(count) = files.get_mut(file) else {
            return Vec::new();
        };
        *count -= 1;
        if *count > 0 {
            return Vec::new();
        }
        files.remove(file);
        self.without_file(&info.stem)
    }

    /// The runs of a stem that do not name their file.
    fn without_file(&self, stem: &str) -> Vec<RunId> {
        self.without_file
            .get(stem)
            .into_iter()
            .flatten()
            .cloned()
            .collect()
    }

    /// The experiment of a run.
    pub(super) fn experiment_key(&self, info: &RunInfo) -> ExperimentKey {
        match &info.file {
            Some(file) if self.by_path.contains_key(file) => ExperimentKey::File(file.clone()),
            Some(file) => ExperimentKey::File(self.renamed(info).unwrap_or(file).to_path_buf()),
            None => self.by_name(info).map_or_else(
                || ExperimentKey::Stem(info.stem.clone()),
                |path| ExperimentKey::File(path.to_path_buf()),
            ),
        }
    }

    /// The only file of the same text, if a run's own file is gone; of several, the one with the same name.
    fn renamed(&self, info: &RunInfo) -> Option<&Path> {
        let same: Vec<&File> = self
            .by_text
            .get(info.sha256.as_ref()?)?
            .iter()
            .map(|&index| &self.files[index])
            .collect();
        let named = same.iter().filter(|file| file.stem == info.stem);
        only(same.iter().map(|file| file.path.as_path()))
            .or_else(|| only(named.map(|file| file.path.as_path())))
    }

    /// The only file of a run's stem; of several, the one that ends with the path by which the run was launched.
    fn by_name(&self, info: &RunInfo) -> Option<&Path> {
        let here = self.by_stem.get(&info.stem).into_iter().flatten();
        let here = here.map(|&index| self.files[index].path.as_path());
        let mut known: Vec<&Path> = here.collect();
        if known.is_empty() {
            let files = self.launched_from.get(&info.stem).into_iter().flatten();
            known.extend(files.map(|(path, _)| path.as_path()));
        }
        // `./a.yaml` and `a.yaml` are the same; a bare name matches every path of its stem.
        let source: PathBuf = info
            .source
            .components()
            .filter(|part| *part != std::path::Component::CurDir)
            .collect();
        only(known.iter().copied()).or_else(|| {
            let alike = known.iter().filter(|path| path.ends_with(&source));
            only(alike.copied())
        })
    }
}

/// The path, if these are all the same: a file and a link to it have one.
fn only<'a>(mut paths: impl Iterator<Item = &'a Path>) -> Option<&'a Path> {
    let first = paths.next()?;
    paths.all(|path| path == first).then_some(first)
}
