//! What is remembered from one dashboard to the next: the list as it was chosen on screen, and how charts are smoothed. Never
//! needed: where it cannot be read or written, the defaults hold.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::model::{ColumnId, Detail, Model, Screen};

/// Folders of experiments whose expanded rows are remembered.
const FOLDERS: usize = 50;
/// Larger files are not ours.
const MAX_BYTES: u64 = 1 << 20;

/// The file's content. What is absent was never chosen.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    #[serde(skip_serializing_if = "Option::is_none")]
    columns: Option<Vec<String>>,
    /// The column, with a dash for the other way round; empty for the order of the files.
    #[serde(skip_serializing_if = "Option::is_none")]
    sort: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    flat: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// By folder of experiments: files whose runs stand below them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    expanded: BTreeMap<PathBuf, BTreeSet<PathBuf>>,
}

impl Memory {
    /// What was remembered; of a file that is not there or makes no sense, nothing.
    pub fn read(path: &Path) -> Self {
        let is_ours = fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.len() <= MAX_BYTES);
        let text = if is_ours { fs::read(path).unwrap_or_default() } else { Vec::new() };
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Puts it in the place of what was remembered before, at once.
    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let mut aside = tempfile::NamedTempFile::new_in(folder)?;
        aside.write_all(&serde_json::to_vec_pretty(self)?)?;
        aside.persist(path).map(drop).map_err(|error| error.error)
    }

    /// Gives a dashboard that has just been opened what was chosen in the one before.
    fn apply(&self, model: &mut Model, folder: &Path) {
        if let Some(detail) = self.detail.as_deref().and_then(Detail::named) {
            model.detail = detail;
        }
        let Screen::Experiments(list) = &mut model.open else { return };
        // Columns that this version does not have are left out; none at all is no choice.
        let known = |name: &&String| ColumnId::named(name).is_some();
        let columns: Option<Vec<String>> =
            self.columns.as_ref().map(|names| names.iter().filter(known).cloned().collect());
        list.choose(columns.as_deref().filter(|names| !names.is_empty()), self.sort.as_deref());
        list.flat = self.flat.unwrap_or(list.flat);
        list.expanded.extend(self.expanded.get(folder).into_iter().flatten().cloned());
    }

    /// How things are on screen now, as if all of it had been chosen.
    pub fn now(model: &Model, folder: &Path) -> Option<Self> {
        let all = model.below.iter().chain([&model.open]);
        let list = all.into_iter().find_map(|screen| match screen {
            Screen::Experiments(list) => Some(list),
            _ => None,
        })?;
        let sort = list.sort.map_or("", ColumnId::title);
        let files = list.expanded.iter().cloned().collect();
        Some(Self {
            columns: Some(list.columns.iter().map(|column| column.title().to_owned()).collect()),
            sort: Some(if list.reversed { format!("-{sort}") } else { sort.to_owned() }),
            flat: Some(list.flat),
            detail: Some(model.detail.key().to_owned()),
            expanded: BTreeMap::from([(folder.to_path_buf(), files)]),
        })
    }
}

/// Follows what is worth remembering.
#[derive(Debug)]
pub struct Keeper {
    /// The folder of experiments, whatever it was called from where.
    folder: PathBuf,
    /// How things were when last looked at.
    seen: Option<Memory>,
    kept: Memory,
}

impl Keeper {
    /// Gives the model what was remembered, and follows it from there.
    pub fn begin(model: &mut Model, kept: Memory) -> Self {
        let folder = fs::canonicalize(&model.experiments).unwrap_or_else(|_| model.experiments.clone());
        kept.apply(model, &folder);
        Self { seen: Memory::now(model, &folder), folder, kept }
    }

    /// What to write, where something was chosen since. What nobody chose stays as it was.
    pub fn news(&mut self, model: &Model) -> Option<Memory> {
        let now = Memory::now(model, &self.folder)?;
        let before = self.seen.replace(now.clone())?;
        if now == before {
            return None;
        }
        let kept = &mut self.kept;
        if now.columns != before.columns {
            kept.columns = now.columns;
        }
        if now.sort != before.sort {
            kept.sort = now.sort;
        }
        if now.flat != before.flat {
            kept.flat = now.flat;
        }
        if now.detail != before.detail {
            kept.detail = now.detail;
        }
        if now.expanded != before.expanded {
            kept.expanded.extend(now.expanded);
            kept.expanded.retain(|_, files| !files.is_empty());
            while kept.expanded.len() > FOLDERS {
                kept.expanded.pop_first();
            }
        }
        Some(kept.clone())
    }
}
