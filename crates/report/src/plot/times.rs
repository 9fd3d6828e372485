//! Where epochs, batches, samples and steps lie on an x axis: epoch, step, time, or training time.

use warmstart_schema::event::{Batch, Epoch};
use warmstart_schema::state::{RunState, Sample};

use super::XAxis;
use warmstart_runs::store::Run;

/// Whether a chart has a point for each epoch, and so starts at the first, or for each logged step, and so starts at 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Points {
    PerEpoch,
    PerStep,
}

/// The x positions of a run on one axis, in its unit: epochs, steps, or seconds.
#[derive(Debug)]
pub struct Times<'a> {
    state: &'a RunState,
    along: XAxis,
    /// Steps and their x on an axis of seconds, between which others are interpolated. Neither ever decreases.
    track: Vec<(f64, f64)>,
}

impl<'a> Times<'a> {
    pub fn of(state: &'a RunState, along: XAxis) -> Self {
        let first = state.first_event.unwrap_or(0.0);
        let track = match along {
            XAxis::Epoch | XAxis::Step => Vec::new(),
            XAxis::Time => {
                let moments = state.moments.iter();
                ascending(moments.map(|moment| (moment.step as f64, moment.t - first)))
            }
            XAxis::Training => {
                let ends = state
                    .epochs
                    .iter()
                    .map(|epoch| (epoch.step as f64, epoch.train_time));
                let start = std::iter::once((0.0, 0.0));
                ascending(start.chain(ends).chain(at_work(state)))
            }
        };
        Self {
            state,
            along,
            track,
        }
    }

    /// The x of the end of an epoch; on the axis of time, of the end of its validation.
    pub fn x_of_epoch(&self, epoch: &Epoch) -> f64 {
        match self.along {
            XAxis::Epoch => f64::from(epoch.epoch),
            XAxis::Step => epoch.step as f64,
            XAxis::Training => epoch.train_time,
            XAxis::Time => {
                let step = epoch.step as f64;
                let after = self.track.partition_point(|anchor| anchor.0 <= step);
                // The last moment of the step at which the epoch ended. Very long runs do not keep it for every epoch.
                match after.checked_sub(1).map(|at| self.track[at]) {
                    Some((known, x)) if known >= step => x,
                    _ => self.x_of_step(step),
                }
            }
        }
    }

    /// The x of the end of a batch; on the axis of epochs, a fraction.
    pub fn x_of_batch(&self, batch: &Batch) -> f64 {
        match self.along {
            XAxis::Epoch => {
                let share = f64::from(batch.batch) / f64::from(batch.batches.max(1));
                f64::from(batch.epoch.saturating_sub(1)) + share
            }
            _ => self.x_of_step(batch.step as f64),
        }
    }

    /// The x of a reading of the machine's use.
    pub fn x_of_sample(&self, sample: &Sample) -> f64 {
        match self.along {
            XAxis::Time => {
                let step = sample.step as f64;
                let earlier = self.track.partition_point(|anchor| anchor.0 < step);
                // The reading is from after these steps, also where the clock was set back.
                let least = earlier.checked_sub(1).map_or(0.0, |at| self.track[at].1);
                (sample.t - self.state.first_event.unwrap_or(0.0)).max(least)
            }
            _ => self.x_of_step(sample.step as f64),
        }
    }

    /// The x of a step, which may be a fraction.
    pub fn x_of_step(&self, step: f64) -> f64 {
        match self.along {
            XAxis::Epoch => step / self.steps_per_epoch(),
            XAxis::Step => step,
            XAxis::Time | XAxis::Training => interpolated(&self.track, step, |pair| pair),
        }
    }

    /// The step at an x, as a fraction between two steps.
    pub fn step_at(&self, x: f64) -> f64 {
        match self.along {
            XAxis::Epoch => x * self.steps_per_epoch(),
            XAxis::Step => x,
            XAxis::Time | XAxis::Training => interpolated(&self.track, x, |(step, x)| (x, step)),
        }
    }

    fn steps_per_epoch(&self) -> f64 {
        self.state
            .dataset
            .as_ref()
            .map_or(1.0, |dataset| f64::from(dataset.steps_per_epoch.max(1)))
    }

