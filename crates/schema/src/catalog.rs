//! What warmstart knows by name: datasets, and where pretrained weights of a backbone come from.

use std::path::{Path, PathBuf};

use crate::architecture::Backbone;
pub use crate::dataset_name::DatasetName;
use crate::experiment::{Dataset, Experiment, Labels, Weights};
use crate::pictures::PictureFolder;

impl DatasetName {
    pub const ALL: [Self; 3] = [Self::Emoji98, Self::Cifar100, Self::Cifar10];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Emoji98 => "emoji98",
            Self::Cifar100 => "cifar100",
            Self::Cifar10 => "cifar10",
            Self::ImageFolder => "image_folder",
        }
    }

    /// Side length of its pictures; of one's own, which come in any size, the side that they are resized to by default.
    pub fn pixels(self) -> u32 {
        if self == Self::ImageFolder { 224 } else { 32 }
    }

    /// Number of classes, where the name alone tells.
    pub fn classes(self, labels: Labels) -> Option<u32> {
        match (self, labels) {
            (Self::Emoji98, Labels::Fine) => Some(98),
            (Self::Emoji98, Labels::Coarse) => Some(9),
            (Self::Cifar100, Labels::Fine) => Some(100),
            (Self::Cifar100, Labels::Coarse) => Some(20),
            (Self::Cifar10, _) => Some(10),
            (Self::ImageFolder, _) => None,
        }
    }

    /// Whether a picture has a coarse label beside its fine one.
    pub fn has_coarse_labels(self) -> bool {
        matches!(self, Self::Emoji98 | Self::Cifar100)
    }

    /// Training and test files of the published binary version, inside its folder; none for the embedded one and for pictures.
    pub fn files(self) -> Option<(&'static [&'static str], &'static [&'static str])> {
        match self {
            Self::Emoji98 | Self::ImageFolder => None,
            Self::Cifar100 => Some((&["train.bin"], &["test.bin"])),
            Self::Cifar10 => Some((
                &["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"],
                &["test_batch.bin"],
            )),
        }
    }

    /// Bytes of one of its published files: records of label bytes and 3072 pixel bytes.
    pub fn file_bytes(self, file: &str) -> u64 {
        match (self, file) {
            (Self::Cifar100, "train.bin") => 50_000 * 3_074,
            (Self::Cifar100, _) => 10_000 * 3_074,
            _ => 10_000 * 3_073,
        }
    }

    /// The archive that its publisher offers; none for the embedded one and for pictures.
    pub fn archive(self) -> Option<Archive> {
        match self {
            Self::Emoji98 | Self::ImageFolder => None,
            Self::Cifar100 => Some(Archive {
                file: "cifar-100-binary.tar.gz",
                bytes: 168_513_733,
                md5: "03b5dce01913d631647c71ecec9e9cb8",
            }),
            Self::Cifar10 => Some(Archive {
                file: "cifar-10-binary.tar.gz",
                bytes: 170_052_171,
                md5: "c32a1d4ab5d03f1284b67883e8d87530",
            }),
        }
    }

    /// The folder that holds the published files, or every folder that was looked at.
    pub fn find(self, path: Option<&Path>, places: &Places) -> Result<PathBuf, Vec<PathBuf>> {
        let ((train, test), folder) = (self.files().unwrap_or_default(), self.folder().unwrap_or_default());
        let candidates: Vec<PathBuf> =
            places.of_data(path).iter().flat_map(|root| [root.join(folder), root.to_path_buf()]).collect();
        let is_whole = |base: &&PathBuf| train.iter().chain(test).all(|file| base.join(file).is_file());
        candidates.iter().find(is_whole).cloned().ok_or(candidates)
    }

    /// A local copy of the published archive, which may be what `dataset.path` names.
    pub fn find_archive(self, path: Option<&Path>, places: &Places) -> Option<PathBuf> {
        if let Some(path) = path.filter(|path| path.is_file()) {
            return Some(path.to_path_buf());
        }
        let file = self.archive()?.file;
        places.of_data(path).iter().map(|root| root.join(file)).find(|path| path.is_file())
    }

    /// Name of the folder that the published archive unpacks to.
    pub fn folder(self) -> Option<&'static str> {
        match self {
            Self::Emoji98 | Self::ImageFolder => None,
            Self::Cifar100 => Some("cifar-100-binary"),
            Self::Cifar10 => Some("cifar-10-batches-bin"),
        }
    }
}

