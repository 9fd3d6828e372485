//! How attempts end, and why some fail.

use serde::{Deserialize, Serialize};

/// Why an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The experiment, its data or its weights are unusable.
    Input,
    /// The disk is full, or the folder is not writable.
    Disk,
    /// An allocation failed: in the GPU's memory, or in the machine's.
    OutOfMemory,
    /// The machine's memory was full, and the kernel killed the worker.
    KernelOutOfMemory,
    /// The GPU refuses all further work of the process.
    Device,
    /// The loss, the gradients or the weights are NaN or infinite.
    #[serde(rename = "not_a_number")]
    NonFinite,
    /// A bug of warmstart or of libtorch.
    Internal,
    /// The process crashed.
    Crashed,
    /// Another process or a limit killed the process.
    Killed,
    /// The worker did not start.
    NotStarted,
}

impl FailureKind {
    /// Whether the error's text alone explains the failure. If not, the end of `worker.log` may say more.
    pub fn is_explained_by_error(self) -> bool {
        !matches!(
            self,
            Self::KernelOutOfMemory | Self::Crashed | Self::Killed | Self::NotStarted
        )
    }
}

/// How the newest attempt ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    Finished {
        /// Whether early stopping ended training.
        stopped_early: bool,
    },
    /// It was asked to end.
    Stopped,
    /// At the end of an epoch at which its group is halved, it waits for the others.
    Paused,
    /// A round of its group's halving stopped it.
    Halved,
    Failed {
        kind: FailureKind,
        error: String,
        help: String,
    },
}
