//! Reading every picture of a run once before it begins: what cannot be read is left out of all counts, plans and weights, and
//! what can is known by its content.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Result;
use rayon::prelude::*;
use warmstart_runs::pictures::{Content, Kept, Sets};
use warmstart_schema::experiment::SplitRule;
use warmstart_schema::look::Split;

use super::folder::{Decoding, Listing, decode};
use super::folder_splits::InspectedFolder;
use super::splits::{Splits, Subset, images_by_class};

/// Pictures between two reports of progress.
const STRIDE: usize = 256;

/// What reading the pictures of a part has brought.
#[derive(Debug, Default)]
pub struct Inspected {
    /// Those that can be read.
    pub kept: Vec<Kept>,
    /// Those that cannot, each with its file and the reason.
    pub unreadable: Vec<Unread>,
    /// How many files of each class there are, readable or not.
    pub listed: Vec<u32>,
    /// How many of each class can be read.
    pub read: Vec<u32>,
}

/// A picture that cannot be read.
#[derive(Debug)]
pub struct Unread {
    pub member: u32,
    pub class: u32,
    pub text: String,
}

/// Reads the pictures of all parts and leaves out those that cannot be read. What an earlier attempt could read and nobody wrote
/// to since is not read again. `each` gets the number of pictures that are done and the number of all, and returns whether to go
/// on. Returns `None` if it did not.
pub fn inspect(
    mut splits: Splits,
    before: Option<&Sets>,
    mut each: impl FnMut(usize, usize) -> bool,
) -> Result<Option<Splits>> {
    let Some(mut folder) = splits.folder.take() else {
        return Ok(Some(splits));
    };
    let total =
        splits.train.members.len() + splits.validation.members.len() + splits.test.members.len();
    let mut done = 0;
    let classes = splits.labels.names.len();
    for which in Split::ALL {
        let listing = Arc::clone(folder.listing(which));
        let known = before.map(|sets| known(sets, which)).unwrap_or_default();
        let part = part_mut(&mut splits, which);
        let mut found = Inspected::default();
        let labels = listing.labels();
        found.listed = images_by_class(&labels, &part.members, classes);
        let mut members = Vec::with_capacity(part.members.len());
        for some in part.members.chunks(STRIDE) {
            for (member, result) in read(&folder.decoding, &listing, some, &known) {
                match result {
                    Ok(kept) => {
                        members.push(member);
                        found.kept.push(kept);
                    }
                    Err(why) => {
                        let text = listing.describe(member, &why);
                        found.unreadable.push(Unread {
                            member,
                            class: labels[member as usize],
                            text,
                        });
                    }
                }
            }
            done += some.len();
            if !each(done, total) {
                return Ok(None);
            }
        }
        found.read = images_by_class(&labels, &members, classes);
        // A run of an earlier version counts unreadable pictures in its plan, and skips them while it trains.
        if folder.rule == SplitRule::ByName {
            part.members = members;
        }
        folder.set_inspected(which, found);
    }
    if folder.rule == SplitRule::ByName {
        splits
            .labels
            .train_images
            .clone_from(&folder.inspected(Split::Train).read);
    }
    splits.folder = Some(folder);
    Ok(Some(splits))
}

fn part_mut(splits: &mut Splits, which: Split) -> &mut Subset {
    match which {
        Split::Train => &mut splits.train,
        Split::Validation => &mut splits.validation,
        Split::Test => &mut splits.test,
    }
}

fn known(sets: &Sets, which: Split) -> HashMap<&str, &Kept> {
    sets.part(which)
        .iter()
        .map(|kept| (kept.name.as_str(), kept))
        .collect()
}

fn read(
    decoding: &Decoding,
    listing: &Listing,
    members: &[u32],
    known: &HashMap<&str, &Kept>,
) -> Vec<(u32, Result<Kept, String>)> {
    let one = |&member: &u32| {
        let (name, stamp) = (listing.name(member), listing.stamp(member));
        let same = known
            .get(name)
            .filter(|kept| (kept.bytes, kept.changed) == (stamp.bytes, stamp.changed));
        let content: Result<Content, String> = match same {
            Some(kept) => Ok(kept.content.clone()),
            None => decode::check(&listing.path(member)).map_err(|error| format!("{error:#}")),
        };
        let kept = |content| Kept {
            name: name.to_owned(),
            content,
            bytes: stamp.bytes,
            changed: stamp.changed,
        };
        (member, content.map(kept))
    };
    decoding
        .pool
        .install(|| members.par_iter().map(one).collect())
}

impl InspectedFolder {
    /// What the pictures are, once they were read.
    pub fn sets(&self) -> Sets {
        let [train, validation, test] = Split::ALL.map(|which| self.inspected(which).kept.clone());
        Sets {
            split: self.rule,
            train,
            validation,
            test,
        }
    }
}
