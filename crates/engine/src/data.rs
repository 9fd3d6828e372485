//! Datasets of pictures: published ones, kept whole on the device as bytes, and folders of any size.

mod binary;
pub mod folder;
mod inspect;
mod memory;
mod parts;
mod source;
mod verdict;

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;
use warmstart_runs::places::Places;
use warmstart_schema::catalog::DatasetName;
use warmstart_schema::experiment;

pub use binary::{Layout, Pictures};
pub use inspect::{Inspected, Unread, inspect};
pub use memory::{Features, OnDevice};
pub use parts::{Own, Part, Parts, balanced_weights, parts, prepared_parts};
pub use source::{Batch, Batches, Described, Input, Source};
pub use verdict::{refusal, verdict};

use crate::edition;
use crate::failure::UserError;

/// `make_emoji98.py` writes it: 3,038 training records, then 774 test records, in CIFAR-100's layout.
static EMOJI98: &[u8] = include_bytes!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../assets/emoji98.bin.gz"
));
static EMOJI98_ABOUT: &[u8] = include_bytes!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../assets/emoji98.json"
));
const EMOJI98_TRAIN: usize = 3_038;
const EMOJI98_TEST: usize = 774;

/// The two parts of a dataset as its publisher parted them.
#[derive(Debug)]
pub struct Dataset {
    pub train: Pictures,
    pub test: Pictures,
    /// Names of the fine and of the coarse classes, where they are known.
    pub names: [Vec<String>; 2],
}

/// Reads the published dataset that an experiment names; `None` where it names a folder.
pub fn load(wanted: &experiment::Dataset, places: &Places) -> Result<Option<Dataset>> {
    let mut dataset = match wanted.name {
        DatasetName::Emoji98 => emoji98(),
        DatasetName::Cifar100 => from_files(
            wanted,
            places,
            Layout {
                coarse: true,
                classes: 100,
                coarse_classes: 20,
            },
            50_000,
        ),
        DatasetName::Cifar10 => from_files(
            wanted,
            places,
            Layout {
                coarse: false,
                classes: 10,
                coarse_classes: 0,
            },
            50_000,
        ),
        DatasetName::ImageFolder => return Ok(None),
    }?;
    if let Some(limit) = wanted.limit {
        dataset.train.truncate(limit as usize);
        dataset.test.truncate(limit as usize);
    }
    Ok(Some(dataset))
}

/// What the embedded dataset's script wrote down of it.
#[derive(Deserialize)]
struct About {
    fine: Vec<String>,
    coarse: Vec<String>,
}

fn emoji98() -> Result<Dataset> {
    let layout = Layout {
        coarse: true,
        classes: 98,
        coarse_classes: 9,
    };
    let mut bytes = Vec::with_capacity((EMOJI98_TRAIN + EMOJI98_TEST) * layout.record());
    flate2::read::GzDecoder::new(EMOJI98)
        .read_to_end(&mut bytes)
        .context("unpacking the embedded emoji98")?;
    let (train, test) = bytes.split_at(EMOJI98_TRAIN * layout.record());
    let About { fine, coarse } =
        serde_json::from_slice(EMOJI98_ABOUT).context("the embedded emoji98's description")?;
    Ok(Dataset {
        names: [fine, coarse],
        train: layout
            .read(train, EMOJI98_TRAIN)
            .context("embedded emoji98, training part")?,
        test: layout
            .read(test, EMOJI98_TEST)
            .context("embedded emoji98, test part")?,
    })
}

fn from_files(
    wanted: &experiment::Dataset,
    places: &Places,
    layout: Layout,
    train_images: usize,
) -> Result<Dataset> {
    let (train, test) = wanted.name.files().unwrap_or_default();
    let folder = find(wanted, places)?;
    let part = |names: &[&str], images: usize| {
        let mut pictures = Pictures::default();
        for name in names {
            let path = folder.join(name);
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
                            format!("get the published files of {} again", wanted.name.as_str()),
                        )
                    })?,
            );
        }
        anyhow::Ok(pictures)
    };
    Ok(Dataset {
        train: part(train, train_images)?,
        test: part(test, 10_000)?,
        names: names(&folder, layout),
    })
}

/// Class names as the publisher's archives have them beside the pictures; none where they are not complete.
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
fn find(wanted: &experiment::Dataset, places: &Places) -> Result<PathBuf> {
    places
        .find_dataset(wanted.name, wanted.path.as_deref())
        .map_err(|looked| {
            let other = wanted
                .path
                .as_deref()
                .and_then(|path| edition::refused(wanted.name, path));
            other.unwrap_or_else(|| missing(wanted.name, &looked, places))
        })
}

/// That a dataset is nowhere, and what to do where it cannot be fetched.
pub fn missing(name: DatasetName, looked: &[PathBuf], places: &Places) -> anyhow::Error {
    let archive = name.archive().map_or("", |archive| archive.file);
    let looked: Vec<String> = looked
        .iter()
        .map(|folder| folder.display().to_string())
        .collect();
    let fetch = if places.offline {
        "unset HF_HUB_OFFLINE to have it fetched"
    } else {
        "`warmstart prefetch` fetches it"
    };
    let help = format!(
        "{fetch}; or put {archive} into {}, or name the archive or its unpacked folder as dataset.path; looked at {}",
        places.downloads.display(),
        looked.join(", ")
    );
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
    use sha2::{Digest, Sha256};
    use warmstart_schema::experiment::Labels;

    use super::*;

    #[test]
    fn the_embedded_dataset_is_the_one_that_its_script_made() {
        let about: serde_json::Value = serde_json::from_slice(EMOJI98_ABOUT).unwrap();
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(EMOJI98)
            .read_to_end(&mut bytes)
            .unwrap();
        assert_eq!(about["sha256"], format!("{:x}", Sha256::digest(&bytes)));
        let data = emoji98().unwrap();
        assert_eq!(
            (about["train"].as_u64(), about["test"].as_u64()),
            (Some(data.train.len() as u64), Some(data.test.len() as u64))
        );
        // Every fine class lies in the coarse class that the script wrote down.
        for part in [&data.train, &data.test] {
            for (&fine, &coarse) in part.fine.iter().zip(&part.coarse) {
                assert_eq!(
                    about["fine_to_coarse"][usize::from(fine)].as_u64(),
                    Some(u64::from(coarse))
                );
            }
        }
    }

    #[test]
    fn a_missing_dataset_says_where_it_was_looked_for() {
        let nowhere = || "/nowhere".into();
        let places = Places {
            weights: vec![],
            datasets: vec![nowhere()],
            downloads: nowhere(),
            hub: nowhere(),
            offline: true,
        };
        let wanted = experiment::Dataset {
            name: DatasetName::Cifar100,
            validation: 0.3,
            labels: Labels::Fine,
            test: None,
            limit: None,
            path: None,
            split: None,
            strict: false,
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
}