    /// The largest x with data.
    fn end(&self) -> f64 {
        let epoch = self.state.epochs.last().map(|epoch| self.x_of_epoch(epoch));
        let batch = self
            .state
            .batches
            .last()
            .map(|progress| self.x_of_batch(&progress.batch));
        // The machine is also read before the first batch and after the last epoch. Only time passes there, and no steps.
        let sample = self
            .state
            .samples
            .last()
            .filter(|_| self.along == XAxis::Time)
            .map(|sample| self.x_of_sample(sample));
        [epoch, batch, sample]
            .into_iter()
            .flatten()
            .filter(|end| end.is_finite())
            .fold(0.0, f64::max)
    }

    /// The first and the last x of the axis. By epoch or step, a live run shows all planned epochs once one eighth of them is done,
    /// and before that four times the epochs done; so the axis rarely moves. Otherwise it is the range of the data.
    pub fn extent(&self, run: &Run, points: Points) -> (f64, f64) {
        let in_epochs = Times {
            state: self.state,
            along: XAxis::Epoch,
            track: Vec::new(),
        };
        let scale = match self.along {
            XAxis::Epoch => 1.0,
            XAxis::Step => self.steps_per_epoch(),
            XAxis::Time | XAxis::Training => {
                let end = self.end();
                return (0.0, if end > 0.0 { end } else { 1.0 });
            }
        };
        let first = self.state.epochs.first();
        let high = first.map_or(1.0, |_| in_epochs.last_epoch(run));
        let Some(first) = first.filter(|_| points == Points::PerEpoch) else {
            return (0.0, high.max(1.0) * scale);
        };
        let first = f64::from(first.epoch);
        let low = if self.along == XAxis::Epoch {
            first
        } else {
            0.0
        };
        if high > low {
            (low * scale, high * scale)
        } else {
            ((low - 1.0) * scale, (low + 1.0) * scale)
        }
    }

    /// The last epoch that an axis of epochs shows.
    fn last_epoch(&self, run: &Run) -> f64 {
        let done = self.end().ceil();
        let planned = self.state.epochs_planned().map_or(done, f64::from);
        if !run.status().is_live() {
            done
        } else if done * 8.0 >= planned {
            planned.max(done)
        } else {
            done * 4.0
        }
    }
}

/// The newest step of an unfinished epoch and its training time, estimated from the pace.
fn at_work(state: &RunState) -> Option<(f64, f64)> {
    let batch = &state.batches.last()?.batch;
    let (step, before) = state
        .epochs
        .last()
        .map_or((0, 0.0), |epoch| (epoch.step, epoch.train_time));
    let images = f64::from(state.dataset.as_ref()?.train);
    let share = f64::from(batch.batch) / f64::from(batch.batches.max(1));
    let seconds = images * share / batch.images_per_second;
    (batch.step > step && seconds.is_finite()).then_some((batch.step as f64, before + seconds))
}

/// Raises each number of the pairs to the largest before it, because interpolation searches them. The wall clock may be set back, and
/// time stands still until it catches up.
fn ascending(pairs: impl Iterator<Item = (f64, f64)>) -> Vec<(f64, f64)> {
    let mut last = (0.0_f64, 0.0_f64);
    pairs
        .map(|(step, x)| {
            last = (last.0.max(step), last.1.max(x));
            last
        })
        .collect()
}

/// Interpolates linearly in the track, and extrapolates before its first pair and after its last. `known_first` puts the number of a pair
/// that is known, `at`, before the one that is wanted.
fn interpolated(track: &[(f64, f64)], at: f64, known_first: fn((f64, f64)) -> (f64, f64)) -> f64 {
    let after = track
        .partition_point(|pair| known_first(*pair).0 < at)
        .clamp(1, track.len().max(2) - 1);
    let (Some(&from), Some(&to)) = (track.get(after - 1), track.get(after)) else {
        return track.first().map_or(0.0, |pair| known_first(*pair).1);
    };
    let ((x0, y0), (x1, y1)) = (known_first(from), known_first(to));
    if x1 > x0 {
        y0 + (at - x0) / (x1 - x0) * (y1 - y0)
    } else {
        y1
    }
}

