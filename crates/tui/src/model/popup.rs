//! The popups.

use tui_input::Input;
use warmstart_runs::run::RunId;
use warmstart_schema::look::Pixels;
use warmstart_schema::prediction::ClassProbability;

use super::{Difference, Editor, Extension, Palette, PromptKind};
use crate::effect::Effect;

/// A popup in front of the screen.
#[derive(Debug)]
pub(crate) enum Popup {
    /// Asks for a text for these runs.
    Prompt {
        kind: PromptKind,
        runs: Vec<RunId>,
        input: Input,
    },
    /// Shows and hides columns.
    Columns {
        chosen: usize,
    },
    /// Asks yes or no; `yes` runs the effects.
    Question {
        lines: Vec<String>,
        effects: Vec<Effect>,
    },
    Export {
        chosen: usize,
    },
    Help {
        down: usize,
    },
    Text {
        title: String,
        lines: Vec<String>,
        down: usize,
    },
    /// Asks for a number, a path or a search text.
    Input(InputPrompt),
    Palette(Palette),
    /// Edits a field of an experiment file.
    Editor(Box<Editor>),
    /// Shows two experiments side by side.
    Difference(Difference),
    Prediction(Prediction),
}

/// An input of one line.
#[derive(Debug)]
pub(crate) enum InputPrompt {
    /// The number of an image.
    Number { input: Input },
    /// A path, and its completions.
    Path {
        purpose: PathPurpose,
        input: Input,
        candidates: Vec<String>,
    },
    /// A text to search the log for.
    Search { input: Input },
    /// The new number of epochs of a finished run, or its new patience.
    Extension(Extension),
}

/// What a typed path is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PathPurpose {
    /// An image, for a prediction of this run.
    Prediction(RunId),
    /// A folder of pictures, for a new experiment.
    NewExperiment,
}

impl InputPrompt {
    /// Asks for a path.
    pub(crate) fn path(purpose: PathPurpose) -> Self {
        Self::Path {
            purpose,
            input: Input::default(),
            candidates: Vec::new(),
        }
    }

    pub(crate) fn input(&self) -> &Input {
        match self {
            Self::Number { input }
            | Self::Search { input }
            | Self::Path { input, .. }
            | Self::Extension(Extension { input, .. }) => input,
        }
    }

    pub(crate) fn input_mut(&mut self) -> &mut Input {
        match self {
            Self::Number { input }
            | Self::Search { input }
            | Self::Path { input, .. }
            | Self::Extension(Extension { input, .. }) => input,
        }
    }
}

/// A run's prediction for an image.
#[derive(Debug)]
pub(crate) struct Prediction {
    /// The number of the request that it answers.
    pub ticket: u64,
    /// The label of the run's experiment.
    pub label: String,
    /// The image's title.
    pub title: String,
    /// The true class, if known.
    pub truth: Option<String>,
    pub seen: Seen,
}

#[derive(Debug)]
pub(crate) enum Seen {
    NotYet,
    /// The most probable classes from the checkpoint of `epoch`, best first, and the model's input.
    Classes {
        epoch: u32,
        classes: Vec<ClassProbability>,
        pixels: Option<Pixels>,
    },
    /// Why there is no prediction.
    Nothing(String),
}
