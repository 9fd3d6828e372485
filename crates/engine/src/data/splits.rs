//! A dataset parted into training, validation and test images, whichever kind it is.

use std::rc::Rc;
use std::sync::Arc;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use tch::Device;
use warmstart_runs::pictures::{Class, PartFolder, PictureFolder, Unusable, Unused};
use warmstart_runs::run;
use warmstart_runs::search_paths::SearchPaths;
use warmstart_schema::experiment::{Experiment, ImageFolder, Labels, SplitRule};
use warmstart_schema::look::Part as Which;
use warmstart_schema::policy;
use warmstart_schema::preparation::{FileMetadata, Preparation};
use warmstart_schema::seed::{SplitMix64, derive};

use super::folder::{Decoding, Folder, Listing};
use super::inspect::Inspected;
use super::{Dataset, OnDevice, Source, load};
use crate::failure::UserError;

/// Share of a folder's pictures that become the test set where it has none.
pub(super) const TEST: f64 = 0.2;

/// What a run learns from and is measured on.
#[derive(Debug)]
pub struct Parts {
    pub train: Part,
    pub validation: Part,
    pub test: Part,
    pub labels: run::Labels,
    /// Names of the fine and coarse classes; empty if there are none.
    pub names: [Vec<String>; 2],
    /// SHA-256 over names and sizes of a folder's pictures; empty for published datasets, which are the same everywhere.
    pub fingerprint: String,
    /// The facts of an image folder; none for other datasets.
    pub own: Option<Own>,
}

/// An image folder as it was listed, and after its images were read.
#[derive(Debug)]
pub struct Own {
    pub rule: SplitRule,
    pub folder: PictureFolder,
    pub unused: Unused,
    pub(super) decoding: Decoding,
    listings: [Arc<Listing>; 3],
    /// Empty where they were not read.
    inspected: [Inspected; 3],
}

impl Own {
    pub(super) fn listing(&self, which: Which) -> &Arc<Listing> {
        &self.listings[which as usize]
    }

    pub fn inspected(&self, which: Which) -> &Inspected {
        &self.inspected[which as usize]
    }

    pub(super) fn set_inspected(&mut self, which: Which, found: Inspected) {
        self.inspected[which as usize] = found;
    }

    /// Whether its pictures were read, and what cannot be is left out.
    pub fn is_inspected(&self) -> bool {
        self.inspected.iter().any(|part| !part.listed.is_empty())
    }
}

