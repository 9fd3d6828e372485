//! What `update` wants done, as data: the executor does it.

use std::path::PathBuf;
use strum::IntoStaticStr;

use nix::sys::signal::Signal;
use warmstart_runs::queue::Move;
use warmstart_runs::run::RunId;
use warmstart_schema::annotation::{Annotation, BadTag, TagChange};
use warmstart_schema::look::Ask;

use super::machine::Workers;
use super::memory::Memory;
use warmstart_runs::store::{ExperimentFile, Run};
use warmstart_runs::trash::Trashed;
use warmstart_runs::worker::Subject;

#[derive(Debug, IntoStaticStr)]
#[expect(
    clippy::large_enum_variant,
    reason = "an effect is made once, moved once and gone"
)]
pub enum Effect {
    Launch(ExperimentFile),
    /// Takes a run up again, after it was changed by `FIELD=VALUE`s.
    Resume {
        run: Box<Run>,
        changes: Vec<String>,
    },
    /// Takes a run up from the beginning; what it has is kept.
    StartOver(Box<Run>),
    Queue(QueueChange),
    Stop {
        run: Box<Run>,
        now: bool,
    },
    /// Starts what waits and can start.
    Advance,
    /// Writes a new file into the current folder.
    Export {
        text: String,
        extension: &'static str,
    },
    /// Writes charts, given as SVG, as SVG and as PNG beside the exports.
    ExportCharts(String),
    ReadWorkerLog(RunId),
    /// Writes a run's log into a new file beside the exports: this, and all that its worker printed.
    SaveLog {
        id: RunId,
        text: String,
    },
    /// Reads what the machine has and what these workers use of it.
    ReadMachine(Workers),
    /// Hands a text to the terminal's clipboard.
    Copy(String),
    /// Rings the terminal's bell and hands it a text to show.
    Notice(String),
    Annotate {
        runs: Vec<RunId>,
        notation: Notation,
    },
    Delete(Vec<RunId>),
    TakeBack(Undo),
    /// Starts a worker that shows a dataset, in the place of an earlier one.
    Look {
        ticket: u64,
        album: DatasetSource,
    },
    AskDataset(Ask),
    EndLook,
    /// Asks a run about a picture.
    Predict {
        ticket: u64,
        run: RunId,
        subject: Subject,
    },
    /// Reads an experiment file of which a field shall change.
    ReadExperiment(PathBuf),
    /// Writes an experiment file, anew or in the place of what was read.
    WriteExperiment(Box<Writing>),
    /// Looks how a typed path goes on.
    CompletePath(String),
    /// Opens a file in the user's editor.
    Edit(PathBuf),
    /// The editor is closed: what the file is worth now.
    Edited {
        path: PathBuf,
        ended: Result<Ended, String>,
    },
    /// Writes down what was chosen on screen.
    Remember(Box<Memory>),
    /// Back to the shell until it brings the dashboard to the front again.
    Suspend,
    /// Draw everything anew.
    Repaint,
    Leave,
}

/// Something that can be taken back.
#[derive(Debug, Clone, PartialEq)]
pub enum Undo {
    Deleted(Vec<Trashed>),
    /// What was noted of these runs before.
    Annotated(Vec<(RunId, Annotation)>),
}

/// A change of what is noted of runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notation {
    Tags(Vec<TagChange>),
    Note(String),
    Archived(bool),
}

impl Notation {
    pub fn apply(&self, annotation: &mut Annotation) -> Result<(), BadTag> {
        match self {
            Self::Tags(changes) => changes
                .iter()
                .try_for_each(|change| annotation.change(change))?,
            Self::Note(note) => annotation.set_note(note),
            Self::Archived(archived) => annotation.archived = *archived,
        }
        Ok(())
    }

    pub fn past(&self) -> &'static str {
        match self {
            Self::Tags(_) => "tagged",
            Self::Note(_) => "noted",
            Self::Archived(true) => "archived; . shows archived runs, U undoes it",
            Self::Archived(false) => "no longer archived",
        }
    }
}

/// A change of the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueueChange {
    Move { run: RunId, to: Move },
    Remove { run: RunId, label: String },
    Pause,
    GoOn,
    Slots(u32),
}

/// What becomes of an experiment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Writing {
    /// The file that was read.
    pub source: PathBuf,
    /// What it said.
    pub before: String,
    pub text: String,
    /// The stem of a new file beside it; none to replace what it said.
    pub stem: Option<String>,
}

/// Whose dataset it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatasetSource {
    /// An experiment file's, as it is now.
    File(PathBuf),
    /// A run's, as it was when it was launched.
    Run(RunId),
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    Exited(i32),
    Killed(Signal),
}
