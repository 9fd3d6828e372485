//! Signs of life of a run's worker: its lock, its heartbeat, the pace of its events, and whose machine it was on.

use std::time::{Duration, Instant, SystemTime};

use crate::heartbeat::LivenessTracker;
use crate::launcher::{self, Handle, Host, Origin, WorkerState};
use crate::run::RunDir;
use warmstart_schema::event::{self, Event, Record};
use warmstart_schema::state::Liveness;

/// What the queue says of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mention {
    /// It waits at this place, from 1.
    Waits(usize),
    /// It was started at this time, in milliseconds since the Unix epoch, and is not over.
    Started(u64),
    /// It was started, and what was started is gone.
    Ended,
}

/// Seconds without a heartbeat after which a run of another machine counts as gone: locks do not reach across all network file
/// systems, and clocks differ.
const BEATS: f64 = 60.0;

#[derive(Debug, Default)]
pub struct LogFacts {
    tracker: LivenessTracker,
    origin: Origin,
    /// The worker, while its attempt has no end.
    worker: Option<Handle>,
    /// When something new was read, as this process saw it: clocks differ and jump.
    read: Option<Instant>,
    /// The newest touch, and when this process saw it to be new.
    touched: Option<(SystemTime, Option<Instant>)>,
}

impl LogFacts {
    /// Takes in what was there before the first look.
    pub fn read_first(&mut self, records: &[Record], restarted: bool, here: &Host) {
        if restarted {
            *self = Self::default();
        }
        for record in records {
            self.tracker.take(record);
            if let Event::Attempt(attempt) = &record.event {
                let worker = attempt.worker.clone();
                self.origin = launcher::of(&worker).origin(&worker, &attempt.host, here);
                self.worker = Some(worker);
            }
        }
        if self.tracker.ended().is_some() {
            self.worker = None;
        }
    }

    /// Takes in what was appended since the last look.
    pub fn read(&mut self, records: &[Record], restarted: bool, here: &Host) {
        self.read_first(records, restarted, here);
        if !records.is_empty() {
            self.read = Some(Instant::now());
        }
    }

    /// What the worker of the run in `dir` is doing.
    pub fn look(&mut self, dir: &RunDir, mention: Option<Mention>) -> Liveness {
        match mention {
            Some(Mention::Waits(place)) => Liveness::Queued(place),
            // Who holds it still is on its way out.
            Some(Mention::Started(_)) if self.has_ended_since(mention) => Liveness::Free,
            _ if launcher::is_held(dir, self.worker.as_ref()) => self.held(dir),
            _ if self.origin == Origin::Elsewhere && self.beats(dir) => self.held(dir),
            Some(Mention::Started(_)) => Liveness::Started,
            _ if self.tracker.ended().is_some() => Liveness::Free,
            _ => match self.origin {
                Origin::Here => Liveness::Free,
                Origin::BeforeReboot => Liveness::Rebooted,
                Origin::Elsewhere => Liveness::Elsewhere,
            },
        }
    }

    /// Whether the worker of another machine has just shown that it is alive.
    fn beats(&mut self, dir: &RunDir) -> bool {
        self.worker.is_some() && self.touched(dir).is_some_and(|ago| ago < BEATS)
    }

    /// Whether the run's last word is newer than its start.
    pub fn has_ended_since(&self, mention: Option<Mention>) -> bool {
        let Some(Mention::Started(since)) = mention else {
            return false;
        };
        since > 0
            && self
                .tracker
                .ended()
                .is_some_and(|ended| ended * 1000.0 > since as f64)
    }

    fn held(&mut self, dir: &RunDir) -> Liveness {
        let is_suspended = |worker| launcher::of(worker).state(worker) == WorkerState::Suspended;
        if self.worker.as_ref().is_some_and(is_suspended) {
            return Liveness::Suspended;
        }
        let Some(last) = self.tracker.last() else {
            return Liveness::Held;
        };
        let silence = least(event::now() - last, self.read);
        let touched = self.touched(dir);
        self.tracker.liveness(silence, touched)
    }

    /// Seconds since the newest touch.
    fn touched(&mut self, dir: &RunDir) -> Option<f64> {
        let now = dir.touched()?;
        match self.touched {
            Some((before, _)) if before == now => {}
            Some(_) => self.touched = Some((now, Some(Instant::now()))),
            None => self.touched = Some((now, None)),
        }
        let seen = self.touched.and_then(|(_, seen)| seen);
        let ago = SystemTime::now()
            .duration_since(now)
            .as_ref()
            .map_or(0.0, Duration::as_secs_f64);
        Some(least(ago, seen))
    }
}

/// Seconds since something happened, by the wall clock or by when it was seen, whichever is less: the clock of another
/// machine may be wrong, and that of this one jumps when it wakes up.
fn least(by_clock: f64, seen: Option<Instant>) -> f64 {
    seen.map_or(by_clock, |seen| by_clock.min(seen.elapsed().as_secs_f64()))
}
