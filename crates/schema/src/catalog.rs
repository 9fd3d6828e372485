//! What warmstart knows by name: datasets, and where pretrained weights of a backbone come from.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::architecture::Backbone;
use crate::experiment::{Dataset, Experiment, Labels, Weights};

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
}

impl DatasetName {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Emoji98 => "emoji98",
            Self::Cifar100 => "cifar100",
            Self::Cifar10 => "cifar10",
        }
    }

    /// Side length of its pictures.
    pub fn pixels(self) -> u32 {
        32
    }

    pub fn classes(self, labels: Labels) -> u32 {
        match (self, labels) {
            (Self::Emoji98, Labels::Fine) => 98,
            (Self::Emoji98, Labels::Coarse) => 9,
            (Self::Cifar100, Labels::Fine) => 100,
            (Self::Cifar100, Labels::Coarse) => 20,
            (Self::Cifar10, _) => 10,
        }
    }

    /// Whether a picture has a coarse label beside its fine one.
    pub fn has_coarse_labels(self) -> bool {
        self != Self::Cifar10
    }

    /// Training and test files of the published binary version, inside its folder; none for the embedded one.
    pub fn files(self) -> Option<(&'static [&'static str], &'static [&'static str])> {
        match self {
            Self::Emoji98 => None,
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
            Self::Emoji98 => None,
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
