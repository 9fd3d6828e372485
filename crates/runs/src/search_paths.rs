//! Where datasets and weights are looked for, and which of them this machine lacks.

use std::cmp::Reverse;
use std::path::{Path, PathBuf};

use crate::pictures::PictureFolder;
use warmstart_schema::catalog::{DatasetName, Pretrained};
use warmstart_schema::experiment::{Dataset, Experiment, Weights};
use warmstart_schema::text;

/// The folders in which weights and datasets are looked for, in this order, and those that downloads go to.
#[derive(Debug, Clone)]
pub struct SearchPaths {
    pub weights: Vec<PathBuf>,
    pub datasets: Vec<PathBuf>,
    /// Where downloaded datasets go; one of `datasets`.
    pub downloads: PathBuf,
    /// The Hugging Face hub's cache.
    pub hub: PathBuf,
    /// Downloads are forbidden.
    pub offline: bool,
}

/// Data or weights that an experiment needs and this machine lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingFile {
    /// A sentence that says what is missing, and how to get it. It begins with `data: ` or `weights: `.
    pub text: String,
    /// Whether a run downloads it; if not, a launch is refused.
    pub is_fetched: bool,
}

impl SearchPaths {
    /// Read from the environment: `WARMSTART_WEIGHTS`, `WARMSTART_DATA`, `HF_HUB_CACHE`, `HF_HOME`, `XDG_CACHE_HOME`,
    /// `HF_HUB_OFFLINE`, the current folder, and the installation that the running program belongs to.
    pub fn from_env() -> Self {
        let hub = variable("HF_HUB_CACHE").unwrap_or_else(|| hugging_face_home().join("hub"));
        let mut weights: Vec<PathBuf> = variable("WARMSTART_WEIGHTS").into_iter().collect();
        weights.push(PathBuf::from(".weights"));
        weights.extend(
            installation()
                .into_iter()
                .flat_map(|root| [root.join(".weights"), root.join("share/warmstart/weights")]),
        );
        let own = cache().join("warmstart/datasets");
        let named = variable("WARMSTART_DATA");
        let downloads = named.clone().unwrap_or_else(|| own.clone());
        let datasets = named
            .into_iter()
            .chain([PathBuf::from("datasets"), own])
            .collect();
        // The values that `huggingface_hub` reads as true.
        let is_set = |value: PathBuf| {
            ["1", "ON", "YES", "TRUE"].contains(&&*value.to_string_lossy().to_uppercase())
        };
        Self {
            weights,
            datasets,
            downloads,
            hub,
            offline: variable("HF_HUB_OFFLINE").is_some_and(is_set),
        }
    }

    /// The folder that holds the published files of a dataset. The error lists every folder searched; it is empty for a dataset
    /// without published files.
    pub fn find_dataset(
        &self,
        name: DatasetName,
        path: Option<&Path>,
    ) -> Result<PathBuf, Vec<PathBuf>> {
        let (Some((train, test)), Some(folder)) = (name.files(), name.folder()) else {
            return Err(Vec::new());
        };
        let candidates: Vec<PathBuf> = self
            .dataset_folders(name, path)
            .iter()
            .flat_map(|root| [root.join(folder), root.to_path_buf()])
            .collect();
        let is_whole = |base: &&PathBuf| {
            train
                .iter()
                .chain(test)
                .all(|file| base.join(file).is_file())
        };
        candidates.iter().find(is_whole).cloned().ok_or(candidates)
    }

    /// A local copy of a dataset's published archive; `path` (`dataset.path`) may be the archive itself.
    pub fn find_archive(&self, name: DatasetName, path: Option<&Path>) -> Option<PathBuf> {
        if let Some(path) = path.filter(|path| path.is_file()) {
            return Some(path.to_path_buf());
        }
        let file = name.archive()?.file;
        self.dataset_folders(name, path)
            .iter()
            .map(|root| root.join(file))
            .find(|path| path.is_file())
    }

