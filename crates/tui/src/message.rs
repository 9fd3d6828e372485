//! Everything that can happen to the dashboard.

use std::collections::HashMap;
use std::path::PathBuf;

use ratatui::layout::Size;
use tui_input::InputRequest;
use warmstart_runs::run::RunId;
use warmstart_runs::search_paths::MissingFile;
use warmstart_schema::prediction::Predictions;

use super::command::Command;
use super::effect::Undo;
use super::machine::Machine;
use super::mouse::Pointed;
use warmstart_runs::failure::Failure;
use warmstart_runs::store::{Change, ExperimentFile, Run};
use warmstart_runs::worker::DatasetResponse;

/// An event.
#[derive(Debug)]
pub enum Message {
    /// The user pressed a key with this meaning.
    Command(Command),
    /// The user pressed a key in a text input.
    Edit(InputRequest),
    /// The user pasted into a text input.
    Paste(String),
    /// A mouse gesture on a hit box.
    Pointed(Pointed),
    Resized(Size),
    /// The run folders changed; `now` is the time of the reading in seconds since the Unix epoch.
    Changes {
        now: f64,
        changes: Vec<Change>,
    },
    /// The current experiment files, and what each lacks on this machine.
    Experiments(Catalogue),
    /// A run cannot be resumed because its checkpoints are missing; with the reason.
    Gone {
        run: Box<Run>,
        why: String,
    },
    /// The last lines of a worker's output.
    WorkerLog {
        id: RunId,
        lines: Vec<String>,
    },
    /// An effect is complete; `undo` takes it back, where that is possible.
    Done {
        undo: Option<Undo>,
        changes: Vec<Change>,
        report: Report,
    },
    /// A new reading of the machine.
    Machine(Box<Machine>),
    /// A response of the worker that shows a dataset.
    DatasetResponse {
        ticket: u64,
        response: DatasetResponse,
    },
    /// A run's prediction for an image.
    Predicted {
        ticket: u64,
        result: Result<Predictions, Failure>,
    },
    /// The completion of a typed path, and the candidates if there are several.
    Completed {
        typed: String,
        longer: String,
        candidates: Vec<String>,
    },
    /// The text of an experiment file to edit.
    ExperimentRead {
        path: PathBuf,
        text: Result<String, String>,
    },
    /// An experiment file was written.
    ExperimentWritten {
        path: PathBuf,
        report: Report,
    },
    /// An effect has a message for the status line.
    Report(Report),
    /// Progress of a long effect; `None` when it ends.
    Activity(Option<Activity>),
    /// Time passed while something runs.
    Clock(f64),
    /// The terminal is gone, or the system asks to leave.
    Leave,
    /// Draw the whole screen again: another program may have written over it.
    Repaint,
}

/// The content of the experiments folder.
#[derive(Debug, Default)]
pub struct Catalogue {
    pub files: Vec<ExperimentFile>,
    pub error: Option<String>,
    /// Missing data and weights, by file.
    pub missing: HashMap<PathBuf, Vec<MissingFile>>,
}

/// A long effect in progress.
#[derive(Debug, Clone, PartialEq)]
pub struct Activity {
    pub what: &'static str,
    /// Runs completed of `total`.
    pub done: usize,
    pub total: usize,
    /// Seconds since the start.
    pub seconds: f64,
}

impl Activity {
    /// Progress from 0 to 1.
    pub fn share(&self) -> f64 {
        self.done as f64 / self.total.max(1) as f64
    }

    /// Estimated seconds left; not finite before the first run is done.
    pub fn left(&self) -> f64 {
        self.seconds * (1.0 / self.share() - 1.0)
    }
}

/// The result of an effect, for the status line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub good: bool,
    pub text: String,
}
