//! The changes that the watcher finds.

use std::sync::Arc;

use warmstart_schema::annotation::Annotation;
use warmstart_schema::event::Record;
use warmstart_schema::experiment::Experiment;
use warmstart_schema::state::{Liveness, RunState};

use crate::launcher::Standing;
use crate::queue;
use crate::run::{RunId, RunInfo};

/// A change found by a poll of the run folders.
#[derive(Debug)]
pub enum Change {
    /// A run whose log was read to its end; `Events` or `State` follows.
    Added {
        id: RunId,
        /// Or why `run.json` cannot be read.
        info: Result<RunInfo, String>,
        experiment: Option<Arc<Experiment>>,
    },
    /// `run.json` was replaced.
    Info {
        id: RunId,
        info: Result<RunInfo, String>,
    },
    /// Lines were appended; `restarted` if the log was replaced, which voids earlier events.
    Events {
        id: RunId,
        records: Vec<Record>,
        /// How many lines are no events.
        damaged: usize,
        restarted: bool,
    },
    /// The state after the whole log, instead of its events; a summary lacks the progress within epochs.
    State {
        id: RunId,
        state: Box<RunState>,
        is_summary: bool,
    },
    /// The receiver no longer needs the progress within epochs of a run at rest.
    Summarized {
        id: RunId,
    },
    /// The run's experiment was changed.
    Experiment {
        id: RunId,
        experiment: Option<Arc<Experiment>>,
    },
    Liveness {
        id: RunId,
        liveness: Liveness,
    },
    /// What Slurm says about the run's worker; none where log and heartbeat suffice.
    Standing {
        id: RunId,
        standing: Option<Standing>,
    },
    /// Tags, note and archived flag of a run.
    Annotation {
        id: RunId,
        annotation: Annotation,
    },
    Removed {
        id: RunId,
    },
    Queue(queue::Content),
    /// Something besides the runs is unreadable; an empty text says that nothing is any more.
    Problem {
        text: String,
    },
    /// The folders beside the runs that are not run folders, in a sentence; empty if there are none.
    IgnoredFolders {
        text: String,
    },
}

impl Change {
    /// The run that changes.
    pub fn run(&self) -> Option<&RunId> {
        match self {
            Self::Added { id, .. }
            | Self::Info { id, .. }
            | Self::Events { id, .. }
            | Self::State { id, .. }
            | Self::Summarized { id }
            | Self::Experiment { id, .. }
            | Self::Liveness { id, .. }
            | Self::Standing { id, .. }
            | Self::Annotation { id, .. }
            | Self::Removed { id } => Some(id),
            Self::Queue(_) | Self::Problem { .. } | Self::IgnoredFolders { .. } => None,
        }
    }
}
