//! An experiment file: what to train, on which data, and the published figures to compare with. Strict YAML: unknown keys are
//! refused.

mod augment;
mod cache_views;
mod dataset;
mod ema;
mod evaluate;
mod fields;
mod forbidden;
mod groups;
mod halving;
mod members;
mod misplaced;
mod mix;
mod optimizer;
mod parse;
mod place;
mod precision;
mod probe;
mod progressive;
mod sampler;
mod schedule;
mod unfreeze;
mod validate;

use std::path::Path;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::augment::{
    Augment, ColorJitter, Erasing, ErasingFill, PaddingCrop, PaddingFill, RandAugment, ResizedCrop,
};
pub use self::dataset::{Dataset, DatasetKind, ImageFolder, SplitRule};
pub use self::ema::Ema;
pub use self::evaluate::Evaluate;
pub use self::fields::{Freeze, OnNan, Weights};
pub use self::groups::Groups;
pub use self::halving::{Halved, Halving, Rounds};
pub use self::members::{Grid, Group, MOST_MEMBERS, Member, Setting, in_words};
pub use self::mix::Mix;
pub use self::optimizer::Optimizer;
pub use self::parse::{
    MAX_BYTES, Problem, load, load_in, parse, parse_file, parse_group, parse_with, read_strict,
    read_text,
};
pub use self::place::whole;
pub use self::precision::{NumberFormat, Precision};
pub use self::probe::{Probe, RunKind};
pub use self::progressive::SizeUntil;
pub use self::sampler::Sampler;
pub use self::schedule::{Every, Length, Schedule, Shape};
pub use self::unfreeze::FreezeFrom;
use crate::architecture::{Architecture, Backbone, Pretrained, Stem};
pub use crate::dataset_name::Labels;
use crate::metric::Metric;
use crate::slurm::Slurm;

/// One experiment, with every default filled in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// The name of the experiment on every screen.
    pub name: String,
    /// Lists show experiments of one group together.
    #[serde(default = "default_group")]
    pub group: String,
    /// The question that the experiment answers, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<String>,
    /// Every random choice of a run is derived from this number.
    #[serde(default = "default_seed")]
    pub seed: u64,
    /// One run for each of these seeds instead of `seed`, queued together and compared as mean ± standard deviation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seeds: Option<Vec<u64>>,
    /// One run for each combination of these values, for example `{ train.optimizer.learning_rate: [0.1, 0.01] }`. With `seeds`,
    /// one for each seed too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grid: Option<Grid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub halving: Option<Halving>,
    pub dataset: Dataset,
    #[serde(default)]
    pub input: Input,
    #[serde(default)]
    pub augment: Augment,
    pub model: Model,
    /// Start from the best checkpoint of another experiment's newest finished run instead of `model.weights`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init: Option<Init>,
    /// Required, except where `probe` takes its place.
    #[serde(
        default = "Train::absent",
        skip_serializing_if = "Train::is_not_written"
    )]
    pub train: Train,
    #[serde(default, skip_serializing_if = "Evaluate::is_plain")]
    pub evaluate: Evaluate,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<Probe>,
    /// Published figures to show beside the measured ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Reference>,
    /// What its jobs ask for, where the launcher is Slurm. It wins over the settings; `--slurm` wins over it.
    #[serde(default, skip_serializing_if = "Slurm::is_default")]
    pub slurm: Slurm,
}

/// The model's input. The model resizes images itself. But images of an `image_folder` are resized when they are decoded: the
/// shorter side first (antialiased), then cropped to the centre.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Side length in pixels after resizing. By default, images keep their size; images of an `image_folder` get the size that
    /// the weights file states, or else 224.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resize: Option<u32>,
    /// How to resize images. The default is what the weights file states, or else `nearest`, and `bilinear` for an
    /// `image_folder`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interpolation: Option<Interpolation>,
    /// Smaller training images in the first epochs, such as `[{ until_epoch: 5, resize: 128 }]`; from then on `resize`. The model
    /// resizes them, after `augment`, antialiased where they shrink. Validation and the test always have the final size.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub progressive: Vec<SizeUntil>,
}

