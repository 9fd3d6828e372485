//! The events that a worker logs: one JSON object a line in `events.jsonl`, append-only, the first line a header.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::architecture::ModelCounts;
use crate::exit::Exit;
pub use crate::experiment::Halved;
use crate::experiment::NumberFormat;
pub use crate::failure::FailureKind;
use crate::identity::Handle;
pub use crate::measured::{Epoch, Neighbours, Plain, Test};
use crate::preparation::Preparation;
use crate::real;
use crate::run_id::RunId;
use crate::text;

/// Version of the event format; a reader refuses a newer one.
pub const FORMAT: u32 = 1;

/// An event and when it happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Seconds since the Unix epoch.
    pub t: f64,
    #[serde(flatten)]
    pub event: Event,
}

/// The fields that every event has.
#[derive(Deserialize)]
struct Kind<'a> {
    t: f64,
    #[serde(borrow)]
    event: Cow<'a, str>,
}

impl Record {
    /// Parses a line of a log. The most frequent kinds are parsed directly, because the general way takes three times as long: it
    /// first holds every value in a generic form.
    pub fn parse(line: &[u8]) -> serde_json::Result<Self> {
        let Kind { t, event } = head(line).map_or_else(|| serde_json::from_slice(line), Ok)?;
        let event = match &*event {
            "batch" => Event::Batch(serde_json::from_slice(line)?),
            "progress" => Event::Progress(serde_json::from_slice(line)?),
            "epoch" => Event::Epoch(serde_json::from_slice(line)?),
            "system" => Event::System(serde_json::from_slice(line)?),
            "checkpoint" => Event::Checkpoint(serde_json::from_slice(line)?),
            _ => return serde_json::from_slice(line),
        };
        Ok(Self { t, event })
    }
}

/// The time and kind at the start of a line as `EventWriter` writes it. The rest is checked when its kind is parsed.
fn head(line: &[u8]) -> Option<Kind<'_>> {
    let rest = line.strip_prefix(b"{\"t\":")?;
    let (t, rest) = rest.split_at(rest.iter().take(40).position(|&byte| byte == b',')?);
    let rest = rest.strip_prefix(b",\"event\":\"")?;
    let name = &rest[..rest.iter().take(40).position(|&byte| byte == b'"')?];
    let is_plain = name
        .iter()
        .all(|byte| byte.is_ascii_lowercase() || *byte == b'_');
    let event = str::from_utf8(name).ok().filter(|_| is_plain)?;
    Some(Kind {
        t: str::from_utf8(t).ok()?.parse().ok()?,
        event: event.into(),
    })
}

