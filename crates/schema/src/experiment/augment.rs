//! Random changes of training images. A new operation is a field here, its name in `Display`, its ranges in `validate/augment.rs`,
//! and a file in the engine.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Random changes of training images, different in each epoch. They happen in the order crops, rotation with mirroring and zoom,
/// `RandAugment`, colours, erasing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Augment {
    /// Rotate by up to this many degrees in either direction.
    #[serde(default)]
    pub rotation: f64,
    /// Mirror half of the images left to right.
    #[serde(default)]
    pub horizontal_flip: bool,
    /// Zoom in or out by up to this share.
    #[serde(default)]
    pub zoom: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resized_crop: Option<ResizedCrop>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub padding_crop: Option<PaddingCrop>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rand_augment: Option<RandAugment>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub color_jitter: Option<ColorJitter>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erasing: Option<Erasing>,
}

/// Cut out a random rectangle and enlarge it to the image's size, as torchvision's `RandomResizedCrop` does. `{}` takes its defaults.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResizedCrop {
    /// The smallest share of the image's area.
    #[serde(default = "crop_min_area")]
    pub min_area: f64,
    /// The largest share of the image's area.
    #[serde(default = "crop_max_area")]
    pub max_area: f64,
    /// The rectangle is at most this many times wider than high, or higher than wide.
    #[serde(default = "crop_max_aspect")]
    pub max_aspect: f64,
}

/// Pad the image on all sides, then cut out its size at a random place.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PaddingCrop {
    /// Width of the padding. Images of 32 pixels usually take 4.
    pub pixels: u32,
    #[serde(default)]
    pub fill: PaddingFill,
}

/// What padding shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PaddingFill {
    /// Black.
    #[default]
    Zeros,
    /// The image mirrored at its border.
    Reflect,
}

/// A few random changes of each image out of fifteen, as timm's `rand-m9-mstd0.5-inc1` makes them: rotation, shear, translation,
/// colours, contrast, brightness, sharpness and more. `{}` takes its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RandAugment {
    /// How strong the changes are on average, up to 10: timm's `m`.
    #[serde(default = "rand_magnitude")]
    pub magnitude: f64,
    /// Standard deviation of the magnitude from one change to another: timm's `mstd`.
    #[serde(default = "half")]
    pub deviation: f64,
    /// How many changes are drawn for an image: timm's `n`.
    #[serde(default = "rand_operations")]
    pub operations: u32,
    /// Share of the drawn changes that happen: timm's `p`.
    #[serde(default = "half")]
    pub probability: f64,
}

impl Default for RandAugment {
    fn default() -> Self {
        Self {
            magnitude: rand_magnitude(),
            deviation: half(),
            operations: rand_operations(),
            probability: half(),
        }
    }
}

/// Change brightness, contrast, saturation and hue, in random order, as torchvision's `ColorJitter` does.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ColorJitter {
    /// Multiply the brightness by 1 plus or minus up to this.
    #[serde(default)]
    pub brightness: f64,
    /// Multiply the contrast by 1 plus or minus up to this.
    #[serde(default)]
    pub contrast: f64,
    /// Multiply the saturation by 1 plus or minus up to this.
    #[serde(default)]
    pub saturation: f64,
    /// Turn the hue by up to this share of a full turn in either direction.
    #[serde(default)]
    pub hue: f64,
}

/// Erase a random rectangle of some images, as timm does. `{}` takes the defaults.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Erasing {
    /// Share of the images that lose a rectangle.
    #[serde(default = "erasing_probability")]
    pub probability: f64,
    /// The smallest share of the image's area.
    #[serde(default = "erasing_min_area")]
    pub min_area: f64,
    /// The largest share of the image's area.
    #[serde(default = "erasing_max_area")]
    pub max_area: f64,
    /// The rectangle is at most this many times wider than high, or higher than wide.
    #[serde(default = "erasing_max_aspect")]
    pub max_aspect: f64,
    #[serde(default)]
    pub fill: ErasingFill,
}

/// What an erased rectangle shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ErasingFill {
    /// The mean colour of `ImageNet`, which most backbones see as 0.
    #[default]
    Mean,
    Black,
}

impl Augment {
    /// No change at all.
    pub const NONE: Self = Self {
        rotation: 0.0,
        horizontal_flip: false,
        zoom: 0.0,
        resized_crop: None,
        padding_crop: None,
        rand_augment: None,
        color_jitter: None,
        erasing: None,
    };

    /// Every operation that runs on the device, all at once: for tests.
    pub const EVERY: Self = Self {
        rotation: 15.0,
        horizontal_flip: true,
        zoom: 0.1,
        resized_crop: Some(ResizedCrop {
            min_area: 0.3,
            max_area: 1.0,
            max_aspect: 1.5,
        }),
        padding_crop: Some(PaddingCrop {
            pixels: 2,
            fill: PaddingFill::Reflect,
        }),
        rand_augment: None,
        color_jitter: Some(ColorJitter {
            brightness: 0.2,
            contrast: 0.2,
            saturation: 0.2,
            hue: 0.1,
        }),
        erasing: Some(Erasing {
            probability: 0.5,
            min_area: 0.02,
            max_area: 0.3,
            max_aspect: 3.0,
            fill: ErasingFill::Mean,
        }),
    };

    /// Whether training images stay unchanged.
    pub fn is_identity(&self) -> bool {
        *self == Self::NONE
    }
}

impl fmt::Display for Augment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = |is_on: bool, name: &str| is_on.then(|| name.to_owned());
        // In hundredths of a percent, so that a small zoom does not read as none.
        let percent = (self.zoom * 10_000.0).round() / 100.0;
        let changes = [
            named(self.resized_crop.is_some(), "resized crop"),
            named(self.padding_crop.is_some(), "padding crop"),
            (self.rotation > 0.0).then(|| format!("±{}°", self.rotation)),
            named(self.horizontal_flip, "flip"),
            (self.zoom > 0.0).then(|| format!("zoom ±{percent} %")),
            named(self.rand_augment.is_some(), "RandAugment"),
            named(self.color_jitter.is_some(), "colour jitter"),
            named(self.erasing.is_some(), "erasing"),
        ];
        let changes: Vec<String> = changes.into_iter().flatten().collect();
        f.write_str(&changes.join(", "))
    }
}

impl Default for Augment {
    fn default() -> Self {
        Self::NONE
    }
}

fn crop_min_area() -> f64 {
    0.08
}

fn crop_max_area() -> f64 {
    1.0
}

fn crop_max_aspect() -> f64 {
    4.0 / 3.0
}

fn rand_magnitude() -> f64 {
    9.0
}

fn rand_operations() -> u32 {
    2
}

fn half() -> f64 {
    0.5
}

fn erasing_probability() -> f64 {
    0.25
}

fn erasing_min_area() -> f64 {
    0.02
}

fn erasing_max_area() -> f64 {
    1.0 / 3.0
}

fn erasing_max_aspect() -> f64 {
    1.0 / 0.3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zoom_is_described_as_it_was_written() {
        for (zoom, text) in [
            (0.1, "zoom ±10 %"),
            (0.29, "zoom ±29 %"),
            (0.125, "zoom ±12.5 %"),
            (0.004, "zoom ±0.4 %"),
            (0.0, ""),
        ] {
            let augment = Augment {
                zoom,
                ..Augment::NONE
            };
            assert_eq!(augment.to_string(), text);
        }
    }
}