    /// The first local copy of the weights. In the hub's cache that is the revision that `main` was downloaded as, or else the
    /// one that was downloaded last. The error lists every path searched.
    pub fn find_weights(&self, pretrained: &Pretrained) -> Result<PathBuf, Vec<PathBuf>> {
        let mut searched = Vec::new();
        for folder in &self.weights {
            let path = folder.join(pretrained.file_name());
            if path.is_file() {
                return Ok(path);
            }
            searched.push(path);
        }
        let hub = self
            .hub
            .join(format!("models--{}", pretrained.hub.replace('/', "--")));
        let snapshots = hub.join("snapshots");
        let main = std::fs::read_to_string(hub.join("refs/main"))
            .ok()
            .map(|commit| snapshots.join(commit.trim()));
        // The order of a folder is not the same on every machine.
        let mut others: Vec<_> = std::fs::read_dir(&snapshots)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| {
                let changed = entry.metadata().and_then(|meta| meta.modified()).ok();
                (Reverse(changed), entry.path())
            })
            .collect();
        others.sort_unstable();
        let found = main
            .into_iter()
            .chain(others.into_iter().map(|(_, folder)| folder))
            .map(|folder| folder.join("model.safetensors"))
            .find(|path| path.is_file());
        searched.push(snapshots.join("*/model.safetensors"));
        found.ok_or(searched)
    }

    /// The data and weights that these experiments need and this machine lacks, each once.
    pub fn missing(&self, experiments: &[&Experiment]) -> Vec<MissingFile> {
        let mut lacks: Vec<MissingFile> = Vec::new();
        let mut datasets: Vec<&Dataset> = Vec::new();
        for experiment in experiments {
            let dataset = &experiment.dataset;
            // The members of a group often share a folder of pictures, and looking through it takes time.
            let data = if datasets.contains(&dataset) {
                None
            } else {
                datasets.push(dataset);
                self.missing_data(dataset)
            };
            for lack in data.into_iter().chain(self.missing_weights(experiment)) {
                if !lacks.contains(&lack) {
                    lacks.push(lack);
                }
            }
        }
        lacks
    }

    /// The folders that may hold the files of a dataset: the one that the experiment names, or else the usual ones. An archive that
    /// is named, or lies in the named folder, is unpacked into the usual ones.
    fn dataset_folders<'a>(&'a self, name: DatasetName, path: Option<&'a Path>) -> Vec<&'a Path> {
        let has_archive = |folder: &Path| {
            name.archive()
                .is_some_and(|archive| folder.join(archive.file).is_file())
        };
        let named = path.filter(|path| !path.is_file());
        let mut folders: Vec<&Path> = named.into_iter().collect();
        if named.is_none_or(has_archive) {
            folders.extend(self.datasets.iter().map(PathBuf::as_path));
        }
        folders
    }

    fn missing_data(&self, dataset: &Dataset) -> Option<MissingFile> {
        if let Some(folder) = dataset.folder() {
            let unusable = PictureFolder::open(&folder.path, folder.split_rule()).err()?;
            return Some(MissingFile {
                text: format!("data: {unusable}"),
                is_fetched: false,
            });
        }
        let (name, path) = (dataset.name(), dataset.path());
        let archive = name.archive()?;
        if self.find_dataset(name, path).is_ok() || self.find_archive(name, path).is_some() {
            return None;
        }
        let name = name.as_str();
        Some(match path {
            Some(path) => MissingFile {
                text: format!("data: {name} is not in {}", shown(path)),
                is_fetched: false,
            },
            None if self.offline => MissingFile {
                text: format!(
                    "data: {name} is not on this machine and HF_HUB_OFFLINE is set; put {} into {}",
                    archive.file,
                    shown(&self.downloads)
                ),
                is_fetched: false,
            },
            None => {
                let megabytes = archive.bytes.div_ceil(1_000_000);
                MissingFile {
                    text: format!("data: {name} is downloaded at launch ({megabytes} MB)"),
                    is_fetched: true,
                }
            }
        })
    }

    fn missing_weights(&self, experiment: &Experiment) -> Option<MissingFile> {
        if let (None, Weights::File(path)) = (&experiment.init, &experiment.model.weights) {
            return (!path.is_file()).then(|| MissingFile {
                text: format!("weights: {} is not there", shown(path)),
                is_fetched: false,
            });
        }
        let pretrained = experiment.published()?;
        let searched = self.find_weights(&pretrained).err()?;
        let hub = pretrained.hub;
        Some(if self.offline {
            let first = searched
                .first()
                .map(|first| shown(first))
                .unwrap_or_default();
            let text = format!(
                "weights: {hub} are not on this machine and HF_HUB_OFFLINE is set; put them at {first}"
            );
            MissingFile {
                text,
                is_fetched: false,
            }
        } else {
            MissingFile {
                text: format!("weights: {hub} are downloaded at launch"),
                is_fetched: true,
            }
        })
    }
}