impl Parts {
    /// SHA-256 over the pixels or files of a part's pictures, their classes, and how files become images, in the order in which
    /// they are batched: the features of an image may depend on the others in its batch, in the last bits. None where not every
    /// picture is known by its content.
    pub fn identity(&self, which: Which) -> Result<Option<String>> {
        let part = match which {
            Which::Train => &self.train,
            Which::Validation => &self.validation,
            Which::Test => &self.test,
        };
        let mut hash = Sha256::new();
        hash.update((part.members.len() as u64).to_le_bytes());
        let Some(own) = &self.own else {
            let known = part.source.identify(&part.members, &mut hash)?;
            return Ok(known.then(|| format!("{:x}", hash.finalize())));
        };
        let (kept, listing) = (&own.inspected(which).kept, own.listing(which));
        if kept.len() != part.members.len() {
            return Ok(None);
        }
        hash.update(format!("{:?}", own.decoding.framing));
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

/// Some pictures of a source.
#[derive(Debug)]
pub struct Part {
    pub source: Rc<dyn Source>,
    pub members: Vec<u32>,
}

/// The parts of the dataset that an experiment names, fixed by its seed.
pub fn parts(experiment: &Experiment, places: &SearchPaths, device: Device) -> Result<Parts> {
    prepared_parts(
        experiment,
        &Preparation::new(experiment, &FileMetadata::default()),
        places,
        device,
    )
}

/// As [`parts`], with pictures prepared as the weights need them.
pub fn prepared_parts(
    experiment: &Experiment,
    preparation: &Preparation,
    places: &SearchPaths,
    device: Device,
) -> Result<Parts> {
    if let Some(folder) = experiment.dataset.folder() {
        return own(experiment, folder, preparation, device);
    }
    let dataset =
        load(&experiment.dataset, places)?.context("expected a published dataset, found none")?;
    published(experiment, dataset, device)
}

fn published(experiment: &Experiment, dataset: Dataset, device: Device) -> Result<Parts> {
    let which = experiment.dataset.labels();
    let labels: Vec<u32> = dataset
        .train
        .labels(which)
        .iter()
        .map(|&label| label.into())
        .collect();
    let split = policy::split(&labels, experiment.dataset.validation, experiment.seed);
    let test = (0..u32::try_from(dataset.test.len())?).collect();
    let source = |pictures| -> Result<Rc<dyn Source>> {
        Ok(Rc::new(OnDevice::new(pictures, which, device)?))
    };
    let (train, tests) = (source(&dataset.train)?, source(&dataset.test)?);
    let [fine, coarse] = &dataset.names;
    let names = if which == Labels::Coarse {
        coarse
    } else {
        fine
    }
    .clone();
    let classes = experiment.classes().unwrap_or_default() as usize;
    let names = if names.is_empty() {
        (0..classes).map(|class| format!("class {class}")).collect()
    } else {
        names
    };
    Ok(Parts {
        labels: run::Labels {
            train_images: images(&labels, &split.train, names.len()),
            names,
        },
        names: dataset.names,
        train: Part {
            source: Rc::clone(&train),
            members: split.train,
        },
        validation: Part {
            source: train,
            members: split.validation,
        },
        test: Part {
            source: tests,
            members: test,
        },
        fingerprint: String::new(),
        own: None,
    })
}

fn own(
    experiment: &Experiment,
    wanted: &ImageFolder,
    preparation: &Preparation,
    device: Device,
) -> Result<Parts> {
    let rule = wanted.split_rule();
    let refused = |unusable: Unusable| UserError::input(unusable.error, unusable.help);
    let folder = PictureFolder::open(&wanted.path, rule).map_err(refused)?;
    let found = folder.list().map_err(refused)?;
    let mut hash = Sha256::new();
    let mut list = |part: &PartFolder, files| Arc::new(Listing::new(&part.path, files, &mut hash));
    let train = list(&folder.train, found.train);
    let validation = folder
        .validation
        .as_ref()
        .zip(found.validation)
        .map(|(part, files)| list(part, files));
    let test = folder
        .test
        .as_ref()
        .zip(found.test)
        .map(|(part, files)| list(part, files));

    let everything = |listing: &Listing| {
        Ok::<Vec<u32>, anyhow::Error>((0..u32::try_from(listing.len())?).collect())
    };
    let split = Splitting {
        rule,
        listing: &train,
        seed: experiment.seed,
    };
    let (rest, test_members) = match &test {
        Some(test) => (everything(&train)?, everything(test)?),
        None => split.part(
            everything(&train)?,
            Which::Test,
            wanted.test.unwrap_or(TEST),
        ),
    };
    let (rest, validation_members) = match &validation {
        Some(validation) => (rest, everything(validation)?),
        None => split.part(rest, Which::Validation, experiment.dataset.validation),
    };
    let decoding = Decoding::new(preparation, wanted.strict, None)?;
    let source =
        |listing| -> Rc<dyn Source> { Rc::new(Folder::new(listing, decoding.clone(), device)) };
    let train_source = source(Arc::clone(&train));
    let other = |listing: &Option<Arc<Listing>>| {
        listing.as_ref().map_or_else(
            || Rc::clone(&train_source),
            |listing| source(Arc::clone(listing)),
        )
    };
    let sources = [other(&validation), other(&test)];
    let listings = [
        Arc::clone(&train),
        validation.unwrap_or(Arc::clone(&train)),
        test.unwrap_or(Arc::clone(&train)),
    ];
    let limited = |members: Vec<u32>, which: Which| {
        let Some(limit) = experiment.dataset.limit else {
            return members;
        };
        let purpose = match which {
            Which::Train => "limit",
            Which::Validation => "limit validation",
            Which::Test => "limit test",
        };
        match rule {
            SplitRule::ByOrder => some(
                members,
                limit as usize,
                derive(experiment.seed, purpose, 0, 0),
            ),
            SplitRule::ByName => first(
                members,
                limit as usize,
                &listings[which as usize],
                purpose,
                experiment.seed,
            ),
        }
    };
    let rest = limited(rest, Which::Train);
    let [validation_source, test_source] = sources;
    let names: Vec<String> = folder
        .classes
        .iter()
        .map(|class| class.name.clone())
        .collect();
    Ok(Parts {
        validation: Part {
            source: validation_source,
            members: limited(validation_members, Which::Validation),
        },
        test: Part {
            source: test_source,
            members: limited(test_members, Which::Test),
        },
        labels: run::Labels {
            train_images: images(&train.labels(), &rest, names.len()),
            names: folder.classes.iter().map(Class::exact).collect(),
        },
        names: [names, Vec::new()],
        train: Part {
            source: train_source,
            members: rest,
        },
        fingerprint: format!("{:x}", hash.finalize()),
        own: Some(Own {
            rule,
            folder,
            unused: found.unused,
            decoding,
            listings,
            inspected: <[Inspected; 3]>::default(),
        }),
    })
}

/// How pictures are split off from training.
struct Splitting<'a> {
    rule: SplitRule,
    listing: &'a Listing,
    seed: u64,
}

impl Splitting<'_> {
    /// What stays of the members, and about `share` of them.
    fn part(&self, members: Vec<u32>, which: Which, share: f64) -> (Vec<u32>, Vec<u32>) {
        match (self.rule, which) {
            (SplitRule::ByOrder, Which::Test) => part(
                &self.listing.labels(),
                &members,
                share,
                derive(self.seed, "test", 0, 0),
            ),
            (SplitRule::ByOrder, _) => part(&self.listing.labels(), &members, share, self.seed),
            (SplitRule::ByName, which) => {
                let stays = |member: &u32| {
                    policy::name_fraction(self.listing.name(*member), which.as_str(), self.seed)
                        >= share
                };
                members.into_iter().partition(stays)
            }
        }
    }
}

