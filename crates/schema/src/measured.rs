//! What a run measures at the end of an epoch, and on the test images.

use serde::{Deserialize, Serialize};

use crate::real;

/// An epoch's figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// From 1.
    pub epoch: u32,
    /// Optimizer steps done at its end.
    pub step: u64,
    #[serde(with = "real")]
    pub train_loss: f64,
    #[serde(with = "real")]
    pub train_acc: f64,
    #[serde(with = "real")]
    pub val_loss: f64,
    #[serde(with = "real")]
    pub val_acc: f64,
    #[serde(with = "real")]
    pub learning_rate: f64,
    /// Training images a second.
    #[serde(with = "real")]
    pub images_per_second: f64,
    /// Seconds spent training in the whole run so far, without validation, loading or waiting.
    #[serde(with = "real")]
    pub train_time: f64,
    /// Whether it is the best so far by the monitored figure.
    pub best: bool,
    /// Share of the training time in which a step waited for pictures to be decoded; absent where none had to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_wait: Option<f64>,
}

/// The figures of the test images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Test {
    /// Of the checkpoint that was measured.
    pub epoch: u32,
    #[serde(with = "real")]
    pub loss: f64,
    #[serde(with = "real")]
    pub accuracy: f64,
}
