//! Reads experiment files again when they change, and finds missing data and weights.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use warmstart_runs::search_paths::{MissingFile, SearchPaths};

use crate::message::Catalogue;
use warmstart_runs::store::{ExperimentFile, experiment_paths, experiments};

/// Interval between two checks of the files' times.
const LOOK: Duration = Duration::from_millis(900);
/// Interval between two searches for data and weights, which may be downloading. Each reads the files too: some file systems keep
/// times in seconds, and a change of permissions alters no time here.
const SEARCH: Duration = Duration::from_secs(5);

/// Detects most writes without reading a file: paths, times and lengths.
type Stamp = Vec<(PathBuf, i64, i64, u64)>;

/// Detects any change: each file with its fingerprint, and why the folder cannot be read.
#[derive(Debug, Default, PartialEq, Eq)]
struct Content {
    files: Vec<(PathBuf, Option<String>)>,
    error: Option<String>,
}

/// Follows a folder of experiments.
#[derive(Debug)]
pub(super) struct CatalogueWatch {
    folder: PathBuf,
    looked: Option<Instant>,
    searched: Option<Instant>,
    stamp: Stamp,
    content: Content,
    missing: HashMap<PathBuf, Vec<MissingFile>>,
}

impl CatalogueWatch {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            looked: None,
            searched: None,
            stamp: Stamp::new(),
            content: Content::default(),
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
        let content = Content {
            files: files
                .iter()
                .map(|file| (file.path.clone(), file.sha256.clone()))
                .collect(),
            error: error.clone(),
        };
        let missing = missing(&files);
        if !is_new && content == self.content && missing == self.missing {
            return None;
        }
        self.content = content;
        self.missing.clone_from(&missing);
        Some(Catalogue {
            files,
            error,
            missing,
        })
    }
}

fn stamp(folder: &Path) -> Stamp {
    let of = |path: PathBuf| {
        let meta = std::fs::metadata(&path).ok()?;
        Some((path, meta.mtime(), meta.mtime_nsec(), meta.len()))
    };
    experiment_paths(folder)
        .into_iter()
        .filter_map(of)
        .collect()
}

fn missing(files: &[ExperimentFile]) -> HashMap<PathBuf, Vec<MissingFile>> {
    let paths = SearchPaths::from_env();
    let of = |file: &ExperimentFile| {
        let lacks = paths.missing(&file.of_runs());
        (!lacks.is_empty()).then(|| (file.path.clone(), lacks))
    };
    files.iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

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

    /// Makes the next poll look at the files' times, search, and read the files.
    fn make_due(watch: &mut CatalogueWatch) {
        watch.looked = Some(Instant::now().checked_sub(LOOK).unwrap());
        watch.searched = Some(Instant::now().checked_sub(SEARCH).unwrap());
    }

    #[test]
    fn a_change_that_keeps_time_and_length_is_reported_once() {
        let folder = tempfile::tempdir().unwrap();
        let write = |text: &str| {
            let path = folder.path().join("a.yaml");
            std::fs::write(&path, text).unwrap();
            let file = std::fs::File::options().write(true).open(path).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        };
        write("name: [");
        let mut watch = CatalogueWatch::new(folder.path().to_path_buf());
        watch.poll().unwrap();
        write("name: {");
        make_due(&mut watch);
        assert!(watch.poll().is_some());
        make_due(&mut watch);
        assert!(watch.poll().is_none());
    }

    #[test]
    fn a_folder_that_appears_ends_the_error_without_a_file_in_it() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("experiments");
        let mut watch = CatalogueWatch::new(folder.clone());
        assert!(watch.poll().unwrap().error.is_some());
        std::fs::create_dir(folder).unwrap();
        make_due(&mut watch);
        assert_eq!(watch.poll().unwrap().error, None);
    }

    #[test]
    fn files_that_are_no_experiments_are_not_watched() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("pictures")).unwrap();
        let others = ["notes.txt", ".a.yaml", "pictures/1.png"];
        let write = |text: &str| {
            for name in others {
                std::fs::write(folder.path().join(name), text).unwrap();
            }
        };
        write("one");
        let mut watch = CatalogueWatch::new(folder.path().to_path_buf());
        watch.poll().unwrap();
        write("another");
        make_due(&mut watch);
        assert!(watch.poll().is_none());
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

    #[test]
    fn missing_data_of_every_member_is_named() {
        let yaml = "name: x\ndataset: { name: cifar100, path: /nowhere }\nmodel: { backbone: resnet18, weights: random }\n\
            train: { epochs: 1, batch_size: 32, optimizer: { name: adam, learning_rate: 0.001 } }\n\
            seeds: [1, 2]\ngrid: { dataset.path: [/nowhere/one, /nowhere/two] }\n";
        let (loaded, group) =
            warmstart_schema::experiment::parse_group(yaml, "x.yaml", &[]).unwrap();
        let file = ExperimentFile {
            group,
            ..ExperimentFile::new("x.yaml".into(), Ok(loaded))
        };
        let missing = missing(&[file]);
        let texts: Vec<&str> = missing[Path::new("x.yaml")]
            .iter()
            .map(|lack| lack.text.as_str())
            .collect();
        assert_eq!(
            texts,
            ["one", "two"].map(|folder| format!("data: cifar100 is not in /nowhere/{folder}"))
        );
    }
}
