//! The splits of an image folder: folders of their own where it has them, otherwise drawn from the training images.

use std::rc::Rc;
use std::sync::Arc;

use anyhow::Result;
use sha2::{Digest, Sha256};
use tch::Device;
use warmstart_runs::pictures::{Class, Listed, PartFolder, PictureFolder, Unusable, Unused};
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

/// Share of a folder's pictures that become the test set where it has none.
pub(super) const TEST: f64 = 0.2;

/// An image folder as it was listed, and after its images were read.
#[derive(Debug)]
pub struct FolderSplits {
    pub rule: SplitRule,
    pub layout: PictureFolder,
    pub unused: Unused,
    pub(super) decoding: Decoding,
    listings: [Arc<Listing>; 3],
    /// Empty where they were not read.
    inspected: [Inspected; 3],
}

impl FolderSplits {
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
    let found = layout.list().map_err(refused)?;
    let mut hash = Sha256::new();
    let train = Arc::new(Listing::new(&layout.train.path, found.train, &mut hash));
    let mut own = |folder: Option<&PartFolder>, files: Option<Vec<Listed>>| {
        let (folder, files) = folder.zip(files)?;
        Some(Arc::new(Listing::new(&folder.path, files, &mut hash)))
    };
    let validation = own(layout.validation.as_ref(), found.validation);
    let test = own(layout.test.as_ref(), found.test);

    let draw = Draw {
        experiment,
        wanted,
        train: &train,
    };
    let members = draw.members(validation.as_deref(), test.as_deref())?;
    let listings = [
        Arc::clone(&train),
        validation.unwrap_or(Arc::clone(&train)),
        test.unwrap_or(Arc::clone(&train)),
    ];
    let decoding = Decoding::new(preparation, wanted.strict, None)?;
    let source = |listing: &Arc<Listing>| -> Rc<dyn Source> {
        Rc::new(Folder::new(Arc::clone(listing), decoding.clone(), device))
    };
    let train_source = source(&train);
    // Splits of one folder share its source, and so its decoding threads.
    let source_of = |listing: &Arc<Listing>| {
        if Arc::ptr_eq(listing, &train) {
            Rc::clone(&train_source)
        } else {
            source(listing)
        }
    };
    let subset = |split: Split, members: Vec<u32>| {
        let listing = &listings[split as usize];
        Subset {
            source: source_of(listing),
            members: draw.limited(members, split, listing),
        }
    };
    let [train_members, validation_members, test_members] = members;
    let train_subset = subset(Split::Train, train_members);
    let names = |name: fn(&Class) -> String| layout.classes.iter().map(name).collect::<Vec<_>>();
    let shown = names(|class| class.name.clone());
    Ok(Splits {
        labels: run::Labels {
            train_images: images_by_class(&train.labels(), &train_subset.members, shown.len()),
            names: names(Class::exact),
        },
        train: train_subset,
        validation: subset(Split::Validation, validation_members),
        test: subset(Split::Test, test_members),
        names: [shown, Vec::new()],
        fingerprint: format!("{:x}", hash.finalize()),
        folder: Some(FolderSplits {
            rule,
            layout,
            unused: found.unused,
            decoding,
            listings,
            inspected: <[Inspected; 3]>::default(),
        }),
    })
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
            self.divide(train, Split::Test, self.wanted.test.unwrap_or(TEST))
        };
        let (train, validation) = if let Some(validation) = validation {
            (train, all(validation)?)
        } else {
            let share = self.experiment.dataset.validation;
            self.divide(train, Split::Validation, share)
        };
        Ok([train, validation, test])
    }

    /// What stays of the training images, and about `share` of them for `split`.
    fn divide(&self, members: Vec<u32>, split: Split, share: f64) -> (Vec<u32>, Vec<u32>) {
        let seed = self.experiment.seed;
        match self.wanted.split_rule() {
            SplitRule::ByOrder => {
                let seed = match split {
                    Split::Test => derive(seed, "test", 0, 0),
                    Split::Train | Split::Validation => seed,
                };
                divide_by_class(&self.train.labels(), &members, share, seed)
            }
            SplitRule::ByName => members.into_iter().partition(|member| {
                let name = self.train.name(*member);
                policy::name_fraction(name, split.as_str(), seed) >= share
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
            SplitRule::ByOrder => some(members, limit, derive(seed, purpose, 0, 0)),
            SplitRule::ByName => first_by_name(members, limit, listing, purpose, seed),
        }
    }
}

/// So many of the members, drawn by their names, in their order: another picture takes the place of one at most.
fn first_by_name(
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
fn some(mut members: Vec<u32>, limit: usize, seed: u64) -> Vec<u32> {
    SplitMix64::new(seed).shuffle(&mut members);
    members.truncate(limit);
    members.sort_unstable();
    members
}
