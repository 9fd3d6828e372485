//! Whether a run's worker is alive, by its lock, its heartbeat, the pace of its events and the machine it is on.

use std::time::{Instant, SystemTime};

use crate::heartbeat::LivenessTracker;
use crate::launcher::{self, Handle, Host, Origin, Stage, Standing, WorkerState};
use crate::run::RunDir;
use warmstart_schema::event::{self, Attempt, Event, Record};
use warmstart_schema::state::{Liveness, RunState};

/// A run in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum QueueState {
    /// It waits at this position, from 1.
    Waiting(usize),
    /// It was started at this time, in milliseconds since the Unix epoch, and its worker is alive.
    Started(u64),
    /// It was started, and its worker is gone.
    Ended,
}

/// After this many seconds without a heartbeat, a worker on another machine counts as gone. Not every network file system shares
/// locks, and clocks differ.
const REMOTE_TIMEOUT: f64 = 60.0;

/// What the log and the heartbeat of a run say about its worker.
#[derive(Debug, Default)]
pub(super) struct LivenessCheck {
    tracker: LivenessTracker,
    origin: Origin,
    /// The worker of an attempt that has not ended.
    worker: Option<Handle>,
    /// The worker of the newest attempt.
    newest: Option<Handle>,
    /// When this process last read a new event: clocks of machines differ and jump.
    read: Option<Instant>,
    /// Time of the newest heartbeat, and when this process first saw it. The second is unknown for a heartbeat that was there
    /// already: it may be old.
    touched: Option<(SystemTime, Option<Instant>)>,
}

impl LivenessCheck {
    /// What a summary of the log says.
    pub(super) fn of_summary(state: &RunState, here: &Host) -> Self {
        let last = state.last_event.unwrap_or_default();
        let tracker = match (&state.outcome, &state.attempt) {
            (Some(_), _) => LivenessTracker::at_rest(last),
            (None, Some(attempt)) => LivenessTracker::unended(attempt.heartbeat, last),
            (None, None) => LivenessTracker::default(),
        };
        let mut facts = Self {
            tracker,
            ..Self::default()
        };
        if let Some(attempt) = &state.attempt {
            facts.began(attempt, here);
        }
        facts.forget_ended();
        facts
    }

    fn began(&mut self, attempt: &Attempt, here: &Host) {
        let worker = attempt.worker.clone();
        self.origin = launcher::of_worker(&worker).origin(&worker, &attempt.host, here);
        self.newest = Some(worker.clone());
        self.worker = Some(worker);
    }

    /// Whether the log names the end of the newest attempt.
    pub(super) fn has_ended(&self) -> bool {
        self.tracker.ended().is_some()
    }

    fn forget_ended(&mut self) {
        if self.has_ended() {
            self.worker = None;
        }
    }

    /// Takes in events from before the first look.
    pub(super) fn read_first(&mut self, records: &[Record], restarted: bool, here: &Host) {
        if restarted {
            *self = Self::default();
        }
        for record in records {
            self.tracker.take(record);
            if let Event::Attempt(attempt) = &record.event {
                self.began(attempt, here);
            }
        }
        self.forget_ended();
    }

    /// Takes in events appended since the last look.
    pub(super) fn read(&mut self, records: &[Record], restarted: bool, here: &Host) {
        self.read_first(records, restarted, here);
        if !records.is_empty() {
            self.read = Some(Instant::now());
        }
    }

    /// Liveness of the worker of the run in `dir`. `elsewhere` is the worker that `run.json` names, if it is no process of a known
    /// machine, and what is known of it.
    pub(super) fn look(
        &mut self,
        dir: &RunDir,
        queued: Option<QueueState>,
        elsewhere: Option<(&Handle, Option<&Standing>)>,
    ) -> Liveness {
        match (queued, elsewhere) {
            (Some(QueueState::Waiting(place)), _) => return Liveness::Queued(place),
            (_, Some((worker, standing))) => return self.look_elsewhere(dir, worker, standing),
            _ => {}
        }
        match queued {
            // A worker that still holds the lock is exiting.
            Some(QueueState::Started(_)) if self.has_ended_since(queued) => Liveness::Free,
            _ if launcher::is_held(dir, self.worker.as_ref()) => self.held(dir),
            _ if self.origin == Origin::Elsewhere && self.beats(dir) => self.held(dir),
            Some(QueueState::Started(_)) => Liveness::Started,
            _ if self.has_ended() => Liveness::Free,
            _ => match self.origin {
                Origin::Here => Liveness::Free,
                Origin::BeforeReboot => Liveness::Rebooted,
                Origin::Elsewhere => Liveness::Elsewhere,
            },
        }
    }

