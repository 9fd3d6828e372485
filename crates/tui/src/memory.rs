//! Choices that the dashboard remembers: the list's options, and the smoothing of charts. Optional:
//! if the file cannot be read or written, the defaults apply.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use warmstart_runs::storage::{self, Disk};

/// Folders of experiments whose expanded rows are remembered.
const FOLDERS: usize = 50;
/// A larger file is not ours.
const MAX_BYTES: u64 = 1 << 20;

/// The content of the file. An absent field was never chosen.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
    /// The column, with a dash for reverse order; empty for the order of the files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sort: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flat: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Expanded experiment files, by folder of experiments.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub expanded: BTreeMap<PathBuf, BTreeSet<PathBuf>>,
    /// In a change: files that are no longer expanded. The file itself has none.
    #[serde(skip)]
    pub collapsed: BTreeMap<PathBuf, BTreeSet<PathBuf>>,
}

impl Memory {
    /// The remembered choices; empty if the file is missing or invalid.
    pub fn read(path: &Path) -> Self {
        let text = storage::read_at_most(path, MAX_BYTES).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Applies a change; other choices stay. Keeps at most [`FOLDERS`] folders, and those of the change in any case.
    pub fn merge(&mut self, change: Self) {
        let Self {
            columns,
            sort,
            flat,
            detail,
            expanded,
            collapsed,
        } = change;
        self.columns = columns.or(self.columns.take());
        self.sort = sort.or(self.sort.take());
        self.flat = flat.or(self.flat);
        self.detail = detail.or(self.detail.take());
        let changed: Vec<PathBuf> = expanded.keys().chain(collapsed.keys()).cloned().collect();
        for (folder, files) in expanded {
            self.expanded.entry(folder).or_default().extend(files);
        }
        for (folder, files) in collapsed {
            if let Some(expanded) = self.expanded.get_mut(&folder) {
                expanded.retain(|file| !files.contains(file));
            }
        }
        self.expanded.retain(|_, files| !files.is_empty());
        while self.expanded.len() > FOLDERS {
            let mut others = self
                .expanded
                .keys()
                .filter(|folder| !changed.contains(folder));
            let Some(other) = others.next().cloned() else {
                break;
            };
            self.expanded.remove(&other);
        }
    }

    /// Replaces the file atomically.
    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        storage::replace(&Disk, path, &serde_json::to_vec_pretty(self)?)
    }
}
