//! The events of a log that takes several polls to read.

use warmstart_schema::event::Record;
use warmstart_schema::state::RunState;

use crate::event_log::Poll;
use crate::run::RunId;
use crate::store::Change;

/// A log that is being read: the state after all but the newest events.
#[derive(Debug, Default)]
pub(super) struct Reading {
    state: RunState,
    newest: Vec<Record>,
    /// Whether `state` contains any events.
    is_folded: bool,
}

impl Reading {
    pub(super) fn take(&mut self, poll: Poll) {
        if poll.restarted {
            *self = Self::default();
        }
        self.state.damaged_lines += poll.damaged;
        if !self.newest.is_empty() {
            self.is_folded = true;
            self.newest
                .drain(..)
                .for_each(|record| self.state.apply(record));
        }
        self.newest = poll.records;
    }

    pub(super) fn fold(self) -> Box<RunState> {
        let mut state = self.state;
        self.newest
            .into_iter()
            .for_each(|record| state.apply(record));
        Box::new(state)
    }

    /// The events of a short log, so that a receiver can print them; the state of a long log.
    pub(super) fn into_change(self, id: &RunId) -> Change {
        if self.is_folded {
            return Change::State {
                id: id.clone(),
                state: self.fold(),
                is_summary: false,
            };
        }
        let damaged = self.state.damaged_lines;
        Change::Events {
            id: id.clone(),
            records: self.newest,
            damaged,
            restarted: false,
        }
    }
}