impl Input {
    /// The side to which the model resizes training images in an epoch, counted from 1; `None` where it is the final one.
    pub fn early_side(&self, epoch: u32) -> Option<u32> {
        let stage = self
            .progressive
            .iter()
            .find(|stage| epoch <= stage.until_epoch);
        stage.map(|stage| stage.resize)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Interpolation {
    #[default]
    Nearest,
    Bilinear,
    /// Catmull and Rom's, as in Pillow; antialiased.
    Bicubic,
}

impl Interpolation {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nearest => "nearest",
            Self::Bilinear => "bilinear",
            Self::Bicubic => "bicubic",
        }
    }

    /// The interpolation that timm calls by this name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Nearest, Self::Bilinear, Self::Bicubic]
            .into_iter()
            .find(|known| known.as_str() == name)
    }
}

/// The network: a pretrained backbone and a new head.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Model {
    pub backbone: Backbone,
    #[serde(default)]
    pub weights: Weights,
    /// `small` suits images of about 32 pixels: a 3×3 convolution that keeps their size takes the place of a `ResNet`'s first
    /// convolution and pooling. The new convolution begins with random weights.
    #[serde(default, skip_serializing_if = "Stem::is_original")]
    pub stem: Stem,
    #[serde(default)]
    pub freeze: Freeze,
    /// More blocks train from some epochs on, such as `[{ from_epoch: 3, freeze: 4 }, { from_epoch: 6, freeze: none }]`. Until
    /// the first of them, `freeze` holds. The optimizer keeps what it knows of the blocks that train already.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unfreeze: Vec<FreezeFrom>,
    /// `inference` makes the backbone's batch normalization use its stored statistics even in blocks that train.
    #[serde(default)]
    pub batch_norm: BatchNorm,
    /// Stochastic depth: the share of images for which training skips the path of the last residual block, as timm's
    /// `drop_path_rate`. Earlier blocks skip less, in proportion to their depth. Frozen blocks skip nothing.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub drop_path: f64,
    #[serde(default)]
    pub head: Head,
}

impl Model {
    /// The structure of the backbone, with its stem.
    pub fn architecture(&self) -> Architecture {
        Architecture::with_stem(self.backbone, self.stem)
    }

    /// The published weights that `weights` means; none if it means a file or random weights.
    pub fn published(&self) -> Option<Pretrained> {
        match &self.weights {
            Weights::Imagenet => Some(Pretrained::of(self.backbone)),
            Weights::Tag(tag) => Pretrained::tagged(self.backbone, tag),
            Weights::Random | Weights::File(_) => None,
        }
    }
}

/// How the backbone's batch normalization runs during training; frozen blocks always use inference mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BatchNorm {
    #[default]
    Training,
    Inference,
}

/// The new layers on top: pooling → dropout → dense + `ReLU` → batch normalization → dense.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// Width of the hidden dense layer.
    #[serde(default = "default_hidden")]
    pub hidden: u32,
    /// Share of the pooled features that dropout zeroes in training.
    #[serde(default = "default_dropout")]
    pub dropout: f64,
}

impl Default for Head {
    fn default() -> Self {
        Self {
            hidden: default_hidden(),
            dropout: default_dropout(),
        }
    }
}

/// Another run as the source of the first weights, instead of `model.weights`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Init {
    /// Another experiment, by the name of its file without `.yaml`. Its newest finished run provides the best checkpoint.
    pub from: String,
}

