//! Which experiment a run is of: the file that it was launched from, by its path; where that file is gone, one of the same text.
//! A name alone says it only of runs of earlier versions, and only where one file has that name.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use crate::run::{self, RunId, RunInfo};

use super::ExperimentFile;

/// What a run is of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Home {
    /// The experiment of this file, by its whole path.
    File(PathBuf),
    /// An experiment of which nothing but the name is known.
    Stem(String),
}

impl Home {
    /// The name of the experiment's file without `.yaml`.
    pub fn stem(&self) -> String {
        match self {
            Self::File(path) => run::stem(path),
            Self::Stem(stem) => stem.clone(),
        }
    }

    /// Whether `name` is what a path ends with, with or without its `.yaml`: `sub/quick` of `/home/me/sub/quick.yaml`.
    pub fn ends_with(&self, name: &Path) -> bool {
        match self {
            Self::File(path) => path.ends_with(name) || path.with_extension("").ends_with(name),
            Self::Stem(stem) => Path::new(stem) == name,
        }
    }

    /// As it may be shown.
    pub fn shown(&self) -> String {
        match self {
            Self::File(path) => warmstart_schema::text::line(&path.display().to_string(), 300),
            Self::Stem(stem) => stem.clone(),
        }
    }
}

impl ExperimentFile {
    /// What its runs are of.
    pub fn home(&self) -> Home {
        Home::File(self.place.clone())
    }
}

/// The experiment files that are here, and those that runs tell of.
#[derive(Debug, Default)]
pub(super) struct Lineage {
    files: Vec<File>,
    by_path: HashMap<PathBuf, usize>,
    by_stem: HashMap<String, Vec<usize>>,
    by_text: HashMap<String, Vec<usize>>,
    /// Of each stem the files that runs were launched from, and how many of each.
    told: HashMap<String, BTreeMap<PathBuf, usize>>,
    /// Of each stem the runs that do not tell their file.
    silent: HashMap<String, BTreeSet<RunId>>,
}

#[derive(Debug, Clone, PartialEq)]
struct File {
    path: PathBuf,
    stem: String,
    sha256: Option<String>,
}

impl Lineage {
    /// Takes the files that are here; false where they are those that were known.
    pub(super) fn know(&mut self, files: &[ExperimentFile]) -> bool {
        let file = |file: &ExperimentFile| File {
            path: file.place.clone(),
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

    /// Takes in what a run tells. Returns the runs whose home that may change.
    pub(super) fn add(&mut self, id: &RunId, info: &RunInfo) -> Vec<RunId> {
        let Some(file) = &info.file else {
            self.silent
                .entry(info.stem.clone())
                .or_default()
                .insert(id.clone());
            return Vec::new();
        };
        let told = self.told.entry(info.stem.clone()).or_default();
        *told.entry(file.clone()).or_default() += 1;
        if told[file] == 1 {
            self.silent_of(&info.stem)
        } else {
            Vec::new()
        }
    }

    /// Forgets what a run told. Returns the runs whose home that may change.
    pub(super) fn remove(&mut self, id: &RunId, info: &RunInfo) -> Vec<RunId> {
        if let Some(silent) = self.silent.get_mut(&info.stem) {
            silent.remove(id);
        }
        let Some(file) = &info.file else {
            return Vec::new();
        };
        let Some(told) = self.told.get_mut(&info.stem) else {
            return Vec::new();
        };
        let Some(count) = told.get_mut(file) else {
            return Vec::new();
        };
        *count -= 1;
        if *count > 0 {
            return Vec::new();
        }
        told.remove(file);
        self.silent_of(&info.stem)
    }

    fn silent_of(&self, stem: &str) -> Vec<RunId> {
        self.silent
            .get(stem)
            .into_iter()
            .flatten()
            .cloned()
            .collect()
    }

    /// What a run is of.
    pub(super) fn home(&self, info: &RunInfo) -> Home {
        match &info.file {
            Some(file) if self.by_path.contains_key(file) => Home::File(file.clone()),
            Some(file) => Home::File(self.renamed(info).unwrap_or(file).to_path_buf()),
            None => self.by_name(info).map_or_else(
                || Home::Stem(info.stem.clone()),
                |path| Home::File(path.to_path_buf()),
            ),
        }
    }

    /// The file of the same text that is here, where a run's own is not; of several, the one that kept its name.
    fn renamed(&self, info: &RunInfo) -> Option<&Path> {
        let same: Vec<&File> = self
            .by_text
            .get(info.sha256.as_ref()?)?
            .iter()
            .map(|&index| &self.files[index])
            .collect();
        let named: Vec<&&File> = same.iter().filter(|file| file.stem == info.stem).collect();
        match (&same[..], &named[..]) {
            ([one], _) => Some(&one.path),
            (_, [one]) => Some(&one.path),
            _ => None,
        }
    }

    /// The only file of a run's stem; of several, the one that ends as the path does by which the run was launched.
    fn by_name(&self, info: &RunInfo) -> Option<&Path> {
        let here: Vec<&Path> = self
            .by_stem
            .get(&info.stem)
            .into_iter()
            .flatten()
            .map(|&index| self.files[index].path.as_path())
            .collect();
        let told: Vec<&Path> = self
            .told
            .get(&info.stem)
            .into_iter()
            .flatten()
            .map(|(path, _)| path.as_path())
            .collect();
        let known = if here.is_empty() { told } else { here };
        if let [one] = known[..] {
            return Some(one);
        }
        // `./a.yaml` and `a.yaml` are one; a bare name ends every path of its stem.
        let source: PathBuf = info
            .source
            .components()
            .filter(|part| *part != std::path::Component::CurDir)
            .collect();
        let like: Vec<&Path> = known
            .into_iter()
            .filter(|path| path.ends_with(&source))
            .collect();
        if let [one] = like[..] {
            Some(one)
        } else {
            None
        }
    }
}
