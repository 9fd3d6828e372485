//! Random changes of training images. A new operation is a field here, its range, its description, and a file in the engine.

use std::fmt;
use std::ops::RangeInclusive;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Random changes of training images, different in each epoch.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
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
}

impl Augment {
    /// Every operation at once, for tests of a device.
    pub const EVERY: Self = Self {
        rotation: 15.0,
        horizontal_flip: true,
        zoom: 0.1,
    };

    /// Whether training images stay unchanged.
    pub fn is_identity(&self) -> bool {
        *self == Self::default()
    }

    /// Each number: its field, its value, the values that are allowed, and their description.
    pub(super) fn numbers(&self) -> Vec<(&'static str, f64, RangeInclusive<f64>, &'static str)> {
        let (degrees, share) = ("degrees from 0 to 180", "a share from 0 to 0.9");
        vec![
            ("augment.rotation", self.rotation, 0.0..=180.0, degrees),
            ("augment.zoom", self.zoom, 0.0..=0.9, share),
        ]
    }
}

impl fmt::Display for Augment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rotation = (self.rotation > 0.0).then(|| format!("±{}°", self.rotation));
        let flip = self.horizontal_flip.then(|| "flip".to_owned());
        let zoom = (self.zoom > 0.0).then(|| format!("zoom ±{:.0} %", self.zoom * 100.0));
        let changes: Vec<String> = [rotation, flip, zoom].into_iter().flatten().collect();
        f.write_str(&changes.join(", "))
    }
}