/// An archive as its publisher describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Archive {
    pub file: &'static str,
    pub bytes: u64,
    /// In hexadecimal, as the dataset's page has it.
    pub md5: &'static str,
}

/// Where the published `ImageNet` weights of a backbone are, and what they expect of their input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pretrained {
    /// Repository on the Hugging Face hub.
    pub hub: &'static str,
    /// Side in pixels of the images that the weights were trained or tuned on.
    pub pixels: u32,
    /// Mean of each channel of pixels in 0..1 that the weights were trained with.
    pub mean: [f32; 3],
    /// Standard deviation likewise.
    pub std: [f32; 3],
}

const IMAGENET_MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const IMAGENET_STD: [f32; 3] = [0.229, 0.224, 0.225];

/// What `TensorFlow`'s models and some later ones scale pixels with, to -1..1.
const HALF: [f32; 3] = [0.5; 3];

impl Pretrained {
    /// What timm takes where no tag is named.
    pub fn of(backbone: Backbone) -> Self {
        // Normalization belongs to the weights: two sets of one backbone may differ in it.
        let imagenet = |hub, pixels| Self { hub, pixels, mean: IMAGENET_MEAN, std: IMAGENET_STD };
        let half = |hub, pixels| Self { hub, pixels, mean: HALF, std: HALF };
        match backbone {
            Backbone::Resnet18 => imagenet("timm/resnet18.a1_in1k", 224),
            Backbone::Resnet34 => imagenet("timm/resnet34.a1_in1k", 224),
            Backbone::Resnet50 => imagenet("timm/resnet50.a1_in1k", 224),
            Backbone::Resnet101 => imagenet("timm/resnet101.a1h_in1k", 224),
            Backbone::EfficientnetB0 => imagenet("timm/efficientnet_b0.ra_in1k", 224),
            Backbone::EfficientnetB1 => half("timm/efficientnet_b1.ra4_e3600_r240_in1k", 240),
            Backbone::EfficientnetB2 => imagenet("timm/efficientnet_b2.ra_in1k", 256),
            Backbone::EfficientnetB3 => imagenet("timm/efficientnet_b3.ra2_in1k", 288),
            Backbone::TfEfficientnetB0 => imagenet("timm/tf_efficientnet_b0.ns_jft_in1k", 224),
            Backbone::TfEfficientnetB1 => imagenet("timm/tf_efficientnet_b1.ns_jft_in1k", 240),
            Backbone::TfEfficientnetB2 => imagenet("timm/tf_efficientnet_b2.ns_jft_in1k", 260),
            Backbone::TfEfficientnetB3 => imagenet("timm/tf_efficientnet_b3.ns_jft_in1k", 300),
            Backbone::EfficientnetLite0 => imagenet("timm/efficientnet_lite0.ra_in1k", 224),
            Backbone::TfEfficientnetLite0 => half("timm/tf_efficientnet_lite0.in1k", 224),
            Backbone::MobilenetV3Large100 => imagenet("timm/mobilenetv3_large_100.ra_in1k", 224),
            Backbone::ConvnextTiny => imagenet("timm/convnext_tiny.in12k_ft_in1k", 224),
            Backbone::VitSmallPatch16 => half("timm/vit_small_patch16_224.augreg_in21k_ft_in1k", 224),
        }
    }

    /// File name in warmstart's own folders: timm's name with its tag.
    pub fn file_name(&self) -> String {
        format!("{}.safetensors", self.hub.trim_start_matches("timm/"))
    }

    /// The first of the places where a local copy lies, or every place that was looked at.
    pub fn find(&self, places: &Places) -> Result<PathBuf, Vec<PathBuf>> {
        let mut looked = Vec::new();
        for folder in &places.weights {
            let path = folder.join(self.file_name());
            if path.is_file() {
                return Ok(path);
            }
            looked.push(path);
        }
        let hub = places.hub.join(format!("models--{}", self.hub.replace('/', "--")));
        let snapshots = hub.join("snapshots");
        let newest = std::fs::read_to_string(hub.join("refs/main")).ok().map(|commit| snapshots.join(commit.trim()));
        let others = std::fs::read_dir(&snapshots).into_iter().flatten().flatten().map(|entry| entry.path());
        let found =
            newest.into_iter().chain(others).map(|folder| folder.join("model.safetensors")).find(|path| path.is_file());
        looked.push(snapshots.join("*/model.safetensors"));
        found.ok_or(looked)
    }
}