    /// Its log and its heartbeat come first; only their absence needs an explanation.
    fn look_elsewhere(
        &mut self,
        dir: &RunDir,
        worker: &Handle,
        standing: Option<&Standing>,
    ) -> Liveness {
        let is_silent = !launcher::is_held(dir, Some(worker)) && !self.beats(dir);
        let by_itself = (!is_silent).then(|| self.held(dir));
        if let Some(alive) = by_itself.filter(|liveness| *liveness != Liveness::Hung) {
            return alive;
        }
        let newest = self.newest.as_ref().and_then(Handle::job);
        let has_begun = newest
            .zip(worker.job())
            .is_some_and(|(newest, now)| newest.is_same_job(now));
        let has_left = has_begun && self.has_ended();
        match standing.map(|standing| standing.stage) {
            Some(Stage::Waiting) => Liveness::Waiting,
            Some(Stage::Starting) => Liveness::Started,
            Some(Stage::Unknown) => Liveness::Unclear,
            Some(Stage::Over) => Liveness::Free,
            Some(Stage::Ending) => Liveness::Leaving,
            _ if has_left => Liveness::Leaving,
            Some(Stage::Suspended) => Liveness::Suspended,
            Some(Stage::Running) if has_begun => Liveness::Hung,
            Some(Stage::Running) | None => by_itself.unwrap_or(Liveness::Started),
        }
    }

    /// Whether a worker on another machine sent a heartbeat lately.
    fn beats(&mut self, dir: &RunDir) -> bool {
        self.worker.is_some() && self.touched(dir).is_some_and(|ago| ago < REMOTE_TIMEOUT)
    }

    /// Whether the log's end is newer than the start that the queue names.
    pub(super) fn has_ended_since(&self, queued: Option<QueueState>) -> bool {
        let Some(QueueState::Started(since)) = queued else {
            return false;
        };
        since > 0
            && self
                .tracker
                .ended()
                .is_some_and(|ended| ended * 1000.0 > since as f64)
    }

    fn held(&mut self, dir: &RunDir) -> Liveness {
        let is_suspended =
            |worker| launcher::of_worker(worker).state(worker) == WorkerState::Suspended;
        if self.worker.as_ref().is_some_and(is_suspended) {
            return Liveness::Suspended;
        }
        let Some(last) = self.tracker.last() else {
            return Liveness::Held;
        };
        let by_clock = event::now() - last;
        if by_clock < 0.0 {
            // The clock does not tell the age of an event from the future, so its age counts from here.
            self.read.get_or_insert_with(Instant::now);
        }
        let silence = age(by_clock, self.read);
        let touched = self.touched(dir);
        self.tracker.liveness(silence, touched)
    }

    /// Seconds since the newest heartbeat.
    fn touched(&mut self, dir: &RunDir) -> Option<f64> {
        let now = dir.touched()?;
        let by_clock = match SystemTime::now().duration_since(now) {
            Ok(ago) => ago.as_secs_f64(),
            Err(ahead) => -ahead.duration().as_secs_f64(),
        };
        match self.touched {
            Some((before, _)) if before == now => {}
            Some(_) => self.touched = Some((now, Some(Instant::now()))),
            // The clock does not tell the age of a heartbeat from the future, so its age counts from here.
            None => self.touched = Some((now, (by_clock < 0.0).then(Instant::now))),
        }
        let seen = self.touched.and_then(|(_, seen)| seen);
        Some(age(by_clock, seen))
    }
}

/// Seconds since something happened, by the wall clock or since this process saw it, whichever is less. The clock of another
/// machine may be wrong, and the local clock jumps after a suspend. A time in the future says nothing.
fn age(by_clock: f64, seen: Option<Instant>) -> f64 {
    let seen = seen.map(|seen| seen.elapsed().as_secs_f64());
    match seen {
        Some(seen) if by_clock < 0.0 => seen,
        Some(seen) => by_clock.min(seen),
        None => by_clock.max(0.0),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_a_clock_that_is_ahead_wrote_gets_old_too() {
        let root = tempfile::tempdir().unwrap();
        let dir = RunDir::of(root.path(), &"a".parse().unwrap());
        fs::create_dir(dir.path()).unwrap();
        let heartbeat = File::create(dir.path().join("run.lock")).unwrap();
        let hour = Duration::from_hours(1);
        heartbeat.set_modified(SystemTime::now() + hour).unwrap();
        let mut check = LivenessCheck::default();
        assert!(check.touched(&dir).unwrap() < REMOTE_TIMEOUT);
        // This process saw it long ago.
        let long = Duration::from_secs_f64(REMOTE_TIMEOUT * 2.0);
        let earlier = |seen: Instant| seen.checked_sub(long).unwrap();
        check.touched = check.touched.map(|(time, seen)| (time, seen.map(earlier)));
        assert!(check.touched(&dir).unwrap() > REMOTE_TIMEOUT);

        let tracker = LivenessTracker::unended(Some(10), event::now() + hour.as_secs_f64());
        let mut check = LivenessCheck {
            tracker,
            touched: check.touched,
            ..LivenessCheck::default()
        };
        assert_eq!(check.held(&dir), Liveness::HeartbeatLost);
        check.read = check.read.map(earlier);
        assert_eq!(check.held(&dir), Liveness::Hung);
    }
}
