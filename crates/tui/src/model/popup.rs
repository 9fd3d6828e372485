//! What stands in front of a screen.

use tui_input::Input;
use warmstart_runs::run::RunId;
use warmstart_schema::look::Pixels;
use warmstart_schema::prediction::ClassProbability;

use super::{Asked, Difference, Editor, Extension, Palette};
use crate::effect::Effect;

/// What stands in front of the screen.
#[derive(Debug)]
pub enum Popup {
    /// A text is typed that these runs get.
    Prompt {
        asked: Asked,
        runs: Vec<RunId>,
        input: Input,
    },
    /// Which columns the list has.
    Columns {
        chosen: usize,
    },
    /// What would happen, and the effects that a yes has.
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
    /// Something is being typed.
    Inquiry(Inquiry),
    Palette(Palette),
    /// A value of an experiment file is typed.
    Editor(Box<Editor>),
    /// Two experiments side by side.
    Difference(Difference),
    Prediction(Prediction),
}

/// What is being typed.
#[derive(Debug)]
pub enum Inquiry {
    /// The number of a picture.
    Number { input: Input },
    /// The path of a picture, and how it could go on.
    File {
        run: RunId,
        input: Input,
        candidates: Vec<String>,
    },
    /// What the log is searched for.
    Search { input: Input },
    /// How far a run that is done shall go on.
    Extension(Extension),
}

impl Inquiry {
    pub fn input(&self) -> &Input {
        match self {
            Self::Number { input }
            | Self::Search { input }
            | Self::File { input, .. }
            | Self::Extension(Extension { input, .. }) => input,
        }
    }

    pub fn input_mut(&mut self) -> &mut Input {
        match self {
            Self::Number { input }
            | Self::Search { input }
            | Self::File { input, .. }
            | Self::Extension(Extension { input, .. }) => input,
        }
    }
}

/// What a run sees in a picture.
#[derive(Debug)]
pub struct Prediction {
    /// Which question it answers.
    pub ticket: u64,
    /// The run's experiment.
    pub label: String,
    /// The picture.
    pub title: String,
    /// The class that it is of, where that is known.
    pub truth: Option<String>,
    pub seen: Seen,
}

#[derive(Debug)]
pub enum Seen {
    NotYet,
    /// The most probable classes of the checkpoint of an epoch, the best first, and what it saw.
    Classes {
        epoch: u32,
        classes: Vec<ClassProbability>,
        pixels: Option<Pixels>,
    },
    /// Why there is no answer.
    Nothing(String),
}
