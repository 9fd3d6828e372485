//! The datasets, by name.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A dataset, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DatasetName {
    /// Embedded: 3,812 emoji of 32×32 pixels in 98 fine and 9 coarse classes.
    Emoji98,
    /// Krizhevsky 2009: 60,000 photographs of 32×32 pixels in 100 fine and 20 coarse classes.
    Cifar100,
    /// Krizhevsky 2009: 60,000 photographs of 32×32 pixels in 10 classes.
    Cifar10,
    /// Your own folder: `train/<class>/…`, with or without `val/` and `test/`; or `<class>/…`.
    #[serde(rename = "image_folder")]
    ImageFolder,
}

/// Which of an image's two labels the model learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Labels {
    #[default]
    Fine,
    Coarse,
}
