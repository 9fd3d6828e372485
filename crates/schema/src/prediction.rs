//! What `warmstart-worker predict` answers on its stdout, in JSON.

use serde::{Deserialize, Serialize};

use crate::look::Pixels;
use crate::run_id::RunId;
use crate::text;

/// The answer: what a run says about pictures, or why it cannot.
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
    /// Of the checkpoint that was asked.
    pub epoch: u32,
    pub step: u64,
    /// In the order asked for.
    pub images: Vec<Predicted>,
}

/// One picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Predicted {
    /// Its path, as text, exactly; or its part and number in the run's dataset.
    pub image: String,
    /// The most probable classes, the best first; none of a picture that cannot be read.
    pub classes: Vec<ClassProbability>,
    /// Why it cannot be read.
    #[serde(
        default,
        deserialize_with = "text::read",
        skip_serializing_if = "Option::is_none"
    )]
    pub error: Option<String>,
    /// What the model saw, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pixels: Option<Pixels>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassProbability {
    /// Exactly as its folder or its publisher calls it.
    pub name: String,
    pub probability: f64,
    /// What it is called on screens, where that is something else.
    #[serde(
        default,
        deserialize_with = "text::read",
        skip_serializing_if = "Option::is_none"
    )]
    pub label: Option<String>,
}

impl ClassProbability {
    /// What it is called on screens.
    pub fn shown(&self) -> String {
        self.label
            .clone()
            .unwrap_or_else(|| text::line(&self.name, 80))
    }
}
