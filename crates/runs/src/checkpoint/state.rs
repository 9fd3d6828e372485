//! The state of training in a checkpoint, apart from tensors.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use warmstart_schema::experiment::NumberFormat;
use warmstart_schema::policy::{Plateau, Progress};
use warmstart_schema::preparation::Preparation;

/// The state of training apart from tensors. Together with the seed it determines all further steps. The default is the state before
/// the first step.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct State {
    /// Optimizer steps done.
    pub step: u64,
    /// Epochs finished, validation included.
    pub epoch: u32,
    /// Batches done of the unfinished epoch.
    pub batch: u32,
    /// Sums over those batches.
    pub sums: Sums,
    pub progress: Progress,
    #[serde(default)]
    pub plateau: Plateau,
    /// Step of the best checkpoint, while it exists.
    pub best_step: Option<u64>,
    /// Whether early stopping ended training.
    pub stopped_early: bool,
    /// Seconds spent training.
    pub train_time: f64,
    // Renaming the key would make older checkpoints unreadable.
    #[serde(rename = "machine")]
    pub conditions: Conditions,
    /// Why this state may differ from that of an unbroken run, collected over all attempts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_exact: Vec<String>,
    #[serde(default)]
    pub skipped: Skipped,
    /// How images are preprocessed; absent in checkpoints of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preparation: Option<Preparation>,
}

/// Skipped steps, whose loss or gradients were not finite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Skipped {
    /// Number of skipped steps in the whole run; they count as done.
    pub steps: u64,
    /// Length of the current streak of skipped steps.
    pub in_a_row: u32,
}

/// Sums over the batches of an epoch so far. The device sums in float64, so saving loses nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sums {
    /// Sum of the loss of every image.
    pub loss: f64,
    /// The sum of every metric of the engine, by its name.
    #[serde(flatten)]
    pub metrics: BTreeMap<String, f64>,
    /// Number of images in those batches.
    pub images: u32,
}

impl Default for Sums {
    /// Earlier versions expect `correct` in every checkpoint.
    fn default() -> Self {
        Self {
            loss: 0.0,
            metrics: [(Self::CORRECT.to_owned(), 0.0)].into(),
            images: 0,
        }
    }
}

impl Sums {
    /// The sum of correctly classified images.
    pub const CORRECT: &'static str = "correct";

    /// Mean loss.
    pub fn mean_loss(&self) -> f64 {
        self.loss / f64::from(self.images.max(1))
    }

    /// Mean of a metric; NaN for one that the worker of these sums did not know.
    pub fn mean(&self, metric: &str) -> f64 {
        self.sum(metric) / f64::from(self.images.max(1))
    }

    /// Sum of a metric; 0 before the first image.
    pub fn sum(&self, metric: &str) -> f64 {
        let unknown = if self.images == 0 { 0.0 } else { f64::NAN };
        self.metrics.get(metric).copied().unwrap_or(unknown)
    }

    /// Accuracy, from 0 to 1.
    pub fn accuracy(&self) -> f64 {
        self.mean(Self::CORRECT)
    }
}

/// What a bitwise equal continuation needs: device, threads, libtorch, and the hashes of experiment and pictures.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Conditions {
    /// `cpu` or `cuda:0`.
    pub device: String,
    /// The model of the device.
    pub device_name: String,
    /// Threads of libtorch, in each process.
    pub threads: u32,
    /// GPUs, or processes of a CPU, that train together; absent if there is one.
    #[serde(default, skip_serializing_if = "Devices::is_one")]
    pub devices: Devices,
    /// The number format of convolutions and matrix products; absent in checkpoints of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<NumberFormat>,
    /// The version of libtorch.
    pub libtorch: String,
    /// The version of cuDNN; absent on a CPU and in checkpoints of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cudnn: Option<String>,
    /// The revision of warmstart's kernels; 0 in checkpoints of versions without any.
    #[serde(default)]
    pub kernels: u32,
    /// SHA-256 of the resolved experiment.
    pub experiment: String,
    /// SHA-256 over the names and sizes of a folder's images; empty for published datasets, for a folder that cannot be listed, and in
    /// checkpoints of earlier versions.
    #[serde(default)]
    pub pictures: String,
}

/// How many devices train together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Devices(pub u32);

impl Default for Devices {
    fn default() -> Self {
        Self(1)
    }
}

impl Devices {
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde's `skip_serializing_if` passes a reference"
    )]
    fn is_one(&self) -> bool {
        *self == Self::default()
    }
}

impl Conditions {
    /// Why a continuation under `self` may differ from one under `before`; empty if it cannot. [`crate::change::consequences`]
    /// adds the reasons that follow from a changed experiment.
    pub fn differences(&self, before: &Self) -> Vec<String> {
        let mut reasons = Vec::new();
        let mut compare = |what: &str, then: &str, now: &str| {
            if then != now {
                reasons.push(format!("{what} was {then}, is {now}"));
            }
        };
        compare("the device", &before.device, &self.device);
        compare("the device's model", &before.device_name, &self.device_name);
        compare(
            "the number of devices",
            &before.devices.0.to_string(),
            &self.devices.0.to_string(),
        );
        compare(
            "the number of threads",
            &before.threads.to_string(),
            &self.threads.to_string(),
        );
        compare("libtorch", &before.libtorch, &self.libtorch);
        if let (Some(then), Some(now)) = (&before.cudnn, &self.cudnn) {
            compare("cuDNN", then, now);
        }
        // A GPU does not use them.
        if self.device == "cpu" {
            compare(
                "the revision of warmstart's kernels",
                &before.kernels.to_string(),
                &self.kernels.to_string(),
            );
        }
        if let (Some(then), Some(now)) = (before.precision, self.precision) {
            compare("the number format", then.as_str(), now.as_str());
        }
        if self.has_other_pictures(before) {
            reasons.push("pictures were added, removed or replaced".to_owned());
        }
        reasons
    }

    /// Whether the folder holds other pictures than under `before`. If one of the two could not list them, or is of a version that
    /// stored no hash, nothing can be compared.
    pub fn has_other_pictures(&self, before: &Self) -> bool {
        let is_known = !self.pictures.is_empty() && !before.pictures.is_empty();
        is_known && self.pictures != before.pictures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_compared_only_if_both_hashes_are_known() {
        let with = |pictures: &str| Conditions {
            pictures: pictures.to_owned(),
            ..Conditions::default()
        };
        for (then, now, differs) in [
            ("a", "b", true),
            ("a", "a", false),
            ("a", "", false),
            // A checkpoint of a version that stored no hash.
            ("", "b", false),
        ] {
            let reasons = with(now).differences(&with(then));
            assert_eq!(
                !reasons.is_empty(),
                differs,
                "{then:?} {now:?}: {reasons:?}"
            );
        }
    }
}