/// What happened. Each kind is the value of `event` in its line of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Always the first line.
    Header {
        /// The version of the event format, see [`FORMAT`].
        format: u32,
        /// The program that began the log, with its version.
        software: String,
    },
    /// A worker took the run, to start or to resume it.
    Attempt(Attempt),
    /// The worker begins another phase.
    Phase { phase: Phase },
    /// Progress of a download, at most a few times a second.
    Fetch(Fetch),
    /// The dataset is ready.
    Dataset(DatasetFacts),
    /// The model is ready.
    Model(ModelFacts),
    /// More blocks train from here on.
    Unfrozen(Unfrozen),
    /// The file of the first weights.
    Weights(WeightsFacts),
    /// Progress of training within an epoch, at most a few times a second. Earlier versions also wrote it for the phases of
    /// [`Event::Progress`], with NaN in the fields that do not apply.
    Batch(Batch),
    /// Progress of a phase without optimizer steps, at most a few times a second.
    Progress(PhaseProgress),
    /// A step was skipped, because its loss or its gradients were not finite.
    Skipped {
        /// The step, which counts as done.
        step: u64,
        /// Steps skipped one after another, up to this one.
        in_a_row: u32,
        /// The loss, if it was the cause.
        #[serde(
            default,
            with = "real::option",
            skip_serializing_if = "Option::is_none"
        )]
        loss: Option<f64>,
        /// The gradients' L2 norm, if it was the cause.
        #[serde(
            default,
            with = "real::option",
            skip_serializing_if = "Option::is_none"
        )]
        gradient_norm: Option<f64>,
    },
    /// An epoch's metrics, after its validation.
    Epoch(Epoch),
    /// A checkpoint was saved.
    Checkpoint(Checkpoint),
    /// A save failed; training continues with the checkpoints it has.
    CheckpointFailed { error: String },
    /// The worker's use of the machine, every few seconds.
    System(System),
    /// Whether anything in the frozen blocks changed, buffers included, by comparing hashes.
    Frozen {
        /// Frozen tensors.
        tensors: u32,
        /// A hash of all of them before training, and after it.
        before: String,
        after: String,
    },
    /// The metrics of the test set, measured once with the best checkpoint.
    Test(Test),
    /// What the nearest neighbours of a probe reach.
    Neighbours(Neighbours),
    /// A sentence for the reader of the log.
    Note { level: Level, text: String },
    /// The experiment was changed while the run was at rest.
    Changed(Changed),
    /// The next attempt must start over from the beginning.
    StartOver,
    /// An attempt that starts over has moved the earlier checkpoints aside.
    PutAside {
        /// The name of their folder; empty if there were none.
        folder: String,
    },
    /// The worker got a request to stop.
    Stopping,
    /// The worker saved and ended, because it was asked to.
    Stopped {
        /// Optimizer steps done in the whole run.
        step: u64,
        /// Seconds of training in the whole run.
        #[serde(with = "real")]
        train_time: f64,
    },
    /// The worker ended at the end of an epoch at which its group is halved.
    Paused {
        /// The epoch, from 1.
        epoch: u32,
        /// Optimizer steps done in the whole run.
        step: u64,
        /// Seconds of training in the whole run.
        #[serde(with = "real")]
        train_time: f64,
    },
    /// A round of its group's halving was decided.
    Halved(Halved),
    /// The run is done.
    Finished {
        /// Seconds of training in the whole run.
        #[serde(with = "real")]
        train_time: f64,
        /// Whether early stopping ended training.
        stopped_early: bool,
    },
    /// The attempt ended with an error, which the worker logged itself.
    Failed {
        kind: FailureKind,
        error: String,
        /// What to do; empty if nothing is known to help.
        help: String,
    },
    /// The worker ended without logging the cause; its monitor logs this.
    Exit(Exit),
    /// An event of a later version; it stays in the file, and the reader skips it.
    #[serde(other)]
    Unknown,
}

impl Event {
    /// Whether it is the end of an attempt, logged by the worker or for it.
    pub fn is_end(&self) -> bool {
        matches!(
            self,
            Self::Stopped { .. }
                | Self::Paused { .. }
                | Self::Finished { .. }
                | Self::Failed { .. }
                | Self::Exit(_)
        )
    }
}

/// A worker that took the run, and the conditions under which it computes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// 1 for the first.
    pub number: u32,
    pub worker: Handle,
    /// The name of its machine.
    pub host: String,
    /// `cpu` or `cuda:0`, as libtorch names it.
    pub device: String,
    /// The device's name by its maker.
    pub device_name: String,
    /// Why this device was chosen.
    pub device_reason: String,
    /// CPU threads of each process.
    pub threads: u32,
    /// GPUs, or processes of a CPU, that train together; absent if there is one.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub devices: u32,
    /// The number format in which it computes; absent for workers of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<NumberFormat>,
    /// The version of libtorch.
    pub libtorch: String,
    /// The version of cuDNN; absent on a CPU and for workers of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cudnn: Option<String>,
    /// Planned epochs of the whole run.
    pub epochs: u32,
    /// Step of the checkpoint that the attempt continues from.
    pub resumed_from: Option<u64>,
    /// Why the result may differ from an unbroken run's; empty if it is exact.
    #[serde(default)]
    pub not_exact: Vec<String>,
    /// Seconds between two heartbeats; absent for workers of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat: Option<u32>,
}

fn one() -> u32 {
    1
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde's `skip_serializing_if` passes a reference"
)]
fn is_one(number: &u32) -> bool {
    *number == 1
}

impl Attempt {
    /// Sanitizes it, because a log may come from anywhere.
    #[must_use]
    pub fn sanitized(self) -> Self {
        Self {
            host: text::line(&self.host, 80),
            device: text::line(&self.device, 40),
            device_name: text::line(&self.device_name, 120),
            device_reason: text::line(&self.device_reason, 300),
            libtorch: text::line(&self.libtorch, 40),
            cudnn: self.cudnn.map(|version| text::line(&version, 40)),
            not_exact: self
                .not_exact
                .iter()
                .map(|reason| text::line(reason, 300))
                .collect(),
            ..self
        }
    }
}

