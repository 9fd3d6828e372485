//! How images are preprocessed: by the experiment, or else by what the weights file states.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::catalog::Pretrained;
use crate::experiment::{Experiment, Interpolation};
use crate::text;

/// Sides that a weights file may ask for.
const SIDES: std::ops::RangeInclusive<u32> = 32..=1024;

/// Part of every checkpoint, so that a run keeps it. Checkpoints of earlier versions have none: [`Self::earlier`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Preparation {
    /// Side in pixels of the backbone's input.
    pub side: u32,
    pub interpolation: Interpolation,
    /// Share of the resized image's shorter side that is kept, around the centre.
    pub crop_pct: f64,
    pub order: Order,
    /// Of each channel of pixels in 0..1.
    pub mean: [f32; 3],
    pub std: [f32; 3],
    /// The source of mean and deviation.
    #[serde(deserialize_with = "text::read")]
    pub by: String,
}

/// The order of the two operations. For a square image that is kept whole both give the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Crop the largest centred square, then resize it.
    CropFirst,
    /// Resize the shorter side, then crop the centre at whole pixels, as torchvision and timm do.
    ResizeFirst,
}

/// What a weights file states about its training images; the rest is absent.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FileMetadata {
    pub mean: Option<[f32; 3]>,
    pub std: Option<[f32; 3]>,
    pub interpolation: Option<Interpolation>,
    pub crop_pct: Option<f64>,
    pub side: Option<u32>,
    /// The source of these statements.
    pub by: String,
}

impl FileMetadata {
    /// Removes impossible values.
    #[must_use]
    pub fn sound(self) -> Self {
        let is_good = |values: &[f32; 3]| values.iter().all(|value| value.is_finite());
        Self {
            mean: self.mean.filter(is_good),
            std: self
                .std
                .filter(|std| is_good(std) && std.iter().all(|&value| value > 0.0)),
            crop_pct: self.crop_pct.filter(|share| (0.1..=1.0).contains(share)),
            side: self.side.filter(|side| SIDES.contains(side)),
            ..self
        }
    }
}

impl From<&Preparation> for FileMetadata {
    fn from(preparation: &Preparation) -> Self {
        Self {
            mean: Some(preparation.mean),
            std: Some(preparation.std),
            interpolation: Some(preparation.interpolation),
            crop_pct: Some(preparation.crop_pct),
            side: Some(preparation.side),
            by: preparation.by.clone(),
        }
    }
}

impl Preparation {
    /// For a new run: the experiment wins over the weights file, which wins over the backbone's defaults.
    pub fn new(experiment: &Experiment, stated: &FileMetadata) -> Self {
        let usual = Self::earlier(experiment);
        let own = experiment.dataset.folder().is_some();
        let input = &experiment.input;
        let sizes = experiment.model.backbone.input_size();
        // Small images of a published dataset keep their size unless the experiment says otherwise.
        let side = stated.side.filter(|&side| own && sizes.takes(side));
        let is_resized = own || input.resize.is_some();
        let by = match (stated.mean, stated.std) {
            (Some(_), Some(_)) => stated.by.clone(),
            (None, None) => usual.by,
            (Some(_), None) | (None, Some(_)) => format!("{} and {}", stated.by, usual.by),
        };
        Self {
            side: input.resize.or(side).unwrap_or(usual.side),
            interpolation: input
                .interpolation
                .or(stated.interpolation.filter(|_| is_resized))
                .unwrap_or(usual.interpolation),
            crop_pct: stated.crop_pct.filter(|_| own).unwrap_or(usual.crop_pct),
            order: Order::ResizeFirst,
            mean: stated.mean.unwrap_or(usual.mean),
            std: stated.std.unwrap_or(usual.std),
            by,
        }
    }

    /// What earlier versions did, and the default.
    pub fn earlier(experiment: &Experiment) -> Self {
        let model = &experiment.model;
        let known = model
            .published()
            .unwrap_or_else(|| Pretrained::of(model.backbone));
        let own = experiment.dataset.folder().is_some();
        Self {
            side: experiment.pixels(),
            interpolation: if own {
                Interpolation::Bilinear
            } else {
                experiment.input.interpolation.unwrap_or_default()
            },
            crop_pct: 1.0,
            order: Order::CropFirst,
            mean: known.mean,
            std: known.std,
            by: format!("warmstart's table for {}", known.hub),
        }
    }
}

