//! The files of a checkpoint, and what can be wrong with them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::state::State;
use crate::storage::fingerprint;

/// Version of the checkpoint's files; a reader refuses any other.
pub(super) const FORMAT: u32 = 1;
/// The size and the SHA-256 of each other file.
pub(super) const MANIFEST: &str = "manifest.json";
/// The model's tensors.
pub const MODEL: &str = "model.safetensors";
/// The optimizer's tensors.
pub const OPTIMIZER: &str = "optimizer.safetensors";
/// [`State`] as JSON.
pub(super) const STATE: &str = "state.json";

/// The content of `manifest.json`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) format: u32,
    pub(super) step: u64,
    /// The other files, by name.
    pub(super) files: BTreeMap<String, Entry>,
}

/// The part of `manifest.json` that every version writes.
#[derive(Debug, Deserialize)]
pub(super) struct Version {
    pub(super) format: u32,
}

/// A file's size, and its SHA-256 in hexadecimal digits.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    bytes: u64,
    sha256: String,
}

impl Entry {
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self {
            bytes: bytes.len() as u64,
            sha256: fingerprint(bytes),
        }
    }

    /// How a file differs from the one that was saved, in words.
    pub(super) fn difference(&self, saved: &Self) -> String {
        if self.bytes == saved.bytes {
            "has another content than was saved".to_owned()
        } else {
            format!("has {} bytes, and {} were saved", self.bytes, saved.bytes)
        }
    }
}

/// The content of a checkpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct Content {
    pub state: State,
    /// The model's tensors as a safetensors file.
    pub model: Vec<u8>,
    /// The optimizer's tensors as a safetensors file.
    pub optimizer: Vec<u8>,
}

/// Why a checkpoint could not be saved or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{doing} checkpoint {}", path.display())]
    Io {
        /// What failed, as `reading`.
        doing: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("checkpoint {} is damaged: {what}", path.display())]
    Damaged { path: PathBuf, what: String },
    #[error(
        "checkpoint {} has format {found}; this version reads format {FORMAT}: use the version that wrote it",
        path.display()
    )]
    Format { path: PathBuf, found: u32 },
    #[error("none of this run's checkpoints is readable: {}", reasons.join("; "))]
    NoneReadable { reasons: Vec<String> },
    #[error("the run's checkpoints are gone: {named_by} of step {step}, and {} {found}", path.display())]
    Missing {
        /// What names the checkpoint, as `its log knows`.
        named_by: &'static str,
        step: u64,
        path: PathBuf,
        found: &'static str,
    },
}

/// A file's name and bytes.
pub(super) type File<'a> = (&'static str, Cow<'a, [u8]>);

/// The files of a checkpoint but its manifest.
pub(super) fn files(content: &Content) -> io::Result<Vec<File<'_>>> {
    Ok(vec![
        (MODEL, Cow::Borrowed(content.model.as_slice())),
        (OPTIMIZER, Cow::Borrowed(content.optimizer.as_slice())),
        (
            STATE,
            Cow::Owned(serde_json::to_vec_pretty(&content.state)?),
        ),
    ])
}

/// The manifest of a step's other files.
pub(super) fn manifest(step: u64, files: &[File<'_>]) -> io::Result<Vec<u8>> {
    let listed = files
        .iter()
        .map(|(name, bytes)| ((*name).to_owned(), Entry::of(bytes)))
        .collect();
    let manifest = Manifest {
        format: FORMAT,
        step,
        files: listed,
    };
    Ok(serde_json::to_vec_pretty(&manifest)?)
}
