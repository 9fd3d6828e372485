//! Datasets of pictures: published ones, kept whole on the device as bytes, and folders of any size.

mod binary;
mod cifar;
mod emoji98;
pub mod folder;
mod folder_splits;
mod inspect;
mod memory;
mod source;
mod splits;
mod verdict;

use std::path::{Path, PathBuf};

use anyhow::Result;
use warmstart_runs::search_paths::SearchPaths;
use warmstart_schema::catalog::DatasetName;
use warmstart_schema::experiment::{self, DatasetKind};

pub use binary::{Layout, Pictures};
pub use folder_splits::InspectedFolder;
pub use inspect::{Inspected, Unread, inspect};
pub use memory::{Features, OnDevice};
pub use source::{Batch, Batches, Described, Input, Source};
pub use splits::{Splits, Subset, prepared_splits, splits};
pub use verdict::{refusal, verdict};

use crate::failure::UserError;

/// A published dataset with its publisher's two splits.
#[derive(Debug)]
pub struct Dataset {
    pub train: Pictures,
    pub test: Pictures,
    /// Names of the fine and of the coarse classes, where they are known.
    pub names: [Vec<String>; 2],
}

/// Reads the published dataset that an experiment names, of each split at most the first `dataset.limit` pictures; `None` where it
/// names a folder. An error where the files are missing or not those that were published.
pub fn load(wanted: &experiment::Dataset, places: &SearchPaths) -> Result<Option<Dataset>> {
    let cifar = |path: &Option<PathBuf>, layout| {
        cifar::load(wanted.name(), path.as_deref(), places, layout)
    };
    let mut dataset = match &wanted.kind {
        DatasetKind::Emoji98 { .. } => emoji98::load(),
        DatasetKind::Cifar100 { path, .. } => cifar(path, cifar::CIFAR100),
        DatasetKind::Cifar10 { path } => cifar(path, cifar::CIFAR10),
        DatasetKind::ImageFolder(_) => return Ok(None),
    }?;
    if let Some(limit) = wanted.limit {
        dataset.train.truncate(limit as usize);
        dataset.test.truncate(limit as usize);
    }
    Ok(Some(dataset))
}

/// The error for a dataset that is in none of the folders `looked`, with what to do.
/// `path` is `dataset.path`: with it, nothing else is searched or downloaded.
pub fn missing(
    name: DatasetName,
    path: Option<&Path>,
    looked: &[PathBuf],
    places: &SearchPaths,
) -> anyhow::Error {
    let archive = name.archive().map_or("", |archive| archive.file);
    let looked: Vec<String> = looked
        .iter()
        .map(|folder| folder.display().to_string())
        .collect();
    let fetch = if places.offline {
        "unset HF_HUB_OFFLINE to download it"
    } else {
        "`warmstart prefetch` downloads it"
    };
    let looked = looked.join(", ");
    let help = if path.is_some() {
        format!("correct dataset.path, or remove it: then {fetch}; looked at {looked}")
    } else {
        let downloads = places.downloads.display();
        format!(
            "{fetch}; or put {archive} into {downloads}, or name the archive or its unpacked folder as dataset.path; looked at {looked}"
        )
    };
    let (train, test) = name.files().unwrap_or_default();
    let files = [train, test].concat().join(", ");
    UserError::input(
        format!(
            "the files of {} ({files}) are not on this machine",
            name.as_str()
        ),
        help,
    )
}

#[cfg(test)]
mod tests {
    use warmstart_schema::experiment::Labels;

    use super::*;

    #[test]
    fn a_missing_dataset_is_reported_with_the_searched_folders() {
        let nowhere = || "/nowhere".into();
        let places = SearchPaths {
            weights: vec![],
            datasets: vec![nowhere()],
            downloads: nowhere(),
            hub: nowhere(),
            offline: true,
        };
        let wanted = experiment::Dataset {
            validation: 0.3,
            limit: None,
            kind: DatasetKind::Cifar100 {
                labels: Labels::Fine,
                path: None,
            },
        };
        let blame = UserError::of(&load(&wanted, &places).unwrap_err());
        assert!(
            blame.help.contains("/nowhere/cifar-100-binary,"),
            "{blame:?}"
        );
        assert!(
            blame
                .help
                .contains("put cifar-100-binary.tar.gz into /nowhere"),
            "{blame:?}"
        );
    }

    #[test]
    fn with_a_named_path_the_help_is_to_correct_it() {
        let help = |path: Option<&Path>| {
            let places = SearchPaths {
                weights: vec![],
                datasets: vec![],
                downloads: "/downloads".into(),
                hub: "/hub".into(),
                offline: false,
            };
            UserError::of(&missing(DatasetName::Cifar10, path, &[], &places)).help
        };
        let named = help(Some(Path::new("/moved")));
        assert!(
            named.starts_with("correct dataset.path, or remove it")
                && !named.contains("/downloads"),
            "{named}"
        );
        assert!(help(None).starts_with("`warmstart prefetch`"));
    }
}