/// Where a [`Train`] comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Role {
    /// From the file.
    #[default]
    Written,
    /// The file has none.
    Absent,
    /// It holds the place of a probe's settings.
    OfProbe,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Train {
    #[serde(skip)]
    role: Role,
    /// How many times to go through the training images.
    pub epochs: u32,
    /// Training images per batch. `train.accumulate` can combine several batches into one optimizer step.
    pub batch_size: u32,
    /// Batches per optimizer step. A number above 1 trains as with a batch that many times larger, in the memory of one.
    #[serde(
        default = "default_accumulate",
        skip_serializing_if = "is_default_accumulate"
    )]
    pub accumulate: u32,
    /// GPUs, or processes of a CPU, that train the run together: each takes a part of every batch and gets 4 images of it or more.
    /// GPUs are of one machine.
    #[serde(
        default = "default_devices",
        skip_serializing_if = "is_default_devices"
    )]
    pub devices: u32,
    pub optimizer: Optimizer,
    #[serde(default, skip_serializing_if = "Groups::is_default")]
    pub groups: Groups,
    #[serde(default)]
    pub schedule: Schedule,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early_stopping: Option<EarlyStopping>,
    #[serde(default)]
    pub precision: Precision,
    /// Give rare classes a larger weight in the training loss. Reported losses stay unweighted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_weights: Option<ClassWeights>,
    /// Draw rare classes more often: `balanced` or `sqrt`. By default each epoch visits each training image once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampler: Option<Sampler>,
    /// Share of each training label that is spread evenly over all classes, as in `PyTorch`'s `CrossEntropyLoss`. Reported losses
    /// stay those of the plain labels.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub label_smoothing: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mixing: Option<Mix>,
    /// Scale the gradients of a step down where their common L2 norm is above this. The reported norm is that before clipping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip_norm: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ema: Option<Ema>,
    /// With a frozen backbone and `augment`: augment each training image this many times before the first epoch, and keep the features
    /// of these views. Each epoch takes the next view, and after the last one the first again. By default each epoch augments each
    /// image again and runs the backbone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_views: Option<u32>,
    #[serde(default)]
    pub checkpoint: Saving,
    /// What to do about a step whose loss or gradients are not finite.
    #[serde(default, skip_serializing_if = "OnNan::is_default")]
    pub on_nan: OnNan,
    /// Use only deterministic algorithms, so that a resumed run on a GPU equals one that never stopped. This can cost speed. The CPU
    /// is always deterministic.
    #[serde(default, skip_serializing_if = "is_false")]
    pub deterministic: bool,
}

/// How often to save checkpoints within an epoch, and how many to keep. Every epoch's end saves one too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Saving {
    /// Minutes between two checkpoints within an epoch. A crash loses at most this much training.
    #[serde(default = "default_every_minutes")]
    pub every_minutes: f64,
    /// How many of the newest checkpoints to keep. The best one that each of them names stays too.
    #[serde(default = "default_keep")]
    pub keep: u32,
}

impl Default for Saving {
    fn default() -> Self {
        Self {
            every_minutes: default_every_minutes(),
            keep: default_keep(),
        }
    }
}

impl Saving {
    /// The time between two checkpoints.
    pub fn every(&self) -> Duration {
        Duration::try_from_secs_f64(self.every_minutes * 60.0).unwrap_or(Duration::MAX)
    }
}

/// How to weight the classes in training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ClassWeights {
    /// In inverse proportion to the class's training images: n / (classes · n of the class).
    Balanced,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EarlyStopping {
    #[serde(default)]
    pub monitor: Monitor,
    /// Epochs without improvement after which training ends.
    pub patience: u32,
    /// The smallest change that counts as an improvement.
    #[serde(default)]
    pub min_delta: f64,
}

/// The metric that decides which epoch is best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Monitor {
    #[default]
    ValLoss,
    ValAcc,
}

impl Monitor {
    /// As files and logs name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ValLoss => "val_loss",
            Self::ValAcc => "val_acc",
        }
    }

    /// Whether `new` is better than `best` by more than `min_delta`; NaN never is.
    pub fn improves(self, new: f64, best: f64, min_delta: f64) -> bool {
        match self {
            Self::ValLoss => new < best - min_delta,
            Self::ValAcc => new > best + min_delta,
        }
    }
}

