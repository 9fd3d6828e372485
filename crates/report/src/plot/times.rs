//! Maps steps, epochs and samples to positions on an x axis: epoch, step, time, or training time.

use warmstart_schema::event::{Batch, Epoch};
use warmstart_schema::state::{RunState, Sample};

use super::XAxis;
use warmstart_runs::store::Run;

/// A run's positions on one x axis.
#[derive(Debug)]
pub struct Times<'a> {
    state: &'a RunState,
    along: XAxis,
    /// Steps and their positions, both increasing; interpolate between them.
    track: Vec<(f64, f64)>,
}

impl<'a> Times<'a> {
    pub fn of(state: &'a RunState, along: XAxis) -> Self {
        let first = state.first_event.unwrap_or(0.0);
        let track = match along {
            XAxis::Epoch | XAxis::Step => Vec::new(),
            XAxis::Time => state
                .moments
                .iter()
                .map(|moment| (moment.step as f64, moment.t - first))
                .collect(),
            XAxis::Training => {
                let ends = state
                    .epochs
                    .iter()
                    .map(|epoch| (epoch.step as f64, epoch.train_time));
                std::iter::once((0.0, 0.0))
                    .chain(ends)
                    .chain(at_work(state))
                    .collect()
            }
        };
        Self {
            state,
            along,
            track,
        }
    }

    pub fn epoch(&self, epoch: &Epoch) -> f64 {
        match self.along {
            XAxis::Epoch => f64::from(epoch.epoch),
            XAxis::Step => epoch.step as f64,
            XAxis::Training => epoch.train_time,
            // The last event of the epoch: the end of validation.
            XAxis::Time => {
                let after = self
                    .track
                    .partition_point(|anchor| anchor.0 <= epoch.step as f64);
                after.checked_sub(1).map_or(0.0, |at| self.track[at].1)
            }
        }
    }

    pub fn batch(&self, batch: &Batch) -> f64 {
        match self.along {
            XAxis::Epoch => {
                let share = f64::from(batch.batch) / f64::from(batch.batches.max(1));
                f64::from(batch.epoch.saturating_sub(1)) + share
            }
            _ => self.at(batch.step as f64),
        }
    }

    pub fn sample(&self, sample: &Sample) -> f64 {
        match self.along {
            XAxis::Time => sample.t - self.state.first_event.unwrap_or(0.0),
            _ => self.at(sample.step as f64),
        }
    }

    /// The position of a step.
    pub fn at(&self, step: f64) -> f64 {
        match self.along {
            XAxis::Epoch => step / self.steps_per_epoch(),
            XAxis::Step => step,
            XAxis::Time | XAxis::Training => between(&self.track, step, |anchor| anchor),
        }
    }

    /// The step at a position.
    pub fn step_at(&self, place: f64) -> f64 {
        match self.along {
            XAxis::Epoch => place * self.steps_per_epoch(),
            XAxis::Step => place,
            XAxis::Time | XAxis::Training => {
                between(&self.track, place, |(step, place)| (place, step))
            }
        }
    }

    fn steps_per_epoch(&self) -> f64 {
        self.state
            .dataset
            .as_ref()
            .map_or(1.0, |dataset| f64::from(dataset.steps_per_epoch.max(1)))
    }

    /// The newest position with data.
    fn end(&self) -> f64 {
        let epoch = self.state.epochs.last().map(|epoch| self.epoch(epoch));
        let batch = self
            .state
            .batches
            .last()
            .map(|progress| self.batch(&progress.batch));
        [epoch, batch]
            .into_iter()
            .flatten()
            .filter(|end| end.is_finite())
            .fold(0.0, f64::max)
    }

    /// The range of the axis. A live run that is at least one eighth done shows all planned epochs,
    /// so that the axis does not move. Otherwise, and for time, the range of the data.
    pub fn extent(&self, run: &Run, by_epoch: bool) -> (f64, f64) {
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
        let Some(first) = self.state.epochs.first().filter(|_| by_epoch) else {
            let high = if self.state.epochs.is_empty() {
                1.0
            } else {
                in_epochs.planned_end(run)
            };
            return (0.0, high.max(1.0) * scale);
        };
        let (first, high) = (f64::from(first.epoch), in_epochs.planned_end(run));
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

    fn planned_end(&self, run: &Run) -> f64 {
        let done = self.end().ceil();
        let planned = self.state.epochs_planned().map_or(done, f64::from);
        match run.status().is_live() {
            true if done * 8.0 >= planned => planned.max(done),
            true => (done * 4.0).min(planned.max(done)),
            false => done,
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

/// Interpolates the second value of the pairs at a first value, and extrapolates after the last
/// pair.
fn between(track: &[(f64, f64)], at: f64, turned: fn((f64, f64)) -> (f64, f64)) -> f64 {
    let after = track
        .partition_point(|pair| turned(*pair).0 < at)
        .clamp(1, track.len().max(2) - 1);
    let (Some(&from), Some(&to)) = (track.get(after - 1), track.get(after)) else {
        return track.first().map_or(0.0, |pair| turned(*pair).1);
    };
    let ((x0, y0), (x1, y1)) = (turned(from), turned(to));
    if x1 > x0 {
        y0 + (at - x0) / (x1 - x0) * (y1 - y0)
    } else {
        y1
    }
}
