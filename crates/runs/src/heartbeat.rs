//! Whether a worker is alive, and whether it makes progress. A worker touches its heartbeat file at a fixed interval and logs
//! its progress as events. Together they say whether it works, is stalled, or hangs.

use std::collections::VecDeque;

use warmstart_schema::event::{Event, Phase, Record};
use warmstart_schema::state::Liveness;

/// Seconds between two heartbeats.
pub const INTERVAL: u32 = 10;
/// A worker whose heartbeat is older than this many intervals has lost it.
const MISSED: f64 = 3.0;

/// A run without progress for fewer seconds than this is never stalled.
const SHORTEST_LIMIT: f64 = 60.0;
/// A step may take this many times its usual time: ten times as long is odd, but not stalled.
const TIMES_USUAL: f64 = 12.0;
/// How many steps the usual time needs at least, and how many of the newest are kept.
const KNOWN: usize = 4;
const KEPT: usize = 33;
/// Limits in seconds for work without a usual time: the first steps, which set up the device; loading and hashing data and
/// weights; a save onto a slow disk; a download.
const FIRST_STEPS: f64 = 300.0;
const LOADING: f64 = 1800.0;
const SAVING: f64 = 600.0;
const FETCHING: f64 = 300.0;

/// Follows the events of a run, to compare its silence with its usual pace.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LivenessTracker {
    phase: Phase,
    /// Time of the newest event, in seconds since the Unix epoch.
    last: Option<f64>,
    /// Whether the newest event was progress within `phase`.
    is_batch: bool,
    /// Seconds between events of progress, newest last.
    steps: VecDeque<f64>,
    /// Seconds between two heartbeats, as the worker announced them; none of workers of earlier versions.
    heartbeat: Option<u32>,
    /// When the newest attempt ended.
    ended: Option<f64>,
}

impl LivenessTracker {
    /// For a run whose newest attempt has no end, when only the time of its last event is known.
    pub fn unended(heartbeat: Option<u32>, last: f64) -> Self {
        Self {
            phase: Phase::Loading,
            heartbeat,
            last: Some(last),
            ..Self::default()
        }
    }

    /// For a run whose newest attempt ended at this time.
    pub fn at_rest(ended: f64) -> Self {
        Self {
            ended: Some(ended),
            last: Some(ended),
            ..Self::default()
        }
    }

    /// Takes in the next event.
    pub fn take(&mut self, record: &Record) {
        let is_batch = matches!(record.event, Event::Batch(_) | Event::Progress(_));
        match &record.event {
            Event::Attempt(attempt) => {
                *self = Self {
                    phase: Phase::Loading,
                    heartbeat: attempt.heartbeat,
                    ..Self::default()
                };
            }
            Event::Phase { phase } => self.phase = *phase,
            Event::Batch(_) | Event::Progress(_) => self.step(record.t),
            event if event.is_end() => {
                // Drop the steps: there may be ten thousand finished runs.
                *self = Self::at_rest(record.t);
            }
            // Logged right after progress, so it is not the newest event.
            Event::System(_) => return,
            _ => {}
        }
        self.is_batch = is_batch;
        self.last = Some(record.t);
    }

    /// Time of the newest event, in seconds since the Unix epoch.
    pub fn last(&self) -> Option<f64> {
        self.last
    }

    /// When the newest attempt ended, in seconds since the Unix epoch.
    pub fn ended(&self) -> Option<f64> {
        self.ended
    }

    /// How long a step usually takes, in seconds.
    pub fn usual(&self) -> Option<f64> {
        let mut steps: Vec<f64> = self.steps.iter().copied().collect();
        steps.sort_by(f64::total_cmp);
        (steps.len() >= KNOWN).then(|| steps[steps.len() / 2])
    }

    /// Seconds without an event after which a run is stalled, by its phase and its usual pace.
    pub fn limit(&self) -> f64 {
        match self.phase {
            Phase::Fetching => FETCHING,
            // While it computes features of a frozen backbone, a loading run logs progress as steps do.
            Phase::Loading if !self.is_batch => LOADING,
            Phase::Saving => SAVING,
            _ => self.usual().map_or(FIRST_STEPS, |usual| {
                (usual * TIMES_USUAL).max(SHORTEST_LIMIT)
            }),
        }
    }

    /// Liveness of a worker that holds the run, `silence` seconds after its newest event and `touched` seconds after its newest
    /// heartbeat.
    pub fn liveness(&self, silence: f64, touched: Option<f64>) -> Liveness {
        let missed = self
            .heartbeat
            .zip(touched)
            .is_some_and(|(every, ago)| ago > f64::from(every) * MISSED);
        if missed && silence > f64::from(INTERVAL) * MISSED {
            Liveness::Hung
        } else if self.last.is_some() && silence > self.limit() {
            Liveness::Stalled
        } else if missed {
            Liveness::HeartbeatLost
        } else {
            Liveness::Held
        }
    }