/// The folders in which weights and datasets are looked for, and where what is fetched goes.
#[derive(Debug, Clone)]
pub struct Places {
    pub weights: Vec<PathBuf>,
    pub datasets: Vec<PathBuf>,
    /// Where fetched datasets go; one of `datasets`.
    pub downloads: PathBuf,
    /// The Hugging Face hub's cache.
    pub hub: PathBuf,
    /// Nothing may be fetched.
    pub offline: bool,
}

/// Something that an experiment needs and this machine lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lack {
    /// A sentence that says what, and how it gets here.
    pub text: String,
    /// Whether a run fetches it by itself; if not, it stands in the way.
    pub is_fetched: bool,
}

impl Places {
    /// Read from the environment: `WARMSTART_WEIGHTS`, `WARMSTART_DATA`, `HF_HUB_CACHE`, `HF_HOME`, `XDG_CACHE_HOME`,
    /// `HF_HUB_OFFLINE`, the current folder, and the installation that the running program belongs to.
    pub fn from_env() -> Self {
        let var = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let cache = cache();
        let hub = var("HF_HUB_CACHE").unwrap_or_else(|| hugging_face_home().join("hub"));
        let mut weights: Vec<PathBuf> = var("WARMSTART_WEIGHTS").into_iter().collect();
        weights.push(PathBuf::from(".weights"));
        weights.extend(
            installation().into_iter().flat_map(|root| [root.join(".weights"), root.join("share/warmstart/weights")]),
        );
        let own = cache.join("warmstart/datasets");
        let downloads = var("WARMSTART_DATA").unwrap_or_else(|| own.clone());
        let datasets = var("WARMSTART_DATA").into_iter().chain([PathBuf::from("datasets"), own]).collect();
        // What `huggingface_hub` takes for yes.
        let is_set = |value: PathBuf| ["1", "ON", "YES", "TRUE"].contains(&&*value.to_string_lossy().to_uppercase());
        Self { weights, datasets, downloads, hub, offline: var("HF_HUB_OFFLINE").is_some_and(is_set) }
    }

    /// What an experiment needs and this machine lacks.
    pub fn missing(&self, experiment: &Experiment) -> Vec<Lack> {
        self.missing_data(&experiment.dataset).into_iter().chain(self.missing_weights(experiment)).collect()
    }

    /// Where the files of a dataset may lie: in the folder that the experiment names, or in any of the usual ones. An archive that
    /// it names is unpacked into those.
    fn of_data<'a>(&'a self, path: Option<&'a Path>) -> Vec<&'a Path> {
        path.filter(|path| !path.is_file())
            .map_or_else(|| self.datasets.iter().map(PathBuf::as_path).collect(), |path| vec![path])
    }

    fn missing_data(&self, dataset: &Dataset) -> Option<Lack> {
        if let (DatasetName::ImageFolder, Some(path)) = (dataset.name, &dataset.path) {
            let unusable = PictureFolder::open(path).err()?;
            return Some(Lack { text: format!("data: {unusable}"), is_fetched: false });
        }
        let archive = dataset.name.archive()?;
        let path = dataset.path.as_deref();
        if dataset.name.find(path, self).is_ok() || dataset.name.find_archive(path, self).is_some() {
            return None;
        }
        let name = dataset.name.as_str();
        Some(match path {
            Some(path) => Lack { text: format!("data: {name} is not in {}", path.display()), is_fetched: false },
            None if self.offline => Lack {
                text: format!(
                    "data: {name} is not on this machine and HF_HUB_OFFLINE is set; put {} into {}",
                    archive.file,
                    self.downloads.display()
                ),
                is_fetched: false,
            },
            None => {
                let megabytes = archive.bytes.div_ceil(1_000_000);
                Lack { text: format!("data: {name} is fetched at launch ({megabytes} MB)"), is_fetched: true }
            }
        })
    }

    fn missing_weights(&self, experiment: &Experiment) -> Option<Lack> {
        match (&experiment.init, &experiment.model.weights) {
            (Some(_), _) | (None, Weights::Random) => None,
            (None, Weights::File(path)) => (!path.is_file())
                .then(|| Lack { text: format!("weights: {} is not there", path.display()), is_fetched: false }),
            (None, Weights::Imagenet) => {
                let pretrained = Pretrained::of(experiment.model.backbone);
                let looked = pretrained.find(self).err()?;
                let hub = pretrained.hub;
                Some(if self.offline {
                    let first = looked.first().map(|path| path.display().to_string()).unwrap_or_default();
                    let text = format!(
                        "weights: {hub} are not on this machine and HF_HUB_OFFLINE is set; put them at {first}"
                    );
                    Lack { text, is_fetched: false }
                } else {
                    Lack { text: format!("weights: {hub} are fetched at launch"), is_fetched: true }
                })
            }
        }
    }
}

