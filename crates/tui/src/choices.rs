//! Follows the user's choices on screen, and restores them in the next dashboard.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::columns;
use super::memory::Memory;
use super::model::{Model, Screen, Smoothing};

/// Follows the choices to remember.
#[derive(Debug)]
pub(crate) struct ChoiceTracker {
    /// The absolute path of the folder of experiments.
    folder: PathBuf,
    last_checked: Option<Memory>,
}

impl ChoiceTracker {
    /// Applies remembered choices to the model, and follows it from there.
    pub(crate) fn start(model: &mut Model, saved: &Memory) -> Self {
        let folder = fs::canonicalize(&model.experiments)
            .or_else(|_| std::path::absolute(&model.experiments))
            .unwrap_or_else(|_| model.experiments.clone());
        apply(saved, model, &folder);
        Self {
            last_checked: current(model, &folder),
            folder,
        }
    }

    /// What the user chose since, and nothing else: another dashboard may have saved other choices.
    pub(crate) fn changed(&mut self, model: &Model) -> Option<Memory> {
        let now = current(model, &self.folder)?;
        let before = self.last_checked.replace(now.clone())?;
        if now == before {
            return None;
        }
        let expanded = only_in(&now, &before, &self.folder);
        let collapsed = only_in(&before, &now, &self.folder);
        Some(Memory {
            columns: now
                .columns
                .filter(|now| before.columns.as_ref() != Some(now)),
            sort: now.sort.filter(|now| before.sort.as_ref() != Some(now)),
            flat: now.flat.filter(|now| before.flat != Some(*now)),
            detail: now.detail.filter(|now| before.detail.as_ref() != Some(now)),
            expanded,
            collapsed,
        })
    }
}

/// The files of a folder that are expanded in one state and not in another.
fn only_in(one: &Memory, other: &Memory, folder: &Path) -> BTreeMap<PathBuf, BTreeSet<PathBuf>> {
    let files = |memory: &Memory| memory.expanded.get(folder).cloned().unwrap_or_default();
    let only: BTreeSet<PathBuf> = files(one).difference(&files(other)).cloned().collect();
    if only.is_empty() {
        return BTreeMap::new();
    }
    BTreeMap::from([(folder.to_path_buf(), only)])
}

/// Applies the choices of an earlier dashboard to a new one.
fn apply(memory: &Memory, model: &mut Model, folder: &Path) {
    if let Some(detail) = memory.detail.as_deref().and_then(Smoothing::named) {
        model.detail = detail;
    }
    let Screen::Experiments(list) = &mut model.open else {
        return;
    };
    // Columns that this version does not have are left out; none at all is no choice.
    let known = |name: &&String| columns::named(name).is_some();
    let chosen: Option<Vec<String>> = memory
        .columns
        .as_ref()
        .map(|names| names.iter().filter(known).cloned().collect());
    list.choose(
        chosen.as_deref().filter(|names| !names.is_empty()),
        memory.sort.as_deref(),
    );
    list.flat = memory.flat.unwrap_or(list.flat);
    list.expanded
        .extend(memory.expanded.get(folder).into_iter().flatten().cloned());
}

/// The current state on screen, as if the user had chosen all of it.
pub(crate) fn current(model: &Model, folder: &Path) -> Option<Memory> {
    let all = model.below.iter().chain([&model.open]);
    let list = all.into_iter().find_map(|screen| match screen {
        Screen::Experiments(list) => Some(list),
        _ => None,
    })?;
    let sort = list.sort.map_or("", |column| column.title);
    let files = list.expanded.iter().cloned().collect();
    Some(Memory {
        columns: Some(
            list.columns
                .iter()
                .map(|column| column.title.to_owned())
                .collect(),
        ),
        sort: Some(if list.reversed {
            format!("-{sort}")
        } else {
            sort.to_owned()
        }),
        flat: Some(list.flat),
        detail: Some(model.detail.key().to_owned()),
        expanded: BTreeMap::from([(folder.to_path_buf(), files)]),
        collapsed: BTreeMap::new(),
    })
}
