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
    /// A run whose log was read to its end; its events come next.
    Added {
        id: RunId,
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
    /// What others than its worker know of where that is; none if nobody needs to be asked.
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
    /// Something besides the runs is unreadable.
    Problem {
        text: String,
    },
    /// Folders beside the runs that are no runs.
    PassedOver {
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
            Self::Queue(_) | Self::Problem { .. } | Self::PassedOver { .. } => None,
        }
    }
}