/// A path for people: an experiment may name one with any character.
fn shown(path: &Path) -> String {
    text::line(&path.display().to_string(), 300)
}

/// The user's cache folder: `XDG_CACHE_HOME`, or `.cache` in the home folder.
pub fn cache() -> PathBuf {
    let home = || variable("HOME").unwrap_or_else(|| PathBuf::from("/"));
    variable("XDG_CACHE_HOME").unwrap_or_else(|| home().join(".cache"))
}

/// The folder in which Hugging Face's tools keep their cache and the token.
pub fn hugging_face_home() -> PathBuf {
    variable("HF_HOME").unwrap_or_else(|| cache().join("huggingface"))
}

/// An environment variable as a path; none if it is empty.
fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}

/// The folders above the running program that may be the project or the install prefix. `bin/warmstart` lies two levels below it,
/// `target/release/warmstart` and `lib/warmstart/warmstart-worker` three, and a test in `target/release/deps` four.
fn installation() -> Vec<PathBuf> {
    let program = std::env::current_exe()
        .ok()
        .and_then(|path| path.canonicalize().ok());
    program
        .iter()
        .flat_map(|path| path.ancestors().skip(2).take(3))
        .map(Path::to_path_buf)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(root: &Path, offline: bool) -> SearchPaths {
        let downloads = root.join("datasets");
        SearchPaths {
            weights: vec![],
            datasets: vec![downloads.clone()],
            downloads,
            hub: root.join("hub"),
            offline,
        }
    }

    fn experiment(dataset: &str, weights: &str) -> Experiment {
        let yaml = format!(
            "name: x\ndataset: {dataset}\nmodel: {{ backbone: resnet18, weights: {weights} }}\n\
             train: {{ epochs: 1, batch_size: 32, optimizer: {{ name: adam, learning_rate: 0.001 }} }}\n"
        );
        warmstart_schema::experiment::parse(&yaml, "x.yaml").unwrap()
    }

    fn lacks(paths: &SearchPaths, dataset: &str) -> Vec<MissingFile> {
        paths.missing(&[&experiment(dataset, "imagenet")])
    }

    #[test]
    fn missing_files_are_fetched_unless_a_path_is_named_or_offline_is_set() {
        let root = tempfile::tempdir().unwrap();
        let online = lacks(&paths(root.path(), false), "{ name: cifar100 }");
        assert!(
            online.len() == 2 && online.iter().all(|lack| lack.is_fetched),
            "{online:?}"
        );
        let offline = lacks(&paths(root.path(), true), "{ name: cifar100 }");
        assert!(
            offline.len() == 2 && offline.iter().all(|lack| !lack.is_fetched),
            "{offline:?}"
        );
        assert!(
            offline[0].text.contains("put cifar-100-binary.tar.gz into"),
            "{offline:?}"
        );
        let named = lacks(
            &paths(root.path(), false),
            "{ name: cifar100, path: /nowhere }",
        );
        assert!(
            !named[0].is_fetched && named[0].text.contains("/nowhere"),
            "{named:?}"
        );
    }

    #[test]
    fn missing_files_are_named_without_characters_that_a_terminal_obeys() {
        let root = tempfile::tempdir().unwrap();
        let paths = paths(root.path(), false);
        let emoji = "{ name: emoji98 }";
        for experiment in [
            experiment(r#"{ name: cifar100, path: "/no\e[2Jwhere" }"#, "random"),
            experiment(emoji, r#""/no\e[2Jwhere/x.safetensors""#),
        ] {
            let lacks = paths.missing(&[&experiment]);
            let [lack] = &lacks[..] else {
                panic!("{lacks:?}")
            };
            assert!(lack.text.contains("/no[2Jwhere"), "{lack:?}");
        }
    }

    #[test]
    fn the_file_of_weights_has_their_tag_in_its_name() {
        let root = tempfile::tempdir().unwrap();
        let mut paths = paths(root.path(), false);
        let mine = root.path().join("mine");
        std::fs::create_dir(&mine).unwrap();
        paths.weights.push(mine.clone());
        let chosen = experiment("{ name: emoji98 }", "tv_in1k");
        let says = |paths: &SearchPaths| {
            let lacking = paths.missing(&[&chosen]).into_iter();
            lacking.map(|lack| lack.text).collect::<Vec<_>>()
        };
        // Those of another tag do not take their place.
        std::fs::write(mine.join("resnet18.a1_in1k.safetensors"), "").unwrap();
        assert_eq!(
            says(&paths),
            ["weights: timm/resnet18.tv_in1k are downloaded at launch"]
        );
        let own_tag = experiment("{ name: emoji98 }", "a1_in1k");
        assert!(paths.missing(&[&own_tag]).is_empty());
        paths.offline = true;
        let place = mine.join("resnet18.tv_in1k.safetensors");
        let text = says(&paths).concat();
        assert!(
            text.ends_with(&format!("put them at {}", place.display())),
            "{text}"
        );
        std::fs::write(place, "").unwrap();
        assert!(says(&paths).is_empty());
        let hub = "hub/models--timm--resnet18.tv_in1k/snapshots/ab";
        let in_cache = SearchPaths {
            weights: vec![],
            ..paths
        };
        std::fs::create_dir_all(root.path().join(hub)).unwrap();
        std::fs::write(root.path().join(hub).join("model.safetensors"), "").unwrap();
        assert!(says(&in_cache).is_empty());
    }

    #[test]
    fn of_several_revisions_of_weights_main_or_the_last_download_is_taken() {
        let root = tempfile::tempdir().unwrap();
        let paths = paths(root.path(), true);
        let weights = experiment("{ name: emoji98 }", "tv_in1k");
        let weights = weights.published().unwrap();
        let hub = root.path().join("hub/models--timm--resnet18.tv_in1k");
        let files = ["a", "b", "c", "d"].map(|name| {
            let folder = hub.join("snapshots").join(name);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("model.safetensors"), "").unwrap();
            folder.join("model.safetensors")
        });
        let downloaded = |file: &Path, at: u64| {
            let folder = std::fs::File::open(file.parent().unwrap()).unwrap();
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(at);
            folder.set_modified(time).unwrap();
        };
        for file in &files {
            for other in &files {
                downloaded(other, 1000);
            }
            downloaded(file, 2000);
            assert_eq!(paths.find_weights(&weights).as_ref(), Ok(file));
        }
        std::fs::create_dir(hub.join("refs")).unwrap();
        std::fs::write(hub.join("refs/main"), "b").unwrap();
        assert_eq!(paths.find_weights(&weights).as_ref(), Ok(&files[1]));
    }

    #[test]
    fn datasets_are_found_as_folder_or_archive_in_named_or_usual_folders() {
        let root = tempfile::tempdir().unwrap();
        let (paths, cifar) = (paths(root.path(), true), DatasetName::Cifar100);
        let write = |folder: &Path, file: &str| {
            std::fs::create_dir_all(folder).unwrap();
            std::fs::write(folder.join(file), "").unwrap();
            folder.join(file)
        };
        let mine = root.path().join("mine");
        let archive = write(&mine, "any-name.tgz");
        assert_eq!(
            paths.find_archive(cifar, Some(&archive)),
            Some(archive.clone())
        );
        assert_eq!(paths.find_archive(cifar, Some(&mine)), None);
        let published = write(&mine, "cifar-100-binary.tar.gz");
        assert_eq!(paths.find_archive(cifar, Some(&mine)), Some(published));
        assert_eq!(paths.find_archive(cifar, None), None);

        let unpacked = paths.downloads.join("cifar-100-binary");
        write(&unpacked, "train.bin");
        assert!(
            paths.find_dataset(cifar, None).is_err(),
            "one of two files is missing"
        );
        write(&unpacked, "test.bin");
        assert_eq!(paths.find_dataset(cifar, None), Ok(unpacked.clone()));
        // An archive that is named, or lies in the named folder, is unpacked into the usual folder.
        for named in [&archive, &mine] {
            assert_eq!(paths.find_dataset(cifar, Some(named)), Ok(unpacked.clone()));
        }
        // A named folder without the archive is the only one searched.
        std::fs::remove_file(mine.join("cifar-100-binary.tar.gz")).unwrap();
        assert!(paths.find_dataset(cifar, Some(&mine)).is_err());
        assert_eq!(paths.find_dataset(cifar, Some(&unpacked)), Ok(unpacked));
        // An embedded dataset has no files, and so no folder.
        assert_eq!(
            paths.find_dataset(DatasetName::Emoji98, None),
            Err(Vec::new())
        );
    }
}
