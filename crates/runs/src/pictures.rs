//! The user's image folders: where their splits lie and which classes they have, without opening an image.

mod by_order;
mod facts;
mod folder;
mod layout;
mod names;
mod sets;
mod unused;
mod walk;

use std::path::Path;

pub use self::facts::Facts;
pub use self::folder::{Class, PictureFile, PictureFolder, SplitFolder, Unusable};
pub use self::names::{ENDINGS, READ, is_picture, listed};
pub use self::sets::{Content, Kept, Leak, Moves, Sets};
pub use self::unused::Unused;
use warmstart_schema::experiment::SplitRule;

/// If the largest class has this many times as many images as the smallest, a model easily never predicts rare classes.
pub const UNEVEN: f64 = 20.0;

/// Every image of a folder: class by class, within a class by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    pub train: Vec<PictureFile>,
    pub validation: Option<Vec<PictureFile>>,
    pub test: Option<Vec<PictureFile>>,
    /// Other files in the folder.
    pub unused: Unused,
}

impl PictureFolder {
    /// Looks only at folders and names, and in each class only for its first image. A run that splits by order reads its folder
    /// as the version that began it.
    pub fn open(root: &Path, rule: SplitRule) -> Result<Self, Unusable> {
        match rule {
            SplitRule::ByName => layout::open(root),
            SplitRule::ByOrder => by_order::open(root),
        }
    }

    /// Every image by name, and the unused files.
    pub fn list(&self) -> Result<Listing, Unusable> {
        let list = |part: &SplitFolder| match self.rule {
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
