//! Which runs are in the states that screens count and list.

use std::collections::BTreeSet;

use warmstart_schema::state::Status;

use crate::run::RunId;
use crate::store::Run;

/// How many runs are in each kind of state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    pub live: usize,
    pub queued: usize,
    pub failed_or_lost: usize,
}

/// The runs whose state a screen lists.
#[derive(Debug, Default)]
pub(super) struct ByState {
    pub(super) live: BTreeSet<RunId>,
    queued: BTreeSet<RunId>,
    failed_or_lost: BTreeSet<RunId>,
    /// Runs with an unreadable `run.json`.
    pub(super) unreadable: BTreeSet<RunId>,
}

impl ByState {
    pub(super) fn tally(&self) -> Tally {
        Tally {
            live: self.live.len(),
            queued: self.queued.len(),
            failed_or_lost: self.failed_or_lost.len(),
        }
    }

    /// Takes in the state that a run has now; none if it was removed.
    pub(super) fn update(&mut self, id: &RunId, run: Option<&Run>) {
        let status = run.map(Run::status);
        let is_failed = matches!(status, Some(Status::Failed | Status::Lost));
        for (set, belongs) in [
            (&mut self.live, status.is_some_and(Status::is_live)),
            (&mut self.queued, matches!(status, Some(Status::Queued(_)))),
            (&mut self.failed_or_lost, is_failed),
            (
                &mut self.unreadable,
                run.is_some_and(|run| run.info.is_err()),
            ),
        ] {
            if belongs {
                set.insert(id.clone());
            } else {
                set.remove(id);
            }
        }
    }
}
