//! Folders of one's own pictures: where their parts lie and which classes they hold, without opening a picture.

mod by_order;
mod folder;
mod layout;
mod names;
mod sets;
mod unused;
mod walk;

use std::path::Path;

pub use self::folder::{Class, Listed, PartFolder, PictureFolder, Unusable};
pub use self::names::{ENDINGS, READ, is_picture, listed};
pub use self::sets::{Content, Kept, Leak, Moves, Sets};
pub use self::unused::Unused;
use warmstart_schema::experiment::SplitRule;

/// From so many times as many pictures in the largest class as in the smallest on, rare classes are easily never predicted.
pub const UNEVEN: f64 = 20.0;

/// Every picture of a folder: class by class, within a class by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    pub train: Vec<Listed>,
    pub validation: Option<Vec<Listed>>,
    pub test: Option<Vec<Listed>>,
    /// What else lies below the folder.
    pub unused: Unused,
}

impl PictureFolder {
    /// Looks at folders and names alone, and of each class only for its first picture. A run that splits by order reads its
    /// folder as the version did that began it.
    pub fn open(root: &Path, rule: SplitRule) -> Result<Self, Unusable> {
        match rule {
            SplitRule::ByName => layout::open(root),
            SplitRule::ByOrder => by_order::open(root),
        }
    }

    /// Every picture by name, and what is not used.
    pub fn list(&self) -> Result<Listing, Unusable> {
        let list = |part: &PartFolder| match self.rule {
            SplitRule::ByName => layout::list(part),
            SplitRule::ByOrder => by_order::list(part),
        };
        Ok(Listing {
            train: list(&self.train)?,
            validation: self.validation.as_ref().map(list).transpose()?,
            test: self.test.as_ref().map(list).transpose()?,
            unused: match self.rule {
                SplitRule::ByName => unused::below(self)?,
                SplitRule::ByOrder => Unused::default(),
            },
        })
    }
}

#[cfg(test)]
mod tests;
