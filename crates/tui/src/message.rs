//! Everything that can happen to the dashboard.

use std::collections::HashMap;
use std::path::PathBuf;

use ratatui::layout::Size;
use tui_input::InputRequest;
use warmstart_runs::places::MissingFile;
use warmstart_runs::run::RunId;
use warmstart_schema::prediction::Predictions;

use super::command::Command;
use super::effect::Undo;
use super::machine::Machine;
use super::mouse::Pointed;
use warmstart_runs::failure::Failure;
use warmstart_runs::store::{Change, ExperimentFile, Run};
use warmstart_runs::worker::DatasetResponse;

/// Something happened.
#[derive(Debug)]
pub enum Message {
    /// A key was pressed that means this here.
    Command(Command),
    /// A key was pressed while a text is being typed.
    Edit(InputRequest),
    /// A text was pasted while one is being typed.
    Paste(String),
    /// The mouse did something to what lies there.
    Pointed(Pointed),
    Resized(Size),
    /// The run folders changed, as seen at a time in seconds since the Unix epoch.
    Changes {
        now: f64,
        changes: Vec<Change>,
    },
    /// The experiment files as they are now, and what this machine lacks for each.
    Experiments(Catalogue),
    /// A run could not be resumed, because its checkpoints are gone: why.
    Gone {
        run: Box<Run>,
        why: String,
    },
    /// The last lines of a worker's own output.
    WorkerLog {
        id: RunId,
        lines: Vec<String>,
    },
    /// Something was done that can be taken back.
    Done {
        undo: Option<Undo>,
        changes: Vec<Change>,
        report: Report,
    },
    /// What the machine has and what uses it.
    Machine(Box<Machine>),
    /// A worker that shows a dataset said something.
    Look {
        ticket: u64,
        heard: DatasetResponse,
    },
    /// What a run sees in a picture.
    Predicted {
        ticket: u64,
        result: Result<Predictions, Failure>,
    },
    /// How a typed path goes on, and its candidates where there are several.
    Completed {
        typed: String,
        longer: String,
        candidates: Vec<String>,
    },
    /// An experiment file whose field shall change, as it was read.
    ExperimentRead {
        path: PathBuf,
        text: Result<String, String>,
    },
    /// An experiment file was written.
    ExperimentWritten {
        path: PathBuf,
        report: Report,
    },
    /// An effect came to its end.
    Report(Report),
    /// How far a long effect is; nothing once it is over.
    Activity(Option<Activity>),
    /// Time passed while something runs.
    Clock(f64),
    /// The terminal is gone, or the system asks to leave.
    Leave,
    /// The screen must be drawn whole: another program may have written over it.
    Repaint,
}

/// What was read of the experiments folder.
#[derive(Debug, Default)]
pub struct Catalogue {
    pub files: Vec<ExperimentFile>,
    pub error: Option<String>,
    /// By file: the data or weights that this machine does not have.
    pub missing: HashMap<PathBuf, Vec<MissingFile>>,
}

/// A long effect at work.
#[derive(Debug, Clone, PartialEq)]
pub struct Activity {
    pub what: &'static str,
    /// Runs that are done, of how many.
    pub done: usize,
    pub total: usize,
    /// Since it began.
    pub seconds: f64,
}

impl Activity {
    /// From 0 to 1.
    pub fn share(&self) -> f64 {
        self.done as f64 / self.total.max(1) as f64
    }

    /// Seconds that the rest takes at the pace so far.
    pub fn left(&self) -> f64 {
        self.seconds * (1.0 / self.share() - 1.0)
    }
}

/// What became of something that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub good: bool,
    pub text: String,
}
