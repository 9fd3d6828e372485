//! What an operation draws for each image.

use warmstart_schema::seed::SplitMix64;

/// The random stream of an operation for `images` images, the rows of a batch from `first` on.
pub(super) struct Draws {
    pub(super) random: SplitMix64,
    /// The first image's row in the batch, from 0.
    pub(super) first: usize,
    /// The number of images.
    pub(super) images: usize,
}

impl Draws {
    /// What `draw` draws for each image. Earlier rows draw too, so that a row has the same alone as in its batch.
    pub(super) fn of_each<T>(mut self, mut draw: impl FnMut(&mut SplitMix64) -> T) -> Vec<T> {
        let rows = 0..self.first + self.images;
        let all = rows.map(|_| draw(&mut self.random));
        all.skip(self.first).collect()
    }
}
