//! How the test looks at an image.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the test and predictions look at an image: by several views of it, whose logits are averaged, as with torchvision's
/// `TenCrop`. Validation, and so the best epoch, sees each image once, as it is. Exports hold the model alone.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Evaluate {
    /// Also look at each view mirrored left to right.
    #[serde(default, skip_serializing_if = "super::is_false")]
    pub flip: bool,
    /// Look at the four corners and the centre instead of the whole image, as torchvision's `FiveCrop`: the share of the image's
    /// side that each of them keeps. They are enlarged to the model's input. 0.875 is 224 of 256 pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub five_crops: Option<f64>,
}

impl Evaluate {
    /// The image as it is.
    pub const PLAIN: Self = Self {
        flip: false,
        five_crops: None,
    };

    /// How many views of an image there are.
    pub fn views(&self) -> u32 {
        (if self.five_crops.is_some() { 5 } else { 1 }) * (if self.flip { 2 } else { 1 })
    }

    pub(super) fn is_plain(&self) -> bool {
        *self == Self::PLAIN
    }
}

impl fmt::Display for Evaluate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.five_crops {
            Some(share) => write!(f, "five crops of {:.1} % of the side", share * 100.0)?,
            None => f.write_str("the image")?,
        }
        f.write_str(if self.flip { ", also mirrored" } else { "" })
    }
}