/// A published row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    pub source: String,
    /// Seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_time: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_acc: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub val_acc: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_loss: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub val_loss: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_acc: Option<f64>,
    /// Figures that are printed like this in the source but are probably wrong. Every table marks them, and `note` says why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub doubtful: Vec<Metric>,
    /// What a reader should know about the figures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Experiment {
    /// Whether its file describes several runs, or says that it does.
    pub fn is_group(&self) -> bool {
        self.seeds.is_some() || self.grid.is_some() || self.halving.is_some()
    }

    /// The metric that decides which checkpoint is best: early stopping's, or validation loss; validation accuracy for a probe.
    pub fn monitor(&self) -> Monitor {
        if self.probe.is_some() {
            return Monitor::ValAcc;
        }
        self.train
            .early_stopping
            .as_ref()
            .map_or(Monitor::default(), |stop| stop.monitor)
    }

    /// The published weights that its runs start from; none if they start from a file, another run or random weights.
    pub fn published(&self) -> Option<Pretrained> {
        self.model.published().filter(|_| self.init.is_none())
    }

    /// Side length in pixels of the backbone's input. Without `input.resize`, a weights file may state another for the pictures of a
    /// folder: see [`crate::preparation::Preparation::new`].
    pub fn pixels(&self) -> u32 {
        self.input.resize.unwrap_or(self.dataset.name().pixels())
    }

    /// How many views of each image training sees in turn, so that a frozen backbone gives the same features each time; none if
    /// every epoch sees other ones.
    pub fn kept_views(&self) -> Option<u32> {
        let is_kept = self.train.mixing.is_none() && self.input.progressive.is_empty();
        let views = self.train.cache_views;
        let views = views.or_else(|| self.augment.is_identity().then_some(1));
        views.filter(|_| is_kept)
    }

    /// Number of classes; none if only the image folder determines it.
    pub fn classes(&self) -> Option<u32> {
        self.dataset.name().classes(self.dataset.labels())
    }

    /// The experiment as a run folder stores it: with its split rule, because a later version may have another default.
    #[must_use]
    pub fn frozen(mut self) -> Self {
        if let Some(folder) = self.dataset.folder_mut() {
            folder.split.get_or_insert_default();
        }
        self
    }

    /// The experiment as YAML, with every default written out.
    pub fn to_yaml(&self) -> Result<String, serde_yaml::Error> {
        serde_yaml::to_string(self)
    }
}

/// Parses the experiment of a run. Omitted fields keep the defaults of the version that began the run.
pub fn load_frozen(path: &Path) -> Result<Experiment, Vec<Problem>> {
    let mut experiment = load(path, &[])?;
    if let Some(folder) = experiment.dataset.folder_mut() {
        folder.split.get_or_insert(SplitRule::ByOrder);
    }
    Ok(experiment)
}

fn default_group() -> String {
    "experiments".to_owned()
}

fn default_seed() -> u64 {
    42
}

fn default_hidden() -> u32 {
    256
}

fn default_dropout() -> f64 {
    0.2
}

fn default_accumulate() -> u32 {
    1
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde's `skip_serializing_if` passes a reference"
)]
fn is_default_accumulate(accumulate: &u32) -> bool {
    *accumulate == default_accumulate()
}

fn default_devices() -> u32 {
    1
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde's `skip_serializing_if` passes a reference"
)]
fn is_default_devices(devices: &u32) -> bool {
    *devices == default_devices()
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde's `skip_serializing_if` passes a reference"
)]
fn is_zero(number: &f64) -> bool {
    *number == 0.0
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde's `skip_serializing_if` passes a reference"
)]
fn is_false(switch: &bool) -> bool {
    !switch
}

fn default_every_minutes() -> f64 {
    5.0
}

fn default_keep() -> u32 {
    2
}

/// The JSON Schema of an experiment file, for editors.
pub fn json_schema() -> serde_json::Value {
    schemars::schema_for!(Experiment).to_value()
}
