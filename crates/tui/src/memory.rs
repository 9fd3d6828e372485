//! What is remembered from one dashboard to the next: the list as it was chosen on screen, and how charts are smoothed. Never
//! needed: where it cannot be read or written, the defaults hold.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use warmstart_runs::storage::{self, Disk};

/// Larger files are not ours.
const MAX_BYTES: u64 = 1 << 20;

/// The file's content. What is absent was never chosen.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
    /// The column, with a dash for the other way round; empty for the order of the files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sort: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flat: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// By folder of experiments: files whose runs stand below them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub expanded: BTreeMap<PathBuf, BTreeSet<PathBuf>>,
}

impl Memory {
    /// What was remembered; of a file that is not there or makes no sense, nothing.
    pub fn read(path: &Path) -> Self {
        let is_ours =
            fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.len() <= MAX_BYTES);
        let text = if is_ours {
            fs::read(path).unwrap_or_default()
        } else {
            Vec::new()
        };
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Puts it in the place of what was remembered before, at once.
    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        storage::replace(&Disk, path, &serde_json::to_vec_pretty(self)?)
    }
}
