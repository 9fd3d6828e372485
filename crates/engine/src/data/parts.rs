//! A dataset parted into training, validation and test images, whichever kind it is.

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use anyhow::Result;
use sha2::{Digest, Sha256};
use tch::Device;
use warmstart_schema::experiment::{Experiment, Labels};
use warmstart_schema::pictures::{Class, PictureFolder, listed};
use warmstart_schema::places::Places;
use warmstart_schema::policy;
use warmstart_schema::preparation::{Preparation, Stated};
use warmstart_schema::run;
use warmstart_schema::seed::{SplitMix64, derive};

use super::folder::{Decoding, Folder, Listing};
use super::{Dataset, OnDevice, Source, load};
use crate::failure::Blame;

/// Share of a folder's pictures that become the test set where it has none.
const TEST: f64 = 0.2;

/// What a run learns from and is measured on.
#[derive(Debug)]
pub struct Parts {
    pub train: Part,
    pub validation: Part,
    pub test: Part,
    pub labels: run::Labels,
    /// Names of the fine and of the coarse classes; empty where there are none or nobody wrote them down.
    pub names: [Vec<String>; 2],
    /// SHA-256 over names and sizes of a folder's pictures; empty for published datasets, which are the same everywhere.
    pub fingerprint: String,
    /// What a user should know of them.
    pub notes: Vec<String>,
}

/// Some pictures of a source.
#[derive(Debug)]
pub struct Part {
    pub source: Rc<dyn Source>,
    pub members: Vec<u32>,
}

/// The parts of the dataset that an experiment names, fixed by its seed.
pub fn parts(experiment: &Experiment, places: &Places, device: Device) -> Result<Parts> {
    prepared_parts(experiment, &Preparation::new(experiment, &Stated::default()), places, device)
}

/// Likewise, their pictures prepared as the weights ask for.
pub fn prepared_parts(
    experiment: &Experiment,
    preparation: &Preparation,
    places: &Places,
    device: Device,
) -> Result<Parts> {
    match load(&experiment.dataset, places)? {
        Some(dataset) => published(experiment, dataset, device),
        None => own(experiment, preparation, device),
    }
}

fn published(experiment: &Experiment, dataset: Dataset, device: Device) -> Result<Parts> {
    let which = experiment.dataset.labels;
    let labels: Vec<u32> = dataset.train.labels(which).iter().map(|&label| label.into()).collect();
    let split = policy::split(&labels, experiment.dataset.validation, experiment.seed);
    let test = (0..u32::try_from(dataset.test.len())?).collect();
    let source = |pictures| -> Result<Rc<dyn Source>> { Ok(Rc::new(OnDevice::new(pictures, which, device)?)) };
    let (train, tests) = (source(&dataset.train)?, source(&dataset.test)?);
    let [fine, coarse] = &dataset.names;
    let names = if which == Labels::Coarse { coarse } else { fine }.clone();
    let classes = experiment.dataset.name.classes(which).unwrap_or_default() as usize;
    let names = if names.is_empty() { (0..classes).map(|class| format!("class {class}")).collect() } else { names };
    Ok(Parts {
        labels: run::Labels { train_images: images(&labels, &split.train, names.len()), names },
        names: dataset.names,
        train: Part { source: Rc::clone(&train), members: split.train },
        validation: Part { source: train, members: split.validation },
        test: Part { source: tests, members: test },
        fingerprint: String::new(),
        notes: Vec::new(),
    })
}

fn own(experiment: &Experiment, preparation: &Preparation, device: Device) -> Result<Parts> {
    let wanted = &experiment.dataset;
    let root = wanted.path.as_deref().unwrap_or(Path::new(""));
    let folder = PictureFolder::open(root).map_err(|unusable| Blame::input(unusable.error, unusable.help))?;
    let mut hash = Sha256::new();
    let mut list = |root: &Path| Listing::new(root, &folder.classes, &mut hash).map(Arc::new);
    let train = list(&folder.train)?;
    let validation = folder.validation.as_deref().map(&mut list).transpose()?;
    let test = folder.test.as_deref().map(&mut list).transpose()?;

    let labels = train.labels();
    let everything = |labels: &[u32]| Ok::<Vec<u32>, anyhow::Error>((0..u32::try_from(labels.len())?).collect());
    let (rest, test_members) = match &test {
        Some(test) => (everything(&labels)?, everything(&test.labels())?),
        None => {
            part(&labels, &everything(&labels)?, wanted.test.unwrap_or(TEST), derive(experiment.seed, "test", 0, 0))
        }
    };
    let (rest, validation_members) = match &validation {
        Some(validation) => (rest, everything(&validation.labels())?),
        None => part(&labels, &rest, wanted.validation, experiment.seed),
    };
    let limited = |members: Vec<u32>, purpose: &str| match wanted.limit {
        Some(limit) => some(members, limit as usize, derive(experiment.seed, purpose, 0, 0)),
        None => members,
    };
    let rest = limited(rest, "limit");
    let decoding = Decoding::new(preparation, wanted.strict, None)?;
    let source = |listing| -> Rc<dyn Source> { Rc::new(Folder::new(listing, decoding.clone(), device)) };
    let train_source = source(Arc::clone(&train));
    let other = |listing: Option<Arc<Listing>>| listing.map_or_else(|| Rc::clone(&train_source), source);
    let names: Vec<String> = folder.classes.iter().map(|class| class.name.clone()).collect();
    let empty = (!folder.empty.is_empty())
        .then(|| format!("folders without pictures are no classes: {}", listed(&folder.empty)));
    Ok(Parts {
        validation: Part { source: other(validation), members: limited(validation_members, "limit validation") },
        test: Part { source: other(test), members: limited(test_members, "limit test") },
        names: [names, Vec::new()],
        labels: run::Labels {
            train_images: images(&labels, &rest, folder.classes.len()),
            names: folder.classes.iter().map(Class::exact).collect(),
        },
        train: Part { source: train_source, members: rest },
        fingerprint: format!("{:x}", hash.finalize()),
        notes: empty.into_iter().collect(),
    })
}

/// Splits some of the pictures by class: what stays, and `share` of them.
fn part(labels: &[u32], members: &[u32], share: f64, seed: u64) -> (Vec<u32>, Vec<u32>) {
    let theirs: Vec<u32> = members.iter().map(|&member| labels[member as usize]).collect();
    let split = policy::split(&theirs, share, seed);
    let of = |positions: Vec<u32>| positions.into_iter().map(|position| members[position as usize]).collect();
    (of(split.train), of(split.validation))
}

/// So many of the members, drawn at random, in their order.
fn some(mut members: Vec<u32>, limit: usize, seed: u64) -> Vec<u32> {
    SplitMix64::new(seed).shuffle(&mut members);
    members.truncate(limit);
    members.sort_unstable();
    members
}

/// How many of the members are of each class.
fn images(labels: &[u32], members: &[u32], classes: usize) -> Vec<u32> {
    let mut counts = vec![0; classes];
    for &member in members {
        counts[labels[member as usize] as usize] += 1;
    }
    counts
}

/// What an image of each class weighs when rare classes shall count as much as others, from the training images of each:
/// n / (classes · n of the class), as scikit-learn's `balanced`. A class without training images has no weight.
pub fn balanced_weights(images: &[u32]) -> Vec<f32> {
    let all: f64 = images.iter().copied().map(f64::from).sum();
    let weight = |&count: &u32| if count == 0 { 0.0 } else { all / (images.len() as f64 * f64::from(count)) };
    #[expect(clippy::cast_possible_truncation, reason = "a weight is used in float32 products")]
    images.iter().map(|count| weight(count) as f32).collect()
}