    fn step(&mut self, t: f64) {
        if let Some(last) = self.last.filter(|_| self.is_batch) {
            if self.steps.len() == KEPT {
                self.steps.pop_front();
            }
            self.steps.push_back((t - last).max(0.0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(t: f64, event: &str) -> Record {
        serde_json::from_str(&format!("{{\"t\":{t},\"event\":{event}}}")).unwrap()
    }

    fn batch(t: f64) -> Record {
        record(
            t,
            "\"batch\",\"epoch\":1,\"step\":1,\"batch\":1,\"batches\":9,\"loss\":1,\"accuracy\":0,\"learning_rate\":0,\"images_per_second\":1,\"gradient_norm\":1",
        )
    }

    fn begun(heartbeat: bool) -> LivenessTracker {
        let heartbeat = if heartbeat { ",\"heartbeat\":10" } else { "" };
        let mut tracker = LivenessTracker::default();
        tracker.take(&record(
            0.0,
            &format!("\"attempt\",\"number\":1,\"worker\":{{\"boot_id\":\"\",\"pid\":2,\"start_ticks\":1}},\"host\":\"\",\"device\":\"cpu\",\"device_name\":\"\",\"device_reason\":\"\",\"threads\":1,\"libtorch\":\"\",\"epochs\":1,\"resumed_from\":null{heartbeat}"),
        ));
        tracker
    }

    /// A run in training, with these times between its steps.
    fn trained(steps: impl IntoIterator<Item = f64>) -> LivenessTracker {
        let mut tracker = begun(true);
        tracker.take(&record(1.0, "\"phase\",\"phase\":\"training\""));
        let mut t = 1.0;
        for step in steps {
            t += step;
            tracker.take(&batch(t));
        }
        tracker
    }

    #[test]
    fn steps_up_to_ten_times_the_usual_time_are_not_stalled() {
        for usual in [0.01, 0.4, 5.0, 30.0, 200.0] {
            // Every tenth step takes ten times as long; the median stays almost the same.
            let tracker =
                trained((1..100).map(|step| if step % 10 == 0 { usual * 10.0 } else { usual }));
            assert_eq!(
                tracker.liveness(usual * 10.0, Some(5.0)),
                Liveness::Held,
                "{usual}"
            );
            assert_eq!(
                tracker.liveness((usual * 12.0).max(60.0) + 1.0, Some(5.0)),
                Liveness::Stalled,
                "{usual}"
            );
        }
    }

    #[test]
    fn saving_loading_fetching_and_first_steps_have_separate_limits() {
        let mut tracker = trained([0.1; 50]);
        assert_eq!(tracker.limit().to_bits(), 60.0_f64.to_bits());
        tracker.take(&record(100.0, "\"phase\",\"phase\":\"saving\""));
        assert_eq!(tracker.liveness(120.0, Some(5.0)), Liveness::Held);
        tracker.take(&record(100.0, "\"phase\",\"phase\":\"fetching\""));
        assert_eq!(tracker.liveness(250.0, Some(5.0)), Liveness::Held);
        assert_eq!(trained([0.1]).liveness(250.0, Some(5.0)), Liveness::Held);
        assert_eq!(begun(true).liveness(1000.0, Some(5.0)), Liveness::Held);
        assert_eq!(begun(true).liveness(2000.0, Some(5.0)), Liveness::Stalled);
    }

    #[test]
    fn stalled_runs_have_a_heartbeat_and_hung_runs_have_none() {
        let tracker = trained([0.1; 50]);
        assert_eq!(tracker.liveness(70.0, Some(2.0)), Liveness::Stalled);
        assert_eq!(tracker.liveness(35.0, Some(35.0)), Liveness::Hung);
        // Events without a heartbeat: only the heartbeat's thread has died.
        assert_eq!(tracker.liveness(5.0, Some(29.0)), Liveness::Held);
        assert_eq!(tracker.liveness(5.0, Some(31.0)), Liveness::HeartbeatLost);
        // A worker of an earlier version has no heartbeat.
        assert_eq!(begun(false).liveness(40.0, Some(40.0)), Liveness::Held);
    }

    #[test]
    fn ended_runs_have_no_usual_time() {
        for end in ["\"stopped\"", "\"paused\",\"epoch\":1"] {
            let mut tracker = trained([0.1; 50]);
            tracker.take(&record(9.0, &format!("{end},\"step\":1,\"train_time\":1")));
            assert_eq!(
                (tracker.ended(), tracker.usual()),
                (Some(9.0), None),
                "{end}"
            );
            tracker.take(&record(10.0, "\"stopping\""));
            assert_eq!(tracker.last(), Some(10.0));
        }
    }
}