#[cfg(test)]
mod tests {
    use warmstart_schema::event::{Event, Phase, Record, System};

    use super::*;

    #[test]
    fn an_axis_of_time_reaches_the_newest_reading_of_the_machine() {
        let phase = |phase| Event::Phase { phase };
        let reading = || Event::System(System::default());
        let epoch = Event::Epoch(Epoch {
            epoch: 1,
            step: 4,
            ..Epoch::default()
        });
        let loading = vec![(100.0, phase(Phase::Loading)), (160.0, reading())];
        let testing = vec![
            (100.0, phase(Phase::Training)),
            (110.0, epoch),
            (120.0, phase(Phase::Testing)),
            (170.0, reading()),
        ];
        for (events, seconds, epochs) in [(loading, 60.0, 0.0), (testing, 70.0, 1.0)] {
            let records = events.into_iter().map(|(t, event)| Record { t, event });
            let state = RunState::fold(records);
            for (along, expected) in [(XAxis::Time, seconds), (XAxis::Epoch, epochs)] {
                let found = Times::of(&state, along).end();
                assert!((found - expected).abs() < 1e-9, "{found} {along:?}");
            }
        }
    }

    #[test]
    fn each_of_very_many_epochs_has_its_own_time() {
        let records = (1..=10_000_u32).map(|epoch| Record {
            t: 3.0 * f64::from(epoch),
            event: Event::Epoch(Epoch {
                epoch,
                step: u64::from(epoch),
                ..Epoch::default()
            }),
        });
        let state = RunState::fold(records);
        let times = Times::of(&state, XAxis::Time);
        for epoch in &state.epochs {
            let expected = 3.0 * f64::from(epoch.epoch - 1);
            let found = times.x_of_epoch(epoch);
            assert!((found - expected).abs() < 1e-6, "{found}: {epoch:?}");
        }
    }

    /// The end of a step of the first epoch, which has four.
    fn batch(step: u32) -> Event {
        Event::Batch(Batch {
            epoch: 1,
            step: u64::from(step),
            batch: step,
            batches: 4,
            loss: 0.0,
            accuracy: 0.0,
            learning_rate: 0.0,
            images_per_second: 0.0,
            gradient_norm: 0.0,
        })
    }

    #[test]
    fn readings_stay_behind_their_steps_while_a_clock_that_was_set_back_catches_up() {
        let reading = || Event::System(System::default());
        let training = Event::Phase {
            phase: Phase::Training,
        };
        let events = [
            (100.0, training),
            (60.0, reading()),
            (110.0, batch(1)),
            (111.0, reading()),
            (120.0, batch(2)),
            (121.0, reading()),
            (40.0, batch(3)),
            (41.0, reading()),
            (130.0, batch(4)),
            (131.0, reading()),
        ];
        let state = RunState::fold(events.map(|(t, event)| Record { t, event }));
        let times = Times::of(&state, XAxis::Time);
        let xs: Vec<f64> = state
            .samples
            .iter()
            .map(|sample| times.x_of_sample(sample))
            .collect();
        assert_eq!(xs, [0.0, 11.0, 21.0, 20.0, 31.0]);
    }

    #[test]
    fn time_stands_still_while_a_clock_that_was_set_back_catches_up() {
        let training = Event::Phase {
            phase: Phase::Training,
        };
        let events = [
            (100.0, training),
            (110.0, batch(1)),
            (120.0, batch(2)),
            (40.0, batch(3)),
            (130.0, batch(4)),
        ];
        let state = RunState::fold(events.map(|(t, event)| Record { t, event }));
        let times = Times::of(&state, XAxis::Time);
        let xs: Vec<f64> = (1..=4)
            .map(|step| times.x_of_step(f64::from(step)))
            .collect();
        assert_eq!(xs, [10.0, 20.0, 20.0, 30.0]);
        assert!((times.step_at(25.0) - 3.5).abs() < 1e-12);
        assert!((times.step_at(15.0) - 1.5).abs() < 1e-12);
    }
}
