//! Datasets of pictures, kept whole on the device as bytes.

mod binary;

use std::io::Read;
use std::path::PathBuf;

use anyhow::{Context, Result};
use tch::{Device, IndexOp, Kind, Tensor};
use warmstart_schema::catalog::{DatasetName, Places};
use warmstart_schema::experiment::{self, Labels};

pub use binary::{Layout, Pictures};

use crate::failure::Blame;

/// `make_emoji98.py` writes it: 3,038 training records, then 774 test records, in CIFAR-100's layout.
static EMOJI98: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets/emoji98.bin.gz"));
const EMOJI98_TRAIN: usize = 3_038;
const EMOJI98_TEST: usize = 774;

/// The two parts of a dataset as its publisher parted them.
#[derive(Debug)]
pub struct Dataset {
    pub train: Pictures,
    pub test: Pictures,
}

/// Reads the dataset that an experiment names.
pub fn load(wanted: &experiment::Dataset, places: &Places) -> Result<Dataset> {
    let mut dataset = match wanted.name {
        DatasetName::Emoji98 => emoji98(),
        DatasetName::Cifar100 => {
            from_files(wanted, places, Layout { coarse: true, classes: 100, coarse_classes: 20 }, 50_000)
        }
        DatasetName::Cifar10 => {
            from_files(wanted, places, Layout { coarse: false, classes: 10, coarse_classes: 0 }, 50_000)
        }
    }?;
    if let Some(limit) = wanted.limit {
        dataset.train.truncate(limit as usize);
        dataset.test.truncate(limit as usize);
    }
    Ok(dataset)
}

fn emoji98() -> Result<Dataset> {
    let layout = Layout { coarse: true, classes: 98, coarse_classes: 9 };
    let mut bytes = Vec::with_capacity((EMOJI98_TRAIN + EMOJI98_TEST) * layout.record());
    flate2::read::GzDecoder::new(EMOJI98).read_to_end(&mut bytes).context("unpacking the embedded emoji98")?;
    let (train, test) = bytes.split_at(EMOJI98_TRAIN * layout.record());
    Ok(Dataset {
        train: layout.read(train, EMOJI98_TRAIN).context("embedded emoji98, training part")?,
        test: layout.read(test, EMOJI98_TEST).context("embedded emoji98, test part")?,
    })
}

fn from_files(wanted: &experiment::Dataset, places: &Places, layout: Layout, train_images: usize) -> Result<Dataset> {
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
                file.take((images / names.len() * layout.record() + 1) as u64).read_to_end(&mut bytes)?;
                layout.read(&bytes, images / names.len())
            };
            pictures.append(read().with_context(|| format!("reading {}", path.display())).map_err(|error| {
                Blame::input(format!("{error:#}"), format!("get the published files of {} again", wanted.name.as_str()))
            })?);
        }
        anyhow::Ok(pictures)
    };
    Ok(Dataset { train: part(train, train_images)?, test: part(test, 10_000)? })
}

/// The folder that holds the published binary files.
fn find(wanted: &experiment::Dataset, places: &Places) -> Result<PathBuf> {
    wanted.name.find(wanted.path.as_deref(), places).map_err(|looked| missing(wanted.name, &looked, places))
}

/// That a dataset is nowhere, and what to do where it cannot be fetched.
pub fn missing(name: DatasetName, looked: &[PathBuf], places: &Places) -> anyhow::Error {
    let archive = name.archive().map_or("", |archive| archive.file);
    let looked: Vec<String> = looked.iter().map(|folder| folder.display().to_string()).collect();
    let fetch =
        if places.offline { "unset HF_HUB_OFFLINE to have it fetched" } else { "`warmstart prefetch` fetches it" };
    let help = format!(
        "{fetch}; or put {archive} into {}, or name the archive or its unpacked folder as dataset.path; looked at {}",
        places.downloads.display(),
        looked.join(", ")
    );
    let (train, test) = name.files().unwrap_or_default();
    let files = [train, test].concat().join(", ");
    Blame::input(format!("the files of {} ({files}) are not on this machine", name.as_str()), help)
}

/// Pictures and the labels that are learnt, on the device.
#[derive(Debug)]
pub struct OnDevice {
    /// Bytes `[N, 3, H, W]`.
    pixels: Tensor,
    /// Class numbers `[N]`.
    labels: Tensor,
}

impl OnDevice {
    pub fn new(pictures: &Pictures, labels: Labels, device: Device) -> Result<Self> {
        let count = i64::try_from(pictures.len())?;
        let pixels =
            Tensor::f_from_data_size(&pictures.pixels, &[count, 3, Pictures::SIDE, Pictures::SIDE], Kind::Uint8)?;
        let labels: Vec<i64> = pictures.labels(labels).iter().map(|&label| i64::from(label)).collect();
        Ok(Self { pixels: pixels.f_to_device(device)?, labels: Tensor::f_from_slice(&labels)?.f_to_device(device)? })
    }

    /// The pictures at `indices` `[n]` as floats in 0..1, `[n, 3, H, W]`.
    pub fn images(&self, indices: &Tensor) -> Result<Tensor> {
        Ok(self.pixels.f_index_select(0, indices)?.f_to_kind(Kind::Float)?.f_div_scalar(255.0)?)
    }

    /// The class numbers at `indices`.
    pub fn labels(&self, indices: &Tensor) -> Result<Tensor> {
        Ok(self.labels.f_index_select(0, indices)?)
    }

    pub fn device(&self) -> Device {
        self.pixels.device()
    }
}

/// Rows `start..end` of a list of indices.
pub fn rows(indices: &Tensor, start: usize, end: usize) -> Result<Tensor> {
    Ok(indices.f_i(i64::try_from(start)?..i64::try_from(end)?)?)
}

/// Indices as a tensor on a device.
pub fn indices(list: &[u32], device: Device) -> Result<Tensor> {
    let list: Vec<i64> = list.iter().map(|&index| i64::from(index)).collect();
    Ok(Tensor::f_from_slice(&list)?.f_to_device(device)?)
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn the_embedded_dataset_is_the_one_that_its_script_made() {
        let about: serde_json::Value =
            serde_json::from_slice(include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets/emoji98.json")))
                .unwrap();
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(EMOJI98).read_to_end(&mut bytes).unwrap();
        assert_eq!(about["sha256"], format!("{:x}", Sha256::digest(&bytes)));
        let data = emoji98().unwrap();
        assert_eq!(
            (about["train"].as_u64(), about["test"].as_u64()),
            (Some(data.train.len() as u64), Some(data.test.len() as u64))
        );
        // Every fine class lies in the coarse class that the script wrote down.
        for part in [&data.train, &data.test] {
            for (&fine, &coarse) in part.fine.iter().zip(&part.coarse) {
                assert_eq!(about["fine_to_coarse"][usize::from(fine)].as_u64(), Some(u64::from(coarse)));
            }
        }
    }

    #[test]
    fn a_missing_dataset_says_where_it_was_looked_for() {
        let nowhere = || "/nowhere".into();
        let places =
            Places { weights: vec![], datasets: vec![nowhere()], downloads: nowhere(), hub: nowhere(), offline: true };
        let wanted = experiment::Dataset {
            name: DatasetName::Cifar100,
            validation: 0.3,
            labels: Labels::Fine,
            limit: None,
            path: None,
        };
        let blame = Blame::of(&load(&wanted, &places).unwrap_err());
        assert!(blame.help.contains("/nowhere/cifar-100-binary,"), "{blame:?}");
        assert!(blame.help.contains("put cifar-100-binary.tar.gz into /nowhere"), "{blame:?}");
    }
}
