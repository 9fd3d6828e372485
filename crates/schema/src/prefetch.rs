//! What `warmstart-worker prefetch` says on its standard output while it fetches: one JSON object a line.

use serde::{Deserialize, Serialize};

use crate::event::Fetch;

/// A line of the worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "says", rename_all = "snake_case")]
pub enum Report {
    Progress(Fetch),
    /// Why it waits or begins anew.
    Note {
        text: String,
    },
    Done(Fetched),
    Failed(Refused),
}

/// Something that is on this machine now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetched {
    /// The dataset or backbone that was asked for.
    pub item: String,
    pub path: String,
    /// Whether it had to be fetched or unpacked.
    pub fetched: bool,
}

/// Something that could not be had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    pub item: String,
    pub error: String,
    pub help: String,
}
