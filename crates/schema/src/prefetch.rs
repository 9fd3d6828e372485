//! What `warmstart-worker prefetch` prints on its standard output: one JSON object a line.

use serde::{Deserialize, Serialize};

use crate::event::Fetch;

/// A line of the worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "says", rename_all = "snake_case")]
pub enum Report {
    Progress(Fetch),
    /// Why it waits or restarts.
    Note {
        text: String,
    },
    Done(Fetched),
    Failed(Refused),
}

/// A dataset or weights that this machine now has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetched {
    /// The requested dataset or backbone.
    pub item: String,
    pub path: String,
    /// Whether it had to be downloaded or unpacked.
    pub fetched: bool,
}

/// A dataset or weights that could not be downloaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    pub item: String,
    pub error: String,
    pub help: String,
}