/// A change of the experiment between two attempts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// Step of the newest checkpoint then; 0 without one.
    pub step: u64,
    /// The changed fields.
    pub fields: Vec<Change>,
    /// SHA-256 of the experiment before and after.
    pub from: String,
    pub to: String,
}

/// A field of the experiment that was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Its dotted path.
    pub field: String,
    /// Its value before, and after.
    pub from: String,
    pub to: String,
}

/// The phase of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Downloads data or weights.
    Fetching,
    /// Reads data and model, and prepares both.
    #[default]
    Loading,
    /// Does optimizer steps.
    Training,
    /// Measures the validation images.
    Validating,
    /// Saves a checkpoint.
    Saving,
    /// Measures the test images.
    Testing,
}

impl Phase {
    /// As screens name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fetching => "downloading",
            Self::Loading => "loading",
            Self::Training => "training",
            Self::Validating => "validating",
            Self::Saving => "saving",
            Self::Testing => "testing",
        }
    }
}

/// Progress of a download, or of unpacking what was downloaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetch {
    /// What is downloaded or unpacked, in words.
    pub what: String,
    /// Bytes downloaded or unpacked, and total bytes.
    pub done: u64,
    pub total: u64,
    /// Earlier versions did not log it, and began `what` with `unpacking`.
    #[serde(default, skip_serializing_if = "FetchAction::is_download")]
    pub action: FetchAction,
}

/// What happens to the bytes of a [`Fetch`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FetchAction {
    #[default]
    Download,
    Unpack,
}

impl FetchAction {
    /// As screens name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Download => "downloading",
            Self::Unpack => "unpacking",
        }
    }

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde's `skip_serializing_if` passes a reference"
    )]
    fn is_download(&self) -> bool {
        *self == Self::Download
    }
}

impl Fetch {
    /// The share that is done, from 0 to 1.
    pub fn share(&self) -> f64 {
        self.done as f64 / self.total.max(1) as f64
    }
}

/// The size and content of a run's dataset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DatasetFacts {
    /// As experiments name it.
    pub name: String,
    /// Images of each split.
    pub train: u32,
    pub validation: u32,
    pub test: u32,
    /// Number of classes.
    pub classes: u32,
    /// Optimizer steps in an epoch.
    pub steps_per_epoch: u32,
    /// The classes with the fewest and with the most training images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smallest: Option<ClassFacts>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub largest: Option<ClassFacts>,
    /// Hashes of the images of each split, for an image folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sets: Option<SetFacts>,
}

/// SHA-256 over classes and bytes of the images of each split.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetFacts {
    pub train: String,
    pub validation: String,
    pub test: String,
}

impl DatasetFacts {
    /// Sanitizes it, because a log may come from anywhere.
    #[must_use]
    pub fn sanitized(self) -> Self {
        let class = |class: ClassFacts| ClassFacts {
            name: text::line(&class.name, 80),
            exact: class.exact.filter(|exact| text::is_cell(exact)),
            ..class
        };
        let (smallest, largest) = (self.smallest.map(class), self.largest.map(class));
        let hash = |hash: String| text::line(&hash, 64);
        let sets = self.sets.map(
            |SetFacts {
                 train,
                 validation,
                 test,
             }| SetFacts {
                train: hash(train),
                validation: hash(validation),
                test: hash(test),
            },
        );
        Self {
            name: text::line(&self.name, 80),
            smallest,
            largest,
            sets,
            ..self
        }
    }
}

/// A class and its training images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassFacts {
    /// For screens.
    pub name: String,
    /// Training images.
    pub images: u32,
    /// Exactly as its folder or its publisher names it, if that differs; for machines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exact: Option<String>,
}

/// The structure and origin of a run's model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelFacts {
    /// As experiments name it.
    pub backbone: String,
    /// Side length in pixels of the backbone's input.
    pub pixels: u32,
    /// The source of the first weights, in words.
    pub weights: String,
    /// The run whose best checkpoint they are; a resumed attempt does not log it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_from: Option<StartedFrom>,
    /// Its parameters, when the attempt begins.
    pub counts: ModelCounts,
    /// Whether the frozen backbone's features were computed once and kept.
    pub cached_features: bool,
    /// How images are preprocessed; absent in logs of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preparation: Option<Preparation>,
}

