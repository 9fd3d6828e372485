//! CIFAR-10 and CIFAR-100 in their published binary versions.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use warmstart_runs::search_paths::SearchPaths;
use warmstart_schema::catalog::DatasetName;

use super::binary::{Layout, Pictures};
use super::{Dataset, missing};
use crate::failure::UserError;
use crate::unsupported;

const TRAIN: usize = 50_000;
const TEST: usize = 10_000;

pub(super) const CIFAR100: Layout = Layout {
    coarse: true,
    classes: 100,
    coarse_classes: 20,
};

pub(super) const CIFAR10: Layout = Layout {
    coarse: false,
    classes: 10,
    coarse_classes: 0,
};

pub(super) fn load(
    name: DatasetName,
    path: Option<&Path>,
    places: &SearchPaths,
    layout: Layout,
) -> Result<Dataset> {
    let (train, test) = name.files().unwrap_or_default();
    let folder = find(name, path, places)?;
    let part = |names: &[&str], images: usize| {
        let mut pictures = Pictures::default();
        for file in names {
            let path = folder.join(file);
            let read = || {
                let file = std::fs::File::open(&path)?;
                let mut bytes = Vec::new();
                // One byte more than expected is enough to see that a file is too long.
                file.take((images / names.len() * layout.record() + 1) as u64)
                    .read_to_end(&mut bytes)?;
                layout.read(&bytes, images / names.len())
            };
            pictures.append(
                read()
                    .with_context(|| format!("reading {}", path.display()))
                    .map_err(|error| {
                        UserError::input(
                            format!("{error:#}"),
                            format!("get the published files of {} again", name.as_str()),
                        )
                    })?,
            );
        }
        anyhow::Ok(pictures)
    };
    Ok(Dataset {
        train: part(train, TRAIN)?,
        test: part(test, TEST)?,
        names: names(&folder, layout),
    })
}

/// Class names from the publisher's archives; none if they are incomplete.
fn names(folder: &Path, layout: Layout) -> [Vec<String>; 2] {
    let read = |files: &[&str], classes: u8| {
        let text = files
            .iter()
            .find_map(|file| std::fs::read_to_string(folder.join(file)).ok())
            .unwrap_or_default();
        let names: Vec<String> = text
            .lines()
            .map(|name| name.trim().to_owned())
            .filter(|name| !name.is_empty())
            .collect();
        if names.len() == usize::from(classes) {
            names
        } else {
            Vec::new()
        }
    };
    [
        read(
            &["fine_label_names.txt", "batches.meta.txt"],
            layout.classes,
        ),
        read(&["coarse_label_names.txt"], layout.coarse_classes),
    ]
}

/// The folder that holds the published binary files.
fn find(name: DatasetName, path: Option<&Path>, places: &SearchPaths) -> Result<PathBuf> {
    places.find_dataset(name, path).map_err(|looked| {
        let other = path.and_then(|path| unsupported::unsupported_version(name, path));
        other.unwrap_or_else(|| missing(name, path, &looked, places))
    })
}
