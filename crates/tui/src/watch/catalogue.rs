//! Reads experiment files again when they change, and finds missing data and weights.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use warmstart_runs::search_paths::{MissingFile, SearchPaths};

use crate::message::Catalogue;
use warmstart_runs::store::{ExperimentFile, experiments};

/// Interval between two checks of the files' times.
const LOOK: Duration = Duration::from_millis(900);
/// Interval between two searches for data and weights, which may be downloading.
const SEARCH: Duration = Duration::from_secs(5);

/// Detects that a file was replaced or written to.
type Stamp = Vec<(PathBuf, i64, i64, u64)>;

/// Follows a folder of experiments.
#[derive(Debug)]
pub(super) struct CatalogueWatch {
    folder: PathBuf,
    looked: Option<Instant>,
    searched: Option<Instant>,
    stamp: Stamp,
    missing: HashMap<PathBuf, Vec<MissingFile>>,
}

impl CatalogueWatch {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            looked: None,
            searched: None,
            stamp: Stamp::new(),
            missing: HashMap::new(),
        }
    }

    /// The files and what they lack, if either changed.
    pub(super) fn poll(&mut self) -> Option<Catalogue> {
        let is_due = |at: Option<Instant>, pause| at.is_none_or(|at| at.elapsed() >= pause);
        if !is_due(self.looked, LOOK) {
            return None;
        }
        let is_first = self.looked.replace(Instant::now()).is_none();
        let stamp = stamp(&self.folder);
        let is_new = is_first || stamp != self.stamp;
        if !is_new && !is_due(self.searched, SEARCH) {
            return None;
        }
        self.searched = Some(Instant::now());
        self.stamp = stamp;
        let (files, error) = match experiments(&self.folder) {
            Ok(files) => (files, None),
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        let missing = missing(&files);
        if !is_new && missing == self.missing {
            return None;
        }
        self.missing.clone_from(&missing);
        Some(Catalogue {
            files,
            error,
            missing,
        })
    }
}

fn stamp(folder: &Path) -> Stamp {
    let entries = |folder: &Path| {
        let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .collect();
        paths.sort_unstable();
        paths
    };
    let mut stamp = Stamp::new();
    let mut add = |path: &Path| {
        if let Ok(meta) = std::fs::metadata(path) {
            stamp.push((
                path.to_path_buf(),
                meta.mtime(),
                meta.mtime_nsec(),
                meta.len(),
            ));
        }
    };
    for path in entries(folder) {
        add(&path);
        if path.is_dir() {
            for path in entries(&path) {
                add(&path);
            }
        }
    }
    stamp
}

fn missing(files: &[ExperimentFile]) -> HashMap<PathBuf, Vec<MissingFile>> {
    let paths = SearchPaths::from_env();
    let of = |file: &ExperimentFile| {
        let lacks = paths.missing(file.loaded.as_ref().ok()?);
        (!lacks.is_empty()).then(|| (file.path.clone(), lacks))
    };
    files.iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_file_is_read_again_and_reported_once() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.yaml"), "name: [").unwrap();
        let mut watch = CatalogueWatch::new(folder.path().to_path_buf());
        assert_eq!(watch.poll().unwrap().files.len(), 1);
        assert!(watch.poll().is_none());
        watch.looked = Some(Instant::now().checked_sub(LOOK).unwrap());
        assert!(watch.poll().is_none());
        std::fs::write(folder.path().join("b.yaml"), "").unwrap();
        watch.looked = Some(Instant::now().checked_sub(LOOK).unwrap());
        assert_eq!(watch.poll().unwrap().files.len(), 2);
    }

    #[test]
    fn missing_data_is_named() {
        let yaml = "name: x\ndataset: { name: cifar100, path: /nowhere }\nmodel: { backbone: resnet18, weights: random }\n\
            train: { epochs: 1, batch_size: 32, optimizer: { name: adam, learning_rate: 0.001 } }\n";
        let loaded = warmstart_schema::experiment::parse(yaml, "x.yaml");
        let file = ExperimentFile::new("x.yaml".into(), loaded);
        let missing = missing(&[file]);
        let lack = MissingFile {
            text: "data: cifar100 is not in /nowhere".to_owned(),
            is_fetched: false,
        };
        assert_eq!(missing[Path::new("x.yaml")], [lack]);
    }
}