/// So many of the members, drawn by their names, in their order: another picture takes the place of one at most.
fn first(
    mut members: Vec<u32>,
    limit: usize,
    listing: &Listing,
    purpose: &str,
    seed: u64,
) -> Vec<u32> {
    let place = |member: &u32| policy::name_fraction(listing.name(*member), purpose, seed);
    members.sort_by_cached_key(|member| place(member).to_bits());
    members.truncate(limit);
    members.sort_unstable();
    members
}

/// Splits some of the pictures by class: what stays, and `share` of them.
fn part(labels: &[u32], members: &[u32], share: f64, seed: u64) -> (Vec<u32>, Vec<u32>) {
    let theirs: Vec<u32> = members
        .iter()
        .map(|&member| labels[member as usize])
        .collect();
    let split = policy::split(&theirs, share, seed);
    let of = |positions: Vec<u32>| {
        positions
            .into_iter()
            .map(|position| members[position as usize])
            .collect()
    };
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
pub(super) fn images(labels: &[u32], members: &[u32], classes: usize) -> Vec<u32> {
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
    let weight = |&count: &u32| {
        if count == 0 {
            0.0
        } else {
            all / (images.len() as f64 * f64::from(count))
        }
    };
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a weight is used in float32 products"
    )]
    images.iter().map(|count| weight(count) as f32).collect()
}
