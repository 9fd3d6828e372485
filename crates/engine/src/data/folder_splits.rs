//! The splits of an image folder: folders of their own where it has them, otherwise drawn from the training images.

use std::rc::Rc;
use std::sync::Arc;

use anyhow::Result;
use sha2::{Digest, Sha256};
use tch::Device;
use warmstart_runs::pictures::{
    self, Class, PictureFile, PictureFolder, SplitFolder, Unusable, Unused,
};
use warmstart_runs::run;
use warmstart_schema::experiment::{Experiment, ImageFolder, SplitRule};
use warmstart_schema::look::Split;
use warmstart_schema::policy;
use warmstart_schema::preparation::Preparation;
use warmstart_schema::seed::{SplitMix64, derive};

use super::Source;
use super::folder::{Decoding, Folder, Listing};
use super::inspect::Inspected;
use super::splits::{Splits, Subset, images_by_class};
use crate::failure::UserError;

/// An image folder as it was listed, and after its images were read.
#[derive(Debug)]
pub struct InspectedFolder {
    pub rule: SplitRule,
    pub layout: PictureFolder,
    pub unused: Unused,
    pub(super) decoding: Decoding,
    listings: [Arc<Listing>; 3],
    /// Empty where they were not read.
    inspected: [Inspected; 3],
}

impl InspectedFolder {
    pub(super) fn listing(&self, which: Split) -> &Arc<Listing> {
        &self.listings[which as usize]
    }

    pub fn inspected(&self, which: Split) -> &Inspected {
        &self.inspected[which as usize]
    }

    pub(super) fn set_inspected(&mut self, which: Split, found: Inspected) {
        self.inspected[which as usize] = found;
    }

    /// Whether its pictures were read, and what cannot be is left out.
    pub fn is_inspected(&self) -> bool {
        self.inspected.iter().any(|part| !part.listed.is_empty())
    }
}

/// The pictures of each part; of validation and test only where they have a folder of their own.
struct Listings {
    train: Arc<Listing>,
    validation: Option<Arc<Listing>>,
    test: Option<Arc<Listing>>,
    /// SHA-256 over names and sizes.
    fingerprint: String,
}

impl Listings {
    fn new(
        layout: &PictureFolder,
        train: Vec<PictureFile>,
        validation: Option<Vec<PictureFile>>,
        test: Option<Vec<PictureFile>>,
    ) -> Self {
        // The parts go into one hash, so their order is part of the fingerprint: training, validation, test.
        let mut hash = Sha256::new();
        let mut listing = |folder: &SplitFolder, files: Vec<PictureFile>| {
            Arc::new(Listing::new(&folder.path, files, &mut hash))
        };
        let train = listing(&layout.train, train);
        let mut own = |folder: Option<&SplitFolder>, files: Option<Vec<PictureFile>>| {
            let (folder, files) = folder.zip(files)?;
            Some(listing(folder, files))
        };
        let validation = own(layout.validation.as_ref(), validation);
        let test = own(layout.test.as_ref(), test);
        Self {
            train,
            validation,
            test,
            fingerprint: format!("{:x}", hash.finalize()),
        }
    }

    /// The listing that each split draws its pictures from, in the order of [`Split::ALL`].
    fn of_splits(&self) -> [Arc<Listing>; 3] {
        let or_train = |own: Option<&Arc<Listing>>| Arc::clone(own.unwrap_or(&self.train));
        [
            Arc::clone(&self.train),
            or_train(self.validation.as_ref()),
            or_train(self.test.as_ref()),
        ]
    }
}

