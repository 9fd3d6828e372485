//! What `warmstart-worker export` answers on its stdout, in JSON.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::event::FailureKind;
use crate::run_id::RunId;

/// The answer: the written files, or why there are none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Answer {
    Exported(Exported),
    Refused {
        kind: FailureKind,
        error: String,
        help: String,
    },
}

/// A run's best checkpoint as files that any program can read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exported {
    pub run: RunId,
    /// Epochs finished at the checkpoint.
    pub epoch: u32,
    /// Optimizer steps done at the checkpoint.
    pub step: u64,
    /// The tensors, with timm's names.
    pub file: PathBuf,
    /// The class names in the order of the outputs, a JSON list.
    pub labels: PathBuf,
    /// How images are preprocessed, as timm's `config.json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<PathBuf>,
    pub bytes: u64,
    /// SHA-256 of `file`, in hexadecimal.
    pub sha256: String,
    /// Lines of Python that load it.
    pub load: String,
}
