//! Why runs end, and as what.

use serde::{Deserialize, Serialize};

/// What kind of thing ended a run before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// The experiment, its data or its weights cannot be used.
    Input,
    /// The disk is full, or the folder cannot be written.
    Disk,
    OutOfMemory,
    /// The machine's memory was full, and the kernel killed the worker.
    KernelOutOfMemory,
    /// The GPU refuses all further work of the process.
    Device,
    /// The loss is not a number.
    NotANumber,
    /// A mistake of warmstart or of libtorch.
    Internal,
    /// The process ended by a fault of its own.
    Crashed,
    /// The process was ended from outside.
    Killed,
    /// The training program did not come up.
    NotStarted,
}

impl Failure {
    /// Whether the worker lived to say so itself.
    pub fn is_told_by_worker(self) -> bool {
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
    Failed {
        kind: Failure,
        error: String,
        help: String,
    },
}
