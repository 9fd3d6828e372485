//! What the keys of the dataset screen mean.

/// The images of a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatasetCommand {
    /// Shows one image, a page of them, or the classes.
    View,
    /// Shows the next split: training, validation or test.
    Part,
    /// Asks for the number of an image.
    Number,
    Random,
    /// Shows the image as the next epoch of training sees it.
    Augment,
    AsItIs,
}
