//! Whether a worker is alive and whether it gets on are two different facts: it touches a file now and then whatever it
//! does, and what it does it tells as events. From both: at work, stalled, or hung.

use std::collections::VecDeque;

use warmstart_schema::event::{Event, Phase, Record};
use warmstart_schema::state::Liveness;

/// Seconds between two touches.
pub const HEARTBEAT: u32 = 10;
/// Touches that may fail to come before a worker counts as not alive.
const MISSED: f64 = 3.0;

/// Nothing less than this many seconds without progress is worth a word.
const LEAST: f64 = 60.0;
/// How much longer than usual a step may take: one of ten times the usual is odd, not stalled.
const PATIENCE: f64 = 12.0;
/// Steps that say what is usual, and how many of the newest are kept.
const KNOWN: usize = 4;
const KEPT: usize = 33;
/// Seconds that what has no usual length may take: first steps, which set up the device; data, weights and the hashing of
/// both; a save onto a slow disk; a network.
const FIRST_STEPS: f64 = 300.0;
const LOADING: f64 = 1800.0;
const SAVING: f64 = 600.0;
const FETCHING: f64 = 300.0;

/// What the events of a run say about its pace.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pulse {
    phase: Phase,
    /// When the newest event was told, in seconds since the Unix epoch.
    last: Option<f64>,
    /// Whether the newest event was progress within `phase`.
    is_batch: bool,
    /// Seconds between events of progress, newest last.
    steps: VecDeque<f64>,
    /// Seconds between two touches, as the worker promised.
    heartbeat: Option<u32>,
    /// When the newest attempt ended, if it did.
    ended: Option<f64>,
}

impl Pulse {
    /// The pulse of a run whose newest attempt has no end, as far as its last event at this time says.
    pub fn unended(heartbeat: Option<u32>, last: f64) -> Self {
        Self {
            phase: Phase::Loading,
            heartbeat,
            last: Some(last),
            ..Self::default()
        }
    }

