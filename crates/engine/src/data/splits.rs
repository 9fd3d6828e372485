//! The training, validation and test images of a dataset, whichever kind it is.

use std::rc::Rc;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use tch::Device;
use warmstart_runs::run;
use warmstart_runs::search_paths::SearchPaths;
use warmstart_schema::experiment::{Experiment, Labels};
use warmstart_schema::look::Split;
use warmstart_schema::policy;
use warmstart_schema::preparation::{FileMetadata, Preparation};

use super::folder_splits::{self, InspectedFolder};
use super::{Dataset, OnDevice, Source, load};

/// The images of a run by split, and its classes.
#[derive(Debug)]
pub struct Splits {
    pub train: Subset,
    pub validation: Subset,
    pub test: Subset,
    pub labels: run::Labels,
    /// Names of the fine and coarse classes; empty if there are none.
    pub names: [Vec<String>; 2],
    /// SHA-256 over names and sizes of a folder's pictures; empty for published datasets, which are the same everywhere.
    pub fingerprint: String,
    /// The facts of an image folder; none for other datasets.
    pub folder: Option<InspectedFolder>,
}

impl Splits {
    /// SHA-256 of a split's images, their classes and their preprocessing, in the order of the batches. The order counts, because
    /// features depend on the batch in the last bits. None if the content of an image is not known.
    pub fn identity(&self, split: Split) -> Result<Option<String>> {
        let part = match split {
            Split::Train => &self.train,
            Split::Validation => &self.validation,
            Split::Test => &self.test,
        };
        let mut hash = Sha256::new();
        hash.update((part.members.len() as u64).to_le_bytes());
        let Some(folder) = &self.folder else {
            let known = part.source.identify(&part.members, &mut hash)?;
            return Ok(known.then(|| format!("{:x}", hash.finalize())));
        };
        let (kept, listing) = (&folder.inspected(split).kept, folder.listing(split));
        if kept.len() != part.members.len() {
            return Ok(None);
        }
        // The text of another version is never compared: the key of the cache names the program.
        hash.update(format!("{:?}", folder.decoding.framing));
        for (&member, kept) in part.members.iter().zip(kept) {
            if listing.name(member) != kept.name {
                return Ok(None);
            }
            hash.update(kept.content.as_str());
            hash.update(listing.class(member).to_le_bytes());
        }
        Ok(Some(format!("{:x}", hash.finalize())))
    }
}

/// Some images of a source, by their places in it.
#[derive(Debug)]
pub struct Subset {
    pub source: Rc<dyn Source>,
    pub members: Vec<u32>,
}

/// The splits of the dataset that an experiment names, fixed by its seed.
pub fn splits(experiment: &Experiment, places: &SearchPaths, device: Device) -> Result<Splits> {
    prepared_splits(
        experiment,
        &Preparation::new(experiment, &FileMetadata::default()),
        places,
        device,
    )
}

/// As [`splits`](fn@splits), with pictures prepared as the weights need them.
pub fn prepared_splits(
    experiment: &Experiment,
    preparation: &Preparation,
    places: &SearchPaths,
    device: Device,
) -> Result<Splits> {
    if let Some(folder) = experiment.dataset.folder() {
        return folder_splits::list(experiment, folder, preparation, device);
    }
    let dataset = load(&experiment.dataset, places)?
        .with_context(|| format!("found no files of {}", experiment.dataset.name().as_str()))?;
    published(experiment, dataset, device)
}

fn published(experiment: &Experiment, dataset: Dataset, device: Device) -> Result<Splits> {
    let kind = experiment.dataset.labels();
    let labels: Vec<u32> = dataset
        .train
        .labels(kind)
        .iter()
        .map(|&label| label.into())
        .collect();
    let split = policy::split(&labels, experiment.dataset.validation, experiment.seed);
    let test = (0..u32::try_from(dataset.test.len())?).collect();
    let source = |pictures| -> Result<Rc<dyn Source>> {
        Ok(Rc::new(OnDevice::new(pictures, kind, device)?))
    };
    let (train, tests) = (source(&dataset.train)?, source(&dataset.test)?);
    let [fine, coarse] = &dataset.names;
    let names = if kind == Labels::Coarse { coarse } else { fine }.clone();
    let classes = experiment.classes().unwrap_or_default() as usize;
    let names = if names.is_empty() {
        (0..classes).map(|class| format!("class {class}")).collect()
    } else {
        names
    };
    Ok(Splits {
        labels: run::Labels {
            train_images: images_by_class(&labels, &split.train, names.len()),
            names,
        },
        names: dataset.names,
        train: Subset {
            source: Rc::clone(&train),
            members: split.train,
        },
        validation: Subset {
            source: train,
            members: split.validation,
        },
        test: Subset {
            source: tests,
            members: test,
        },
        fingerprint: String::new(),
        folder: None,
    })
}

/// How many of the members are of each class. `labels` are the classes of all images, each below `classes`.
pub(super) fn images_by_class(labels: &[u32], members: &[u32], classes: usize) -> Vec<u32> {
    let mut counts = vec![0; classes];
    for &member in members {
        counts[labels[member as usize] as usize] += 1;
    }
    counts
}
