//! Why runs end early.

use serde::{Deserialize, Serialize};

/// What ended a run early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// The experiment, its data or its weights are unusable.
    Input,
    /// The disk is full, or the folder is not writable.
    Disk,
    OutOfMemory,
    /// The machine's memory was full, and the kernel killed the worker.
    KernelOutOfMemory,
    /// The GPU refuses all further work of the process.
    Device,
    /// The loss is not finite.
    NotANumber,
    /// A bug of warmstart or of libtorch.
    Internal,
    /// The process crashed.
    Crashed,
    /// Another process killed it.
    Killed,
    /// The worker did not start.
    NotStarted,
}

impl Failure {
    /// Whether the worker lived to log it.
    pub fn is_logged_by_worker(self) -> bool {
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
        stopped_early: bool,
    },
    Stopped,
    /// At the end of an epoch at which its group is halved, it waits for the others.
    Paused,
    /// A round of its group's halving stopped it.
    Halved,
    Failed {
        kind: Failure,
        error: String,
        help: String,
    },
}