    /// The pulse of a run whose newest attempt ended at this time.
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
            Event::Stopped { .. }
            | Event::Finished { .. }
            | Event::Failed { .. }
            | Event::Exit(_) => {
                // What is over needs no pace; ten thousand runs at rest keep none.
                *self = Self::at_rest(record.t);
            }
            // Told right after progress, not instead of it.
            Event::System(_) => return,
            _ => {}
        }
        self.is_batch = is_batch;
        self.last = Some(record.t);
    }

    /// When the newest event was told.
    pub fn last(&self) -> Option<f64> {
        self.last
    }

    /// When the newest attempt ended, if it did.
    pub fn ended(&self) -> Option<f64> {
        self.ended
    }

    /// How long a step usually takes, in seconds.
    pub fn usual(&self) -> Option<f64> {
        let mut steps: Vec<f64> = self.steps.iter().copied().collect();
        steps.sort_by(f64::total_cmp);
        (steps.len() >= KNOWN).then(|| steps[steps.len() / 2])
    }

    /// Seconds without an event after which a run of this pace, in this phase, is stalled.
    pub fn limit(&self) -> f64 {
        match self.phase {
            Phase::Fetching => FETCHING,
            // Features of a frozen base are computed while loading, and told as steps are.
            Phase::Loading if !self.is_batch => LOADING,
            Phase::Saving => SAVING,
            _ => self
                .usual()
                .map_or(FIRST_STEPS, |usual| (usual * PATIENCE).max(LEAST)),
        }
    }

    /// What a worker that has the run is doing: `silence` seconds after its newest event, `touched` seconds after its
    /// newest touch.
    pub fn liveness(&self, silence: f64, touched: Option<f64>) -> Liveness {
        let missed = self
            .heartbeat
            .zip(touched)
            .is_some_and(|(every, ago)| ago > f64::from(every) * MISSED);
        if missed && silence > f64::from(HEARTBEAT) * MISSED {
            Liveness::Hung
        } else if self.last.is_some() && silence > self.limit() {
            Liveness::Stalled
        } else if missed {
            Liveness::Pulseless
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

    fn begun(heartbeat: bool) -> Pulse {
        let heartbeat = if heartbeat { ",\"heartbeat\":10" } else { "" };
        let mut pulse = Pulse::default();
        pulse.take(&record(
            0.0,
            &format!("\"attempt\",\"number\":1,\"worker\":{{\"boot_id\":\"\",\"pid\":2,\"start_ticks\":1}},\"host\":\"\",\"device\":\"cpu\",\"device_name\":\"\",\"device_reason\":\"\",\"threads\":1,\"libtorch\":\"\",\"epochs\":1,\"resumed_from\":null{heartbeat}"),
        ));
        pulse
    }

    /// In training, with these times between steps.
    fn trained(steps: impl IntoIterator<Item = f64>) -> Pulse {
        let mut pulse = begun(true);
        pulse.take(&record(1.0, "\"phase\",\"phase\":\"training\""));
        let mut t = 1.0;
        for step in steps {
            t += step;
            pulse.take(&batch(t));
        }
        pulse
    }

    #[test]
    fn steps_of_up_to_ten_times_the_usual_are_no_alarm_at_any_pace() {
        for usual in [0.01, 0.4, 5.0, 30.0, 200.0] {
            // Every tenth step takes ten times as long, which moves what counts as usual very little.
            let pulse =
                trained((1..100).map(|step| if step % 10 == 0 { usual * 10.0 } else { usual }));
            assert_eq!(
                pulse.liveness(usual * 10.0, Some(5.0)),
                Liveness::Held,
                "{usual}"
            );
            assert_eq!(
                pulse.liveness((usual * 12.0).max(60.0) + 1.0, Some(5.0)),
                Liveness::Stalled,
                "{usual}"
            );
        }
    }

    #[test]
    fn saving_loading_fetching_and_first_steps_have_limits_of_their_own() {
        let mut pulse = trained([0.1; 50]);
        assert_eq!(pulse.limit().to_bits(), 60.0_f64.to_bits());
        pulse.take(&record(100.0, "\"phase\",\"phase\":\"saving\""));
        assert_eq!(pulse.liveness(120.0, Some(5.0)), Liveness::Held);
        pulse.take(&record(100.0, "\"phase\",\"phase\":\"fetching\""));
        assert_eq!(pulse.liveness(250.0, Some(5.0)), Liveness::Held);
        assert_eq!(trained([0.1]).liveness(250.0, Some(5.0)), Liveness::Held);
        assert_eq!(begun(true).liveness(1000.0, Some(5.0)), Liveness::Held);
        assert_eq!(begun(true).liveness(2000.0, Some(5.0)), Liveness::Stalled);
    }

    #[test]
    fn stalled_is_alive_and_hung_is_neither() {
        let pulse = trained([0.1; 50]);
        assert_eq!(pulse.liveness(70.0, Some(2.0)), Liveness::Stalled);
        assert_eq!(pulse.liveness(35.0, Some(35.0)), Liveness::Hung);
        // The heartbeat alone may die while all goes well: that is flagged as what it is.
        assert_eq!(pulse.liveness(5.0, Some(29.0)), Liveness::Held);
        assert_eq!(pulse.liveness(5.0, Some(31.0)), Liveness::Pulseless);
        // A worker of an earlier version has none.
        assert_eq!(begun(false).liveness(40.0, Some(40.0)), Liveness::Held);
    }

    #[test]
    fn what_is_over_keeps_no_pace() {
        let mut pulse = trained([0.1; 50]);
        pulse.take(&record(9.0, "\"stopped\",\"step\":1,\"train_time\":1"));
        assert_eq!((pulse.ended(), pulse.usual()), (Some(9.0), None));
        pulse.take(&record(10.0, "\"stopping\""));
        assert_eq!(pulse.last(), Some(10.0));
    }
}