impl fmt::Display for Preparation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            side,
            crop_pct,
            mean,
            std,
            by,
            ..
        } = self;
        let list = |values: &[f32; 3]| values.map(|value| value.to_string()).join(", ");
        write!(f, "{side}×{side}, {}", self.interpolation.as_str())?;
        if *crop_pct < 1.0 {
            write!(f, ", crop_pct {crop_pct}")?;
        }
        write!(f, "; mean {}, std {} ({by})", list(mean), list(std))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::parse;

    fn experiment(dataset: &str, input: &str) -> Experiment {
        let yaml = format!(
            "name: x\ndataset: {dataset}\n{input}model: {{ backbone: tf_efficientnet_lite0, weights: imagenet }}\n\
             train: {{ epochs: 1, batch_size: 8, optimizer: {{ name: adam, learning_rate: 0.001 }} }}\n"
        );
        parse(&yaml, "x.yaml").unwrap()
    }

    fn stated() -> FileMetadata {
        FileMetadata {
            mean: Some([0.485, 0.456, 0.406]),
            std: Some([0.229, 0.224, 0.225]),
            interpolation: Some(Interpolation::Bicubic),
            crop_pct: Some(0.875),
            side: Some(240),
            by: "config.json".to_owned(),
        }
    }

    #[test]
    fn experiment_wins_over_weights_and_weights_over_defaults() {
        let own = "{ name: image_folder, path: pictures }";
        let facts = |dataset, input, stated: &FileMetadata| {
            let Preparation {
                side,
                interpolation,
                crop_pct,
                mean,
                ..
            } = Preparation::new(&experiment(dataset, input), stated);
            (side, interpolation, crop_pct, mean[0])
        };
        assert_eq!(
            facts(own, "", &stated()),
            (240, Interpolation::Bicubic, 0.875, 0.485)
        );
        assert_eq!(
            facts(own, "", &FileMetadata::default()),
            (224, Interpolation::Bilinear, 1.0, 0.5)
        );
        let said = "input: { resize: 96, interpolation: nearest }\n";
        assert_eq!(
            facts(own, said, &stated()),
            (96, Interpolation::Nearest, 0.875, 0.485)
        );
        // The images of a published dataset keep their size, and are resized without a crop.
        let emoji = "{ name: emoji98 }";
        assert_eq!(
            facts(emoji, "", &stated()),
            (32, Interpolation::Nearest, 1.0, 0.485)
        );
        assert_eq!(
            facts(emoji, "input: { resize: 96 }\n", &stated()),
            (96, Interpolation::Bicubic, 1.0, 0.485)
        );
        assert_eq!(
            facts(emoji, "input: { resize: 96 }\n", &FileMetadata::default()),
            (96, Interpolation::Nearest, 1.0, 0.5)
        );
    }

    #[test]
    fn the_defaults_are_those_of_the_chosen_weights() {
        let of = |weights: &str| {
            let yaml = format!(
                "name: x\ndataset: {{ name: emoji98 }}\n\
                 model: {{ backbone: efficientnet_b0, weights: {weights} }}\n\
                 train: {{ epochs: 1, batch_size: 8, \
                 optimizer: {{ name: adam, learning_rate: 0.001 }} }}\n"
            );
            let found = Preparation::earlier(&parse(&yaml, "x.yaml").unwrap());
            (found.mean, found.std, found.by)
        };
        let table = |name: &str| format!("warmstart's table for timm/efficientnet_b0.{name}");
        let (mean, std) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
        for weights in ["imagenet", "ra_in1k", "random", "mine.safetensors"] {
            assert_eq!(of(weights), (mean, std, table("ra_in1k")), "{weights}");
        }
        assert_eq!(
            of("ra4_e3600_r224_in1k"),
            ([0.5; 3], [0.5; 3], table("ra4_e3600_r224_in1k"))
        );
    }

    #[test]
    fn the_source_of_mean_and_deviation_is_named_for_both() {
        let experiment = experiment("{ name: emoji98 }", "");
        let table = Preparation::earlier(&experiment).by;
        let by = |stated: &FileMetadata| Preparation::new(&experiment, stated).by;
        assert_eq!(by(&FileMetadata::default()), table);
        assert_eq!(by(&stated()), stated().by);
        let only_deviation = FileMetadata {
            mean: None,
            ..stated()
        };
        let both = by(&only_deviation);
        assert!(
            both.contains(&stated().by) && both.contains(&table),
            "{both}"
        );
    }

    #[test]
    fn impossible_values_are_ignored() {
        let wrong = FileMetadata {
            mean: Some([f32::NAN; 3]),
            std: Some([0.0, 1.0, 1.0]),
            interpolation: None,
            crop_pct: Some(7.0),
            side: Some(1_000_000),
            by: String::new(),
        };
        assert_eq!(wrong.sound(), FileMetadata::default());
        assert_eq!(stated().sound(), stated());
    }

    #[test]
    fn preparation_survives_json() {
        let preparation = Preparation::new(&experiment("{ name: emoji98 }", ""), &stated());
        let json = serde_json::to_string(&preparation).unwrap();
        assert_eq!(
            serde_json::from_str::<Preparation>(&json).unwrap(),
            preparation
        );
    }
}
