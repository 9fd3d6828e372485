//! The effects that `update` returns, as data. The executor runs them.

use std::path::PathBuf;
use strum::IntoStaticStr;

use nix::sys::signal::Signal;
use warmstart_runs::queue::Move;
use warmstart_runs::run::RunId;
use warmstart_schema::annotation::{Annotation, BadTag, TagChange};
use warmstart_schema::look::Ask;

use super::machine::Workers;
use super::memory::Memory;
use warmstart_report::plot::{Drawn, Plot};
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
    /// Resumes a run, after changing it by `FIELD=VALUE`s.
    Resume {
        run: Box<Run>,
        changes: Vec<String>,
    },
    /// Starts a run again from the first step; its old events stay.
    StartOver(Box<Run>),
    Queue(QueueChange),
    /// Stops a run, which saves first unless `now`.
    Stop {
        run: Box<Run>,
        now: bool,
    },
    /// Starts the queued runs that can start.
    Advance,
    /// Writes a new file to the current folder.
    Export {
        text: String,
        extension: &'static str,
    },
    /// Draws charts and writes them as SVG and PNG files.
    ExportCharts(Charts),
    /// Reads the end of the worker's output.
    ReadWorkerLog(RunId),
    /// Writes a new file with this log, followed by all of the worker's output.
    SaveLog {
        id: RunId,
        text: String,
    },
    /// Reads the machine's state and the workers' use of it.
    ReadMachine(Workers),
    /// Copies a text to the terminal's clipboard.
    Copy(String),
    /// Rings the terminal's bell and lets it show a text.
    Notice(String),
    Annotate {
        runs: Vec<RunId>,
        change: AnnotationChange,
    },
    /// Moves runs to the trash.
    Delete(Vec<RunId>),
    Undo(Undo),
    /// Starts a worker that shows a dataset, and ends the previous one.
    ShowDataset {
        ticket: u64,
        source: DatasetSource,
    },
    AskDataset(Ask),
    CloseDataset,
    /// Asks a run for a prediction.
    Predict {
        ticket: u64,
        run: RunId,
        subject: Subject,
    },
    /// Reads an experiment file to edit.
    ReadExperiment(PathBuf),
    /// Writes an experiment to a new file, or replaces the file that was read.
    WriteExperiment(Box<Writing>),
    /// Writes an experiment for this folder of pictures.
    NewExperiment(PathBuf),
    /// Completes a typed path.
    CompletePath {
        typed: String,
        only_folders: bool,
    },
    /// Opens a file in the user's editor.
    Edit(PathBuf),
    /// The editor is closed: checks the file.
    Edited {
        path: PathBuf,
        ended: Result<Ended, String>,
    },
    /// Saves the choices that the user made on screen.
    Remember(Box<Memory>),
    /// Suspends the dashboard to the shell.
    Suspend,
    /// Draws the whole screen again.
    Repaint,
    Leave,
}

/// Charts to draw, with their runs as they are now.
#[derive(Debug)]
pub struct Charts {
    pub plot: Plot,
    /// Each with its shift and its last drawn step, as in [`Drawn`].
    pub runs: Vec<(Run, f64, Option<u64>)>,
}

impl Charts {
    /// The charts as SVG. Many points take a while.
    pub fn svg(&self) -> String {
        let drawn = self.runs.iter().map(|(run, shift, until)| Drawn {
            shift: *shift,
            until: *until,
            ..Drawn::whole(run)
        });
        self.plot.svg(&drawn.collect::<Vec<_>>())
    }
}

/// A change that can be undone.
#[derive(Debug, Clone, PartialEq)]
pub enum Undo {
    Deleted(Vec<Trashed>),
    Annotated(Vec<Annotated>),
}

/// What a change made of a run's annotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotated {
    pub run: RunId,
    pub before: Annotation,
    pub after: Annotation,
}

impl Annotated {
    /// Takes the change back. What another process has changed since stays.
    pub fn take_back(&self, now: &mut Annotation) -> Result<(), BadTag> {
        let (before, after) = (&self.before, &self.after);
        let added = after.tags.difference(&before.tags).map(|tag| (tag, false));
        let removed = before.tags.difference(&after.tags).map(|tag| (tag, true));
        let changes: Vec<TagChange> = added
            .chain(removed)
            .map(|(tag, add)| TagChange {
                tag: tag.clone(),
                add,
            })
            .collect();
        now.change_tags(&changes)?;
        if now.note == after.note {
            now.note.clone_from(&before.note);
        }
        if now.archived == after.archived {
            now.archived = before.archived;
        }
        Ok(())
    }
}

/// A change of the annotations of runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnnotationChange {
    Tags(Vec<TagChange>),
    Note(String),
    Archived(bool),
}

impl AnnotationChange {
    /// Changes an annotation. The error is a tag that is not valid.
    pub fn apply(&self, annotation: &mut Annotation) -> Result<(), BadTag> {
        match self {
            Self::Tags(changes) => annotation.change_tags(changes)?,
            Self::Note(note) => annotation.set_note(note),
            Self::Archived(archived) => annotation.archived = *archived,
        }
        Ok(())
    }

    /// What was done to the runs, for a message.
    pub fn past(&self) -> &'static str {
        match self {
            Self::Tags(changes) if changes.iter().all(|change| !change.add) => "untagged",
            Self::Tags(_) => "tagged",
            Self::Note(note) if note.trim().is_empty() => "without a note",
            Self::Note(_) => "noted",
            Self::Archived(true) => "archived",
            Self::Archived(false) => "no longer archived",
        }
    }
}

/// A change of the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueueChange {
    Move {
        run: RunId,
        to: Move,
    },
    /// Asks the cluster to start a run before the user's others.
    PutFirst {
        run: RunId,
        label: String,
    },
    Remove {
        run: RunId,
        label: String,
    },
    Pause,
    Resume,
    /// How many runs a device takes at a time.
    Slots(u32),
}

/// An experiment to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Writing {
    /// The file that was read.
    pub source: PathBuf,
    /// The text that it had.
    pub before: String,
    pub text: String,
    /// The stem of a new file's name; `None` replaces the file.
    pub stem: Option<String>,
}

/// Which dataset to open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatasetSource {
    /// The dataset of an experiment file in its current state.
    File(PathBuf),
    /// The dataset of a run as it was at launch.
    Run(RunId),
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    Exited(i32),
    Killed(Signal),
}
