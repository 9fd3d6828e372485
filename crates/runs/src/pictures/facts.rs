//! How many images a folder has of each class, and how large they are, from names and headers alone.

use std::path::Path;

use warmstart_schema::experiment::SplitRule;

use super::{PictureFile, PictureFolder, Unusable};

/// From how many images to read the size, evenly over the folder.
const MOST_HEADERS: usize = 500;

/// What there is to train on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Names for screens, with the training images of each class; those that will be split off are among them.
    pub classes: Vec<(String, usize)>,
    pub own_validation: bool,
    pub own_test: bool,
    /// The median of the shorter sides in pixels, of the headers that were read; none if no header was.
    pub shorter_side: Option<u32>,
}

impl Facts {
    /// Of the folder at `root`.
    pub fn of(root: &Path) -> Result<Self, Unusable> {
        let folder = PictureFolder::open(root, SplitRule::ByName)?;
        let listing = folder.list()?;
        let mut classes: Vec<(String, usize)> = folder
            .classes
            .iter()
            .map(|class| (class.name.clone(), 0))
            .collect();
        for listed in &listing.train {
            classes[listed.class as usize].1 += 1;
        }
        Ok(Self {
            classes,
            own_validation: listing.validation.is_some(),
            own_test: listing.test.is_some(),
            shorter_side: shorter_side(&folder.train.path, &listing.train),
        })
    }

    /// Training images of all classes, with those that will be split off.
    pub fn images(&self) -> usize {
        self.classes.iter().map(|(_, count)| count).sum()
    }

    /// The classes with the fewest and the most images; none without a class.
    pub fn extremes(&self) -> Option<[&(String, usize); 2]> {
        let by_count = |class: &&(String, usize)| class.1;
        let least = self.classes.iter().min_by_key(by_count)?;
        let most = self.classes.iter().max_by_key(by_count)?;
        Some([least, most])
    }
}

fn shorter_side(root: &Path, images: &[PictureFile]) -> Option<u32> {
    let step = images.len().div_ceil(MOST_HEADERS).max(1);
    let sizes = images
        .iter()
        .step_by(step)
        .filter_map(|image| imagesize::size(root.join(&image.path)).ok());
    let mut sides: Vec<usize> = sizes.map(|size| size.width.min(size.height)).collect();
    sides.sort_unstable();
    let middle = sides.get(sides.len() / 2)?;
    u32::try_from(*middle).ok()
}
