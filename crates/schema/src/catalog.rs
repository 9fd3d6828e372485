//! What warmstart knows by name: datasets, and where pretrained weights of a backbone come from.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::architecture::Backbone;
use crate::experiment::{Dataset, Experiment, Labels, Weights};
use crate::pictures::PictureFolder;

/// A dataset known by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DatasetName {
    /// Embedded: 3,812 emoji of 32×32 pixels in 98 fine and 9 coarse classes.
    Emoji98,
    /// Krizhevsky 2009: 60,000 photographs of 32×32 pixels in 100 fine and 20 coarse classes.
    Cifar100,
    /// Krizhevsky 2009: 60,000 photographs of 32×32 pixels in 10 classes.
    Cifar10,
    /// A folder of one's own: `train/<class>/*.{png,jpg,jpeg,webp}`, with or without `val/` and `test/`; or `<class>/*`.
    #[serde(rename = "image_folder")]
    ImageFolder,
}

impl DatasetName {
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

    /// Name of the folder that the published archive unpacks to.
    pub fn folder(self) -> Option<&'static str> {
        match self {
            Self::Emoji98 | Self::ImageFolder => None,
            Self::Cifar100 => Some("cifar-100-binary"),
            Self::Cifar10 => Some("cifar-10-batches-bin"),
        }
    }
}

/// Where the published `ImageNet` weights of a backbone are, and what they expect of their input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pretrained {
    /// Repository on the Hugging Face hub.
    pub hub: &'static str,
    /// Mean of each channel of pixels in 0..1 that the weights were trained with.
    pub mean: [f32; 3],
    /// Standard deviation likewise.
    pub std: [f32; 3],
}

const IMAGENET_MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const IMAGENET_STD: [f32; 3] = [0.229, 0.224, 0.225];

impl Pretrained {
    pub fn of(backbone: Backbone) -> Self {
        let hub = match backbone {
            Backbone::Resnet18 => "timm/resnet18.a1_in1k",
            Backbone::Resnet50 => "timm/resnet50.a1_in1k",
            Backbone::EfficientnetB0 => "timm/efficientnet_b0.ra_in1k",
            Backbone::TfEfficientnetLite0 => "timm/tf_efficientnet_lite0.in1k",
        };
        // Normalization belongs to the weights: Lite0 was converted from TensorFlow, which scales pixels to -1..1.
        let (mean, std) = match backbone {
            Backbone::TfEfficientnetLite0 => ([0.5; 3], [0.5; 3]),
            _ => (IMAGENET_MEAN, IMAGENET_STD),
        };
        Self { hub, mean, std }
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

/// The folders in which weights and datasets are looked for.
#[derive(Debug, Clone)]
pub struct Places {
    pub weights: Vec<PathBuf>,
    pub datasets: Vec<PathBuf>,
    /// The Hugging Face hub's cache.
    pub hub: PathBuf,
}

impl Places {
    /// Read from the environment: `WARMSTART_WEIGHTS`, `WARMSTART_DATA`, `HF_HUB_CACHE`, `HF_HOME`, `XDG_CACHE_HOME`, the
    /// current folder, and the installation that the running program belongs to.
    pub fn from_env() -> Self {
        let var = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let home = var("HOME").unwrap_or_else(|| PathBuf::from("/"));
        let cache = var("XDG_CACHE_HOME").unwrap_or_else(|| home.join(".cache"));
        let hub = var("HF_HUB_CACHE")
            .unwrap_or_else(|| var("HF_HOME").unwrap_or_else(|| cache.join("huggingface")).join("hub"));
        let mut weights: Vec<PathBuf> = var("WARMSTART_WEIGHTS").into_iter().collect();
        weights.push(PathBuf::from(".weights"));
        weights.extend(
            installation().into_iter().flat_map(|root| [root.join(".weights"), root.join("share/warmstart/weights")]),
        );
        let mut datasets: Vec<PathBuf> = var("WARMSTART_DATA").into_iter().collect();
        datasets.extend([PathBuf::from("datasets"), cache.join("warmstart/datasets")]);
        Self { weights, datasets, hub }
    }
}

impl Places {
    /// What an experiment needs and this machine lacks, a sentence each with where to put it.
    pub fn missing(&self, experiment: &Experiment) -> Vec<String> {
        self.missing_data(&experiment.dataset).into_iter().chain(self.missing_weights(experiment)).collect()
    }

    fn missing_data(&self, dataset: &Dataset) -> Option<String> {
        if let (DatasetName::ImageFolder, Some(path)) = (dataset.name, &dataset.path) {
            return PictureFolder::open(path).err().map(|unusable| format!("data: {unusable}"));
        }
        let (train, test) = dataset.name.files()?;
        let folder = dataset.name.folder()?;
        let is_there = |base: &Path| train.iter().chain(test).all(|file| base.join(file).is_file());
        let name = dataset.name.as_str();
        match &dataset.path {
            Some(path) if is_there(path) || is_there(&path.join(folder)) => None,
            Some(path) => Some(format!("data: {name} is not in {}", path.display())),
            None if self.datasets.iter().any(|place| is_there(&place.join(folder)) || is_there(place)) => None,
            None => {
                let first =
                    self.datasets.first().map(|place| place.join(folder).display().to_string()).unwrap_or_default();
                Some(format!("data: {name} is not on this machine; put its binary version into {first}"))
            }
        }
    }

    fn missing_weights(&self, experiment: &Experiment) -> Option<String> {
        match (&experiment.init, &experiment.model.weights) {
            (Some(_), _) | (None, Weights::Random) => None,
            (None, Weights::File(path)) => {
                (!path.is_file()).then(|| format!("weights: {} is not there", path.display()))
            }
            (None, Weights::Imagenet) => {
                let pretrained = Pretrained::of(experiment.model.backbone);
                pretrained.find(self).err().map(|looked| {
                    let first = looked.first().map(|path| path.display().to_string()).unwrap_or_default();
                    format!("weights: {} are not on this machine; put them at {first}", pretrained.hub)
                })
            }
        }
    }
}

/// Folders above the running program that can be the project or the prefix it is installed under:
/// `target/release/warmstart`, `bin/warmstart` and `lib/warmstart/warmstart-worker` all lie two or three below it.
fn installation() -> Vec<PathBuf> {
    let program = std::env::current_exe().ok().and_then(|path| path.canonicalize().ok());
    program.iter().flat_map(|path| path.ancestors().skip(2).take(3)).map(Path::to_path_buf).collect()
}