/// Lists the folder of an experiment and divides it. No image is read.
pub(super) fn list(
    experiment: &Experiment,
    wanted: &ImageFolder,
    preparation: &Preparation,
    device: Device,
) -> Result<Splits> {
    let rule = wanted.split_rule();
    let refused = |unusable: Unusable| UserError::input(unusable.error, unusable.help);
    let layout = PictureFolder::open(&wanted.path, rule).map_err(refused)?;
    let pictures::Listing {
        train,
        validation,
        test,
        unused,
    } = layout.list().map_err(refused)?;
    let own = Listings::new(&layout, train, validation, test);
    let draw = Draw {
        experiment,
        wanted,
        train: &own.train,
    };
    let [train, validation, test] = draw.members(own.validation.as_deref(), own.test.as_deref())?;
    let listings = own.of_splits();
    let decoding = Decoding::new(preparation, wanted.strict, None)?;
    let source = |listing: &Arc<Listing>| -> Rc<dyn Source> {
        Rc::new(Folder::new(Arc::clone(listing), decoding.clone(), device))
    };
    let train_source = source(&own.train);
    let subset = |split: Split, members: Vec<u32>| {
        let listing = &listings[split as usize];
        Subset {
            // Splits of one folder share its source, and so its decoding threads.
            source: if Arc::ptr_eq(listing, &own.train) {
                Rc::clone(&train_source)
            } else {
                source(listing)
            },
            members: draw.limited(members, split, listing),
        }
    };
    let train = subset(Split::Train, train);
    let names = |name: fn(&Class) -> String| layout.classes.iter().map(name).collect::<Vec<_>>();
    let shown = names(|class| class.name.clone());
    Ok(Splits {
        labels: run::Labels {
            train_images: images_by_class(&own.train.labels(), &train.members, shown.len()),
            names: names(Class::exact),
        },
        train,
        validation: subset(Split::Validation, validation),
        test: subset(Split::Test, test),
        names: [shown, Vec::new()],
        fingerprint: own.fingerprint,
        folder: Some(InspectedFolder {
            rule,
            layout,
            unused,
            decoding,
            listings,
            inspected: <[Inspected; 3]>::default(),
        }),
    })
}

/// A split that is drawn from the training images where it has no folder of its own.
#[derive(Debug, Clone, Copy)]
enum HeldOut {
    Validation,
    Test,
}

impl HeldOut {
    fn split(self) -> Split {
        match self {
            Self::Validation => Split::Validation,
            Self::Test => Split::Test,
        }
    }
}

/// Which images of a folder are in which split, as its experiment's seed and limits decide.
struct Draw<'a> {
    experiment: &'a Experiment,
    wanted: &'a ImageFolder,
    train: &'a Listing,
}

impl Draw<'_> {
    /// The members of training, validation and test: all of the split's own listing, or a share of the training images.
    fn members(
        &self,
        validation: Option<&Listing>,
        test: Option<&Listing>,
    ) -> Result<[Vec<u32>; 3]> {
        let all = |listing: &Listing| -> Result<Vec<u32>> {
            Ok((0..u32::try_from(listing.len())?).collect())
        };
        let train = all(self.train)?;
        let (train, test) = if let Some(test) = test {
            (train, all(test)?)
        } else {
            self.divide(train, HeldOut::Test, self.wanted.test_share())
        };
        let (train, validation) = if let Some(validation) = validation {
            (train, all(validation)?)
        } else {
            let share = self.experiment.dataset.validation;
            self.divide(train, HeldOut::Validation, share)
        };
        Ok([train, validation, test])
    }

    /// What stays of the training images, and about `share` of them for the held-out split.
    fn divide(&self, members: Vec<u32>, held_out: HeldOut, share: f64) -> (Vec<u32>, Vec<u32>) {
        let seed = self.experiment.seed;
        match self.wanted.split_rule() {
            SplitRule::ByOrder => {
                let seed = match held_out {
                    HeldOut::Test => derive(seed, "test", 0, 0),
                    HeldOut::Validation => seed,
                };
                divide_by_class(&self.train.labels(), &members, share, seed)
            }
            SplitRule::ByName => members.into_iter().partition(|member| {
                let name = self.train.name(*member);
                policy::name_fraction(name, held_out.split().as_str(), seed) >= share
            }),
        }
    }

    /// At most as many of the members as the experiment allows.
    fn limited(&self, members: Vec<u32>, split: Split, listing: &Listing) -> Vec<u32> {
        let Some(limit) = self.experiment.dataset.limit else {
            return members;
        };
        let (limit, seed) = (limit as usize, self.experiment.seed);
        let purpose = match split {
            Split::Train => "limit",
            Split::Validation => "limit validation",
            Split::Test => "limit test",
        };
        match self.wanted.split_rule() {
            SplitRule::ByOrder => random_subset(members, limit, derive(seed, purpose, 0, 0)),
            SplitRule::ByName => lowest_by_hash(members, limit, listing, purpose, seed),
        }
    }
}

/// So many of the members, those with the lowest hashes of their names, in their order: a picture more or less replaces one of them
/// at most.
fn lowest_by_hash(
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
fn divide_by_class(labels: &[u32], members: &[u32], share: f64, seed: u64) -> (Vec<u32>, Vec<u32>) {
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
fn random_subset(mut members: Vec<u32>, limit: usize, seed: u64) -> Vec<u32> {
    SplitMix64::new(seed).shuffle(&mut members);
    members.truncate(limit);
    members.sort_unstable();
    members
}
