//! The images of a run by split, as `pictures.json` lists them. A later attempt recognizes the same set wherever it lies.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use warmstart_schema::experiment::SplitRule;
use warmstart_schema::look::Split;

/// The identity of an image's bytes: the first 128 bits of their SHA-256, in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Content(String);

impl Content {
    pub fn of(bytes: &[u8]) -> Self {
        let hash = format!("{:x}", Sha256::digest(bytes));
        Self(hash[..32].to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A readable image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Path relative to the folder of its split, the class first.
    pub name: String,
    pub content: Content,
    /// Its file's size and modification time, in nanoseconds, when it was read.
    pub bytes: u64,
    pub changed: i64,
}

/// `pictures.json`: the pictures of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sets {
    pub split: SplitRule,
    pub train: Vec<Kept>,
    pub validation: Vec<Kept>,
    pub test: Vec<Kept>,
}

/// How the images differ from those of an earlier attempt, by name within a split. An image that moves between training and
/// evaluation has crossed, and is neither removed nor added. One that moves between validation and test, or has another name,
/// is removed and added.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Moves {
    pub added: Vec<String>,
    pub removed: Vec<String>,
    /// Different images under a known name.
    pub replaced: Vec<String>,
    /// Images that moved between training and evaluation, by their new names.
    pub crossed: Vec<String>,
}

/// How many of a run's images another run trained on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Leak {
    pub validation: usize,
    pub test: usize,
}

impl Sets {
    pub fn part(&self, part: Split) -> &[Kept] {
        match part {
            Split::Train => &self.train,
            Split::Validation => &self.validation,
            Split::Test => &self.test,
        }
    }

    /// SHA-256 over class and bytes of every image of a split, independent of names and folders.
    pub fn fingerprint(&self, part: Split) -> String {
        let class = |name: &str| name.split('/').next().unwrap_or_default().to_owned();
        let mut all: Vec<(String, &str)> = self
            .part(part)
            .iter()
            .map(|kept| (class(&kept.name), kept.content.0.as_str()))
            .collect();
        all.sort_unstable();
        let mut hash = Sha256::new();
        for (class, content) in all {
            hash.update((class.len() as u64).to_le_bytes());
            hash.update(class);
            hash.update(content);
        }
        format!("{:x}", hash.finalize())
    }

    /// The differences from an earlier attempt's images.
    pub fn since(&self, before: &Self) -> Moves {
        let by_name = |sets: &Self| -> BTreeMap<(String, Split), Content> {
            let of = |part: Split| {
                sets.part(part)
                    .iter()
                    .map(move |kept| ((kept.name.clone(), part), kept.content.clone()))
            };
            Split::ALL.into_iter().flat_map(of).collect()
        };
        let (now, then) = (by_name(self), by_name(before));
        // On which sides, training or evaluation, the same bytes were, under any name.
        let mut sides: HashMap<&Content, [bool; 2]> = HashMap::new();
        for ((_, part), content) in &then {
            sides.entry(content).or_default()[usize::from(*part == Split::Train)] = true;
        }
        let has_crossed = |part: Split, content: &Content| {
            let is_train = usize::from(part == Split::Train);
            sides
                .get(content)
                .is_some_and(|were| were[1 - is_train] && !were[is_train])
        };
        let mut moves = Moves::default();
        let mut crossed: HashSet<&Content> = HashSet::new();
        for ((name, part), content) in &now {
            let is_crossed = has_crossed(*part, content);
            if is_crossed {
                moves.crossed.push(name.clone());
                crossed.insert(content);
            }
            match then.get(&(name.clone(), *part)) {
                None if is_crossed => {}
                None => moves.added.push(name.clone()),
                Some(before) if before != content => moves.replaced.push(name.clone()),
                Some(_) => {}
            }
        }
        moves.removed = then
            .iter()
            .filter(|(key, content)| !now.contains_key(*key) && !crossed.contains(content))
            .map(|((name, _), _)| name.clone())
            .collect();
        moves
    }

    /// How many of this run's validation and test images are among those that another run trained on.
    pub fn learnt_by(&self, other: &Self) -> Leak {
        let theirs: HashSet<&Content> = other.train.iter().map(|kept| &kept.content).collect();
        let count = |part: &[Kept]| {
            part.iter()
                .filter(|kept| theirs.contains(&kept.content))
                .count()
        };
        Leak {
            validation: count(&self.validation),
            test: count(&self.test),
        }
    }
}

impl Moves {
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}
