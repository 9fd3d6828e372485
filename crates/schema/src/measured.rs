//! The metrics of an epoch, and of the test set.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::real;

/// An epoch's figures.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Epoch {
    /// From 1.
    pub epoch: u32,
    /// Optimizer steps done at its end.
    pub step: u64,
    /// Mean loss over the training images.
    #[serde(with = "real")]
    pub train_loss: f64,
    /// Share of the training images that are classified correctly, from 0 to 1.
    #[serde(with = "real")]
    pub train_acc: f64,
    /// Mean loss over the validation images.
    #[serde(with = "real")]
    pub val_loss: f64,
    /// Share of the validation images that are classified correctly, from 0 to 1.
    #[serde(with = "real")]
    pub val_acc: f64,
    /// The scheduled rate of its last step.
    #[serde(with = "real")]
    pub learning_rate: f64,
    /// Training images per second.
    #[serde(with = "real")]
    pub images_per_second: f64,
    /// Seconds of training in the whole run so far, without validation, loading or waiting.
    #[serde(with = "real")]
    pub train_time: f64,
    /// Whether it is the best so far by the monitored metric.
    pub best: bool,
    /// Share of the training time in which a step waited for decoded images; absent if none are decoded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_wait: Option<f64>,
    /// With averaged weights, what the plain ones reach on the validation images; `val_loss` and `val_acc` are of the average.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plain: Option<Plain>,
    /// The metrics that have no field above, by key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub further: BTreeMap<String, Real>,
}

/// What plain weights reach beside averaged ones.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Plain {
    #[serde(with = "real")]
    pub val_loss: f64,
    #[serde(with = "real")]
    pub val_acc: f64,
}

impl Epoch {
    /// Stores a metric of the worker under its key.
    pub fn set(&mut self, key: String, value: f64) {
        match key.as_str() {
            "train_acc" => self.train_acc = value,
            "val_acc" => self.val_acc = value,
            _ => {
                self.further.insert(key, Real(value));
            }
        }
    }

    /// The key of [`Self::strength`].
    pub const STRENGTH: &str = "strength";

    /// Of a probe, whose strengths take the place of epochs: the inverse strength C of the L2 penalty. The learning rate is then
    /// NaN.
    pub fn strength(&self) -> Option<f64> {
        self.further(Self::STRENGTH)
    }

    /// A metric that has no field; none in logs of earlier versions.
    pub fn further(&self, key: &str) -> Option<f64> {
        self.further.get(key).map(|Real(value)| *value)
    }
}

/// A number that may be NaN or infinite.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Real(#[serde(with = "real")] f64);

/// What the nearest neighbours of a probe reach.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Neighbours {
    /// How many of them vote, chosen on the validation images.
    pub k: u32,
    #[serde(with = "real")]
    pub val_acc: f64,
    /// On the test images, with training and validation images as neighbours.
    #[serde(with = "real")]
    pub test_acc: f64,
}

/// The metrics of the test set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Test {
    /// Epoch of the measured checkpoint.
    pub epoch: u32,
    /// Mean loss over the test images.
    #[serde(with = "real")]
    pub loss: f64,
    /// Share of the test images that are classified correctly, from 0 to 1.
    #[serde(with = "real")]
    pub accuracy: f64,
    /// Views of each image whose logits were averaged; none where each image was seen once, as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub views: Option<u32>,
}
