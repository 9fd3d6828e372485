//! What `warmstart-worker predict` answers on its stdout, in JSON.

use serde::{Deserialize, Serialize};

use crate::look::Pixels;
use crate::run_id::RunId;
use crate::text;

/// The answer: a run's predictions for images, or why there are none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Answer {
    Predictions(Predictions),
    Refused {
        #[serde(deserialize_with = "text::read")]
        error: String,
        #[serde(deserialize_with = "text::read")]
        help: String,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Predictions {
    pub run: RunId,
    /// Epoch and step of the checkpoint that predicts.
    pub epoch: u32,
    pub step: u64,
    /// In the order of the request.
    pub images: Vec<Predicted>,
}

/// The prediction for one image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Predicted {
    /// Its path as it was given, not sanitized; or its split and number in the run's dataset.
    pub image: String,
    /// The most probable classes, best first; none for an unreadable image.
    pub classes: Vec<ClassProbability>,
    /// Why it is unreadable.
    #[serde(
        default,
        deserialize_with = "text::read",
        skip_serializing_if = "Option::is_none"
    )]
    pub error: Option<String>,
    /// The model's input, if requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pixels: Option<Pixels>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassProbability {
    /// Exactly as its folder or its publisher names it, not sanitized; [`Self::shown`] is for screens.
    pub name: String,
    pub probability: f64,
    /// Its name on screens, if that differs.
    #[serde(
        default,
        deserialize_with = "text::read",
        skip_serializing_if = "Option::is_none"
    )]
    pub label: Option<String>,
}

impl ClassProbability {
    /// Its name on screens.
    pub fn shown(&self) -> String {
        self.label
            .clone()
            .unwrap_or_else(|| text::line(&self.name, 80))
    }
}