impl ModelFacts {
    /// Sanitizes it, because a log may come from anywhere.
    #[must_use]
    pub fn sanitized(self) -> Self {
        Self {
            backbone: text::line(&self.backbone, 80),
            weights: text::line(&self.weights, 300),
            counts: self.counts.sanitized(),
            ..self
        }
    }
}

/// A stage of a run begins, in which fewer blocks are frozen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unfrozen {
    /// The first epoch of the stage.
    pub epoch: u32,
    /// Optimizer steps done before it.
    pub step: u64,
    /// The model's parameters in this stage.
    pub counts: ModelCounts,
}

/// A file of weights, identified by its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeightsFacts {
    /// Its path.
    pub file: String,
    /// SHA-256 of its bytes, as hexadecimal digits.
    pub sha256: String,
}

impl WeightsFacts {
    /// Sanitizes it, because a log may come from anywhere.
    #[must_use]
    pub fn sanitized(self) -> Self {
        Self {
            file: text::line(&self.file, 300),
            sha256: text::line(&self.sha256, 64),
        }
    }
}

/// A checkpoint of another run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartedFrom {
    pub run: RunId,
    /// Optimizer steps done at the checkpoint.
    pub step: u64,
}

/// Progress of training within an epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Batch {
    /// From 1.
    pub epoch: u32,
    /// Optimizer steps done in the whole run.
    pub step: u64,
    /// Batches done in this phase of this epoch, and their number.
    pub batch: u32,
    pub batches: u32,
    /// Mean loss over the images of the epoch so far.
    #[serde(with = "real")]
    pub loss: f64,
    /// Share of these images that are classified correctly, from 0 to 1.
    #[serde(with = "real")]
    pub accuracy: f64,
    /// The scheduled rate of the last step.
    #[serde(with = "real")]
    pub learning_rate: f64,
    /// Training images per second.
    #[serde(with = "real")]
    pub images_per_second: f64,
    /// L2 norm over all trainable gradients at the last step.
    #[serde(with = "real")]
    pub gradient_norm: f64,
}

/// Progress of validation, the test or the computation of features.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PhaseProgress {
    pub phase: Phase,
    /// Epoch that the phase belongs to, from 1; 0 before the first.
    pub epoch: u32,
    /// Optimizer steps done in the whole run.
    pub step: u64,
    /// Batches done in this phase, and their number; while a folder is read, images.
    pub done: u32,
    pub total: u32,
    /// Images per second.
    #[serde(with = "real")]
    pub images_per_second: f64,
    /// Mean loss over the images so far; absent if nothing is measured.
    #[serde(
        default,
        with = "real::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub loss: Option<f64>,
    /// Accuracy over the images so far, from 0 to 1; absent if nothing is measured.
    #[serde(
        default,
        with = "real::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub accuracy: Option<f64>,
}

/// A checkpoint that was saved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Optimizer steps done.
    pub step: u64,
    /// Epochs finished, validation included.
    pub epoch: u32,
    /// Whether it is the best so far by the monitored metric.
    pub best: bool,
    /// Bytes of its files.
    pub bytes: u64,
    /// Seconds that the save took.
    #[serde(with = "real")]
    pub seconds: f64,
}

/// The worker's use of the machine; unknown figures are absent.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct System {
    /// Percent of all cores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<f64>,
    /// Resident bytes of the worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// Total bytes of memory of the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_total: Option<u64>,
    /// Percent of time in which the GPU was busy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu: Option<f64>,
    /// Bytes of the GPU's memory in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_memory: Option<u64>,
    /// Total bytes of memory of the GPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_memory_total: Option<u64>,
    /// Degrees Celsius.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_temperature: Option<u32>,
    /// Watts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_power: Option<f64>,
    /// Megahertz of the streaming multiprocessors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_clock: Option<u32>,
    /// Free bytes on the disk of the run's folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_free: Option<u64>,
}

/// How much a note or a warning about a run matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Nothing is wrong.
    Info,
    /// Something may mislead or become a problem.
    Warning,
    /// Something is wrong.
    Error,
}

/// Seconds since the Unix epoch.
pub fn now() -> f64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_secs_f64())
}