/// The user's folder for what can be had again.
fn cache() -> PathBuf {
    let var = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    var("XDG_CACHE_HOME").unwrap_or_else(|| var("HOME").unwrap_or_else(|| PathBuf::from("/")).join(".cache"))
}

/// Where Hugging Face's tools keep their cache and the token.
pub fn hugging_face_home() -> PathBuf {
    let home = std::env::var_os("HF_HOME").filter(|value| !value.is_empty()).map(PathBuf::from);
    home.unwrap_or_else(|| cache().join("huggingface"))
}

/// Folders above the running program that can be the project or the prefix it is installed under:
/// `target/release/warmstart`, `bin/warmstart` and `lib/warmstart/warmstart-worker` all lie two or three below it.
fn installation() -> Vec<PathBuf> {
    let program = std::env::current_exe().ok().and_then(|path| path.canonicalize().ok());
    program.iter().flat_map(|path| path.ancestors().skip(2).take(3)).map(Path::to_path_buf).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(root: &Path, offline: bool) -> Places {
        let downloads = root.join("datasets");
        Places { weights: vec![], datasets: vec![downloads.clone()], downloads, hub: root.join("hub"), offline }
    }

    fn lacks(places: &Places, dataset: &str) -> Vec<Lack> {
        let yaml = format!(
            "name: x\ndataset: {dataset}\nmodel: {{ backbone: resnet18, weights: imagenet }}\n\
             train: {{ epochs: 1, batch_size: 32, optimizer: {{ name: adam, learning_rate: 0.001 }} }}\n"
        );
        places.missing(&crate::experiment::parse(&yaml, "x.yaml").unwrap())
    }

    #[test]
    fn what_is_lacking_is_fetched_unless_the_user_said_where_it_is_or_that_nothing_is() {
        let root = tempfile::tempdir().unwrap();
        let online = lacks(&places(root.path(), false), "{ name: cifar100 }");
        assert!(online.len() == 2 && online.iter().all(|lack| lack.is_fetched), "{online:?}");
        let offline = lacks(&places(root.path(), true), "{ name: cifar100 }");
        assert!(offline.len() == 2 && offline.iter().all(|lack| !lack.is_fetched), "{offline:?}");
        assert!(offline[0].text.contains("put cifar-100-binary.tar.gz into"), "{offline:?}");
        let named = lacks(&places(root.path(), false), "{ name: cifar100, path: /nowhere }");
        assert!(!named[0].is_fetched && named[0].text.contains("/nowhere"), "{named:?}");
    }

    #[test]
    fn a_dataset_may_lie_unpacked_or_as_its_archive_where_it_is_looked_for_or_where_it_is_named() {
        let root = tempfile::tempdir().unwrap();
        let (places, cifar) = (places(root.path(), true), DatasetName::Cifar100);
        let write = |folder: &Path, file: &str| {
            std::fs::create_dir_all(folder).unwrap();
            std::fs::write(folder.join(file), "").unwrap();
            folder.join(file)
        };
        let mine = root.path().join("mine");
        let archive = write(&mine, "any-name.tgz");
        assert_eq!(cifar.find_archive(Some(&archive), &places), Some(archive.clone()));
        assert_eq!(cifar.find_archive(Some(&mine), &places), None);
        let published = write(&mine, "cifar-100-binary.tar.gz");
        assert_eq!(cifar.find_archive(Some(&mine), &places), Some(published));
        assert_eq!(cifar.find_archive(None, &places), None);

        let unpacked = places.downloads.join("cifar-100-binary");
        write(&unpacked, "train.bin");
        assert!(cifar.find(None, &places).is_err(), "half of it is not it");
        write(&unpacked, "test.bin");
        assert_eq!(cifar.find(None, &places), Ok(unpacked.clone()));
        // A named archive is unpacked into the usual place; a named folder is the only one that counts.
        assert_eq!(cifar.find(Some(&archive), &places), Ok(unpacked.clone()));
        assert!(cifar.find(Some(&mine), &places).is_err());
        assert_eq!(cifar.find(Some(&unpacked), &places), Ok(unpacked));
    }
}
