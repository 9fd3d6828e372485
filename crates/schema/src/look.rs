//! The protocol of `warmstart-worker look`, one JSON object a line. The worker first describes the dataset, then answers each
//! request on its standard input in order, and exits at the end of its input.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::experiment::{Augment, Labels, Sampler};
use crate::text;

/// The most images of one request.
pub const MOST_PICTURES: usize = 64;
/// Longest side, in pixels, of an image in an answer; larger images are scaled down.
pub const MOST_SIDE: u32 = 112;

/// A split of a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    Train,
    Validation,
    Test,
}

impl Split {
    pub const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }

    /// As an adjective of its images.
    pub fn adjective(self) -> &'static str {
        match self {
            Self::Train => "training",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

/// An image by its position in its split, from 0: as it is, or as training sees it in an epoch, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Wanted {
    pub position: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u32>,
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Ask {
    /// These images, at most [`MOST_PICTURES`].
    Pictures { part: Split, wanted: Vec<Wanted> },
    /// The position of the image with this number in the publisher's or the folder's count. It may be in this split, or in
    /// another one that was split off from the same images.
    Number { part: Split, number: u32 },
}

/// A response of the worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "says", rename_all = "snake_case")]
pub enum Answer {
    Opened(Facts),
    Pictures {
        part: Split,
        pictures: Vec<Picture>,
    },
    Found {
        part: Split,
        position: u32,
    },
    /// This request has no answer.
    NotThere {
        #[serde(deserialize_with = "text::read")]
        error: String,
    },
    /// The dataset cannot be shown, and the worker exits.
    Refused {
        #[serde(deserialize_with = "text::read")]
        error: String,
        #[serde(deserialize_with = "text::read")]
        help: String,
    },
}

/// A description of the dataset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    #[serde(deserialize_with = "text::read")]
    pub dataset: String,
    /// Which of the labels the model learns.
    pub labels: Labels,
    /// Names of those classes, by number.
    #[serde(deserialize_with = "text::read")]
    pub classes: Vec<String>,
    pub train: SplitFacts,
    pub validation: SplitFacts,
    pub test: SplitFacts,
    pub augment: Box<Augment>,
    /// Remarks and skipped files.
    #[serde(
        default,
        deserialize_with = "text::read",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub notes: Vec<String>,
    /// Weight of an image of each class in training, if the weights differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_weights: Option<Vec<f32>>,
    /// How epochs draw the training images, if they do not visit each once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampler: Option<Sampler>,
}

impl Facts {
    pub fn part(&self, part: Split) -> &SplitFacts {
        match part {
            Split::Train => &self.train,
            Split::Validation => &self.validation,
            Split::Test => &self.test,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitFacts {
    /// With the unreadable ones, which come last.
    pub images: u32,
    /// Number of images of each class; for a folder, of the readable ones.
    pub by_class: Vec<u32>,
}

/// An image, or why there are no pixels of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Picture {
    #[serde(flatten)]
    pub wanted: Wanted,
    /// The publisher's or the folder's number.
    pub number: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fine: Option<Label>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coarse: Option<Label>,
    /// Its file, as text, if it has one.
    #[serde(
        default,
        deserialize_with = "text::read",
        skip_serializing_if = "Option::is_none"
    )]
    pub file: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pixels: Option<Pixels>,
    /// Why there are no pixels: the file is unreadable, or the epoch does not use the image.
    #[serde(
        default,
        deserialize_with = "text::read",
        skip_serializing_if = "Option::is_none"
    )]
    pub error: Option<String>,
}

impl Picture {
    /// Its labels, the coarse one first, each with its kind in words.
    pub fn labels(&self) -> impl Iterator<Item = (&'static str, &Label)> {
        let fine = if self.coarse.is_some() {
            "fine class"
        } else {
            "class"
        };
        let labels = [("coarse class", &self.coarse), (fine, &self.fine)];
        labels
            .into_iter()
            .filter_map(|(kind, label)| Some((kind, label.as_ref()?)))
    }
}

/// A class of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    pub number: u32,
    #[serde(deserialize_with = "text::read")]
    pub name: String,
    /// Exactly as its folder or its publisher names it, if that differs; for machines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exact: Option<String>,
}

/// A square of RGB bytes, row by row; in JSON as base64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Encoded", into = "Encoded")]
pub struct Pixels {
    side: u32,
    rgb: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct Encoded {
    side: u32,
    rgb: String,
}

impl Pixels {
    /// `None` if there are not `side`·`side` times three bytes, or none at all.
    pub fn new(side: u32, rgb: Vec<u8>) -> Option<Self> {
        let expected = usize::try_from(side).ok()?.checked_pow(2)?.checked_mul(3)?;
        (side > 0 && rgb.len() == expected).then_some(Self { side, rgb })
    }

    /// Height and width in pixels; never 0.
    pub fn side(&self) -> u32 {
        self.side
    }

    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }
}

impl TryFrom<Encoded> for Pixels {
    type Error = String;

    fn try_from(encoded: Encoded) -> Result<Self, String> {
        let Encoded { side, rgb } = encoded;
        let rgb = STANDARD
            .decode(rgb)
            .map_err(|error| format!("pixels are no base64: {error}"))?;
        let found = rgb.len();
        Self::new(side, rgb).ok_or_else(|| {
            format!("expected {side}×{side} pixels of three bytes, found {found} bytes")
        })
    }
}

impl From<Pixels> for Encoded {
    fn from(pixels: Pixels) -> Self {
        Self {
            side: pixels.side,
            rgb: STANDARD.encode(pixels.rgb),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_survive_json_and_wrong_sizes_are_refused() {
        let pixels = Pixels::new(2, (0..12).collect()).unwrap();
        let json = serde_json::to_string(&pixels).unwrap();
        assert_eq!(json, r#"{"side":2,"rgb":"AAECAwQFBgcICQoL"}"#);
        assert_eq!(serde_json::from_str::<Pixels>(&json).unwrap(), pixels);
        for (bad, sign) in [
            (r#"{"side":2,"rgb":"AAEC"}"#, "found 3 bytes"),
            (r#"{"side":0,"rgb":""}"#, "0×0"),
            (
                r#"{"side":4294967295,"rgb":"AAEC"}"#,
                "4294967295×4294967295",
            ),
            (r#"{"side":2,"rgb":"!"}"#, "base64"),
        ] {
            let error = serde_json::from_str::<Pixels>(bad).unwrap_err().to_string();
            assert!(error.contains(sign), "{error}");
        }
    }

    #[test]
    fn requests_and_responses_are_flat_lines() {
        let ask = Ask::Pictures {
            part: Split::Train,
            wanted: vec![
                Wanted {
                    position: 3,
                    epoch: None,
                },
                Wanted {
                    position: 3,
                    epoch: Some(2),
                },
            ],
        };
        let line = r#"{"ask":"pictures","part":"train","wanted":[{"position":3},{"position":3,"epoch":2}]}"#;
        assert_eq!(serde_json::to_string(&ask).unwrap(), line);
        let answer = r#"{"says":"pictures","part":"test","pictures":[{"position":1,"number":7,"error":"is empty"}]}"#;
        let Answer::Pictures { pictures, .. } = serde_json::from_str(answer).unwrap() else {
            panic!("another answer")
        };
        assert_eq!(
            (
                pictures[0].wanted.position,
                pictures[0].number,
                pictures[0].wanted.epoch
            ),
            (1, 7, None)
        );
    }
}
