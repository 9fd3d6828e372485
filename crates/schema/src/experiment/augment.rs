//! Random changes of training images.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Random changes of training images, different in each epoch. They happen in the order crops, rotation with mirroring and zoom,
/// colours, erasing.
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
        color_jitter: None,
        erasing: None,
    };

    /// Whether training images stay unchanged.
    pub fn is_identity(&self) -> bool {
        *self == Self::NONE
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
