//! The status of a run, and what is known about its worker.

use crate::event::Phase;

/// What is known about a run's worker from outside the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Liveness {
    /// It waits in the queue at this position, from 1.
    Queued(usize),
    /// A worker was started and has not taken the run yet.
    Started,
    /// A worker has it.
    Held,
    /// A worker has it and makes progress, but its heartbeat stopped.
    HeartbeatLost,
    /// A worker has it and has a heartbeat, but made no progress for far too long.
    Stalled,
    /// A worker has it and shows neither heartbeat nor progress.
    Hung,
    /// A worker has it and was suspended (SIGSTOP).
    Suspended,
    /// No worker has it.
    Free,
    /// No worker has it, and the machine restarted since.
    Rebooted,
    /// No worker has it on this machine; another machine ran it.
    Elsewhere,
    /// Its log is not readable, so it is unknown whether a worker has it.
    Unknown,
    /// A cluster is to start its worker, for the first time or again.
    Waiting,
    /// Its worker has left; whether its cluster starts another is not known yet.
    Leaving,
    /// Nobody knows: its worker shows no sign of life, and its cluster does not answer.
    Unclear,
}

impl Liveness {
    /// Whether a worker has the run.
    pub fn is_held(self) -> bool {
        matches!(
            self,
            Self::Held | Self::HeartbeatLost | Self::Stalled | Self::Hung | Self::Suspended
        )
    }

    /// Whether no worker is known to have the run, or to be about to take it.
    pub fn is_free(self) -> bool {
        matches!(
            self,
            Self::Free | Self::Rebooted | Self::Elsewhere | Self::Unknown
        )
    }
}

/// The status of a run, with transitional states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Queued(usize),
    Starting,
    /// A cluster is to start its worker.
    Waiting,
    Active(Phase),
    /// A heartbeat without progress.
    Stalled,
    /// Neither heartbeat nor progress.
    Hung,
    /// Suspended by a signal, until it is continued.
    Suspended,
    Stopping,
    Stopped,
    /// It waits for a round of its group's halving.
    Paused,
    /// A round of its group's halving stopped it.
    Halved,
    Finished,
    Failed,
    /// Its log has no end, and no worker has it: the worker was killed, the machine restarted, or another machine ran it.
    Lost,
    /// Its folder is unreadable, so its state is unknown.
    Unreadable,
    /// Its worker shows no sign of life, and its cluster does not answer. It may still run.
    Unclear,
}

impl Status {
    /// Whether a worker has the run or is about to take it.
    pub fn is_live(self) -> bool {
        matches!(
            self,
            Self::Starting | Self::Waiting | Self::Active(_) | Self::Stopping | Self::Unclear
        ) || self.is_stuck()
    }

    /// Whether a worker has the run and makes no progress.
    pub fn is_stuck(self) -> bool {
        matches!(self, Self::Stalled | Self::Hung | Self::Suspended)
    }

    /// Whether it can be resumed. For a paused run its group decides, so the answer is no.
    pub fn is_resumable(self) -> bool {
        matches!(
            self,
            Self::Stopped | Self::Halved | Self::Failed | Self::Lost
        )
    }

    /// Its name on screens, in filters and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued(_) => "queued",
            Self::Starting => "starting",
            Self::Waiting => "waiting",
            Self::Active(phase) => phase.as_str(),
            Self::Stalled => "stalled",
            Self::Hung => "hung",
            Self::Suspended => "suspended",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Paused => "paused",
            Self::Halved => "halved",
            Self::Finished => "done",
            Self::Failed => "failed",
            Self::Lost => "lost",
            Self::Unreadable => "unreadable",
            Self::Unclear => "unknown",
        }
    }
}
