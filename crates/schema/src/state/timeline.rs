//! Bounded series of a run over time, for charts by time and by step.

use std::ops::Deref;

use serde::{Deserialize, Serialize};

use super::RunState;
use crate::event::{Batch, System};

/// How many points to keep of the progress within epochs: twenty for each column of dots on a terminal of 200 characters.
const MAX_PROGRESS: usize = 8192;
/// How many moments and samples to keep.
const MAX: usize = 4096;

/// A bounded series of points. When there are too many, neighbours are merged, and from then on as many new points are merged
/// too. So every part of a run has the same resolution, up to its newest point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Downsampled<T> {
    points: Vec<T>,
    /// How many samples make a point.
    stride: u32,
    /// How many samples the newest point has.
    newest: u32,
    /// Whether any two neighbours are merged, because too few of them may be.
    #[serde(default)]
    merges_any: bool,
}

impl<T> Default for Downsampled<T> {
    fn default() -> Self {
        Self {
            points: Vec::new(),
            stride: 1,
            newest: 0,
            merges_any: false,
        }
    }
}

impl<T> Deref for Downsampled<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.points
    }
}

/// A point that can be merged with the one after it.
pub trait Point {
    /// Whether this point and the next may be merged.
    fn may_merge(&self, next: &Self) -> bool;
    /// Merges the next point into this one.
    fn merge(&mut self, next: Self);
}

impl<T: Point> Downsampled<T> {
    pub(super) fn push(&mut self, point: T, most: usize) {
        let (is_open, merges_any) = (self.newest < self.stride, self.merges_any);
        if let Some(last) = self
            .points
            .last_mut()
            .filter(|last| is_open && (merges_any || last.may_merge(&point)))
        {
            last.merge(point);
            self.newest += 1;
            return;
        }
        if self.points.len() >= most {
            self.stride = self.stride.saturating_mul(2);
            if !self.merges_any {
                self.halve(T::may_merge);
                self.merges_any = self.points.len() > most / 4 * 3;
            }
            if self.merges_any {
                self.halve(|_, _| true);
            }
        }
        self.points.push(point);
        self.newest = 1;
    }

    fn halve(&mut self, may_merge: fn(&T, &T) -> bool) {
        let mut halved: Vec<T> = Vec::with_capacity(self.points.capacity());
        let mut is_open = false;
        for point in self.points.drain(..) {
            if let Some(last) = halved
                .last_mut()
                .filter(|last| is_open && may_merge(last, &point))
            {
                last.merge(point);
                is_open = false;
            } else {
                halved.push(point);
                is_open = true;
            }
        }
        self.points = halved;
    }
}

impl<T> Downsampled<T> {
    /// Drops points that do not match.
    pub(super) fn retain(&mut self, fits: impl FnMut(&T) -> bool) {
        self.points.retain(fits);
        if self.points.is_empty() {
            *self = Self::default();
        }
        // The next sample starts a new point.
        self.newest = self.stride;
    }

    /// Drops all but the newest point.
    pub(super) fn keep_newest(&mut self) {
        self.points = self.points.pop().into_iter().collect();
    }
}

/// Training since the point before, as far as the log has it: not every step is logged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// The newest logged step; speed and gradient norm are means over all of them.
    pub batch: Batch,
    /// How many logged steps these are.
    pub count: u32,
    /// The smallest and the largest gradient norm, and images per second.
    pub gradient_norm: (f64, f64),
    pub images_per_second: (f64, f64),
}

impl From<Batch> for Progress {
    fn from(batch: Batch) -> Self {
        let (norm, speed) = (batch.gradient_norm, batch.images_per_second);
        Self {
            batch,
            count: 1,
            gradient_norm: (norm, norm),
            images_per_second: (speed, speed),
        }
    }
}

impl Point for Progress {
    /// Losses are means since the epoch began, so an epoch's first is unrelated to the one before.
    fn may_merge(&self, next: &Self) -> bool {
        self.batch.epoch == next.batch.epoch
    }

    fn merge(&mut self, next: Self) {
        let (ours, theirs) = (f64::from(self.count), f64::from(next.count));
        let mean = |a: f64, b: f64| (a * ours + b * theirs) / (ours + theirs);
        let wider = |a: (f64, f64), b: (f64, f64)| (a.0.min(b.0), a.1.max(b.1));
        *self = Self {
            count: self.count.saturating_add(next.count),
            gradient_norm: wider(self.gradient_norm, next.gradient_norm),
            images_per_second: wider(self.images_per_second, next.images_per_second),
            batch: Batch {
                gradient_norm: mean(self.batch.gradient_norm, next.batch.gradient_norm),
                images_per_second: mean(self.batch.images_per_second, next.batch.images_per_second),
                ..next.batch
            },
        };
    }
}

/// A step and when it was done.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Moment {
    pub step: u64,
    /// Seconds since the Unix epoch.
    pub t: f64,
    /// Whether an epoch ended with it, validation included.
    pub ends_epoch: bool,
}

impl Point for Moment {
    fn may_merge(&self, _: &Self) -> bool {
        !self.ends_epoch
    }

    fn merge(&mut self, next: Self) {
        *self = next;
    }
}

/// Use of the machine at a moment, or up to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    pub step: u64,
    /// Seconds since the Unix epoch.
    pub t: f64,
    /// How many readings these are: utilization and power by their mean, memory by their maximum, all else by the newest.
    pub count: u32,
    pub system: System,
}

impl Point for Sample {
    fn may_merge(&self, _: &Self) -> bool {
        true
    }

    fn merge(&mut self, next: Self) {
        let (ours, theirs) = (f64::from(self.count), f64::from(next.count));
        let mean = |a: Option<f64>, b: Option<f64>| match (a, b) {
            (Some(a), Some(b)) => Some((a * ours + b * theirs) / (ours + theirs)),
            (a, b) => b.or(a),
        };
        *self = Self {
            count: self.count.saturating_add(next.count),
            system: System {
                gpu: mean(self.system.gpu, next.system.gpu),
                cpu: mean(self.system.cpu, next.system.cpu),
                gpu_power: mean(self.system.gpu_power, next.system.gpu_power),
                gpu_memory: self.system.gpu_memory.max(next.system.gpu_memory),
                memory: self.system.memory.max(next.system.memory),
                ..next.system
            },
            ..next
        };
    }
}

impl RunState {
    pub(super) fn add_moment(&mut self, step: u64, t: f64, ends_epoch: bool) {
        self.moments.push(
            Moment {
                step,
                t,
                ends_epoch,
            },
            MAX,
        );
    }

    pub(super) fn add_sample(&mut self, t: f64, system: System) {
        let step = self.moments.last().map_or(0, |moment| moment.step);
        self.samples.push(
            Sample {
                step,
                t,
                count: 1,
                system,
            },
            MAX,
        );
    }

    pub(super) fn add_progress(&mut self, batch: Batch) {
        self.batches.push(batch.into(), MAX_PROGRESS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, Phase, Record};

    const STEPS: u64 = 1000;

    fn batch(step: u64, gradient_norm: f64) -> Batch {
        let within = u32::try_from((step - 1) % STEPS + 1).unwrap();
        Batch {
            epoch: u32::try_from((step - 1) / STEPS + 1).unwrap(),
            step,
            batch: within,
            batches: 1000,
            // The loss of a step is its number in the epoch; the log has the mean since the epoch began.
            loss: f64::from(within + 1) / 2.0,
            accuracy: 0.5,
            learning_rate: 0.1,
            images_per_second: 100.0 + f64::from(within % 2),
            gradient_norm,
        }
    }

    /// A run of this many logged steps, with one exploding gradient.
    fn run_of(steps: u64, spike: u64) -> RunState {
        let mut state = RunState::default();
        state.apply(Record {
            t: 0.0,
            event: Event::Phase {
                phase: Phase::Training,
            },
        });
        for step in 1..=steps {
            let norm = if step == spike { 900.0 } else { 1.0 };
            state.apply(Record {
                t: step as f64,
                event: Event::Batch(batch(step, norm)),
            });
            let system = System {
                memory: Some(if step == spike { 9 } else { 5 }),
                ..System::default()
            };
            state.apply(Record {
                t: step as f64,
                event: Event::System(system),
            });
        }
        state
    }

    #[test]
    fn series_stay_short_with_the_same_resolution_everywhere() {
        for steps in [8_192, 8_193, 100_000, 300_000] {
            let state = run_of(steps, 12_345);
            for (row, most) in [
                (state.batches.len(), MAX_PROGRESS),
                (state.moments.len(), MAX),
                (state.samples.len(), MAX),
            ] {
                assert!(
                    row <= most && row >= most / 3,
                    "{steps} steps became {row} points"
                );
            }
            assert_eq!(
                state.batches.last().unwrap().batch.step,
                steps,
                "the newest is there"
            );
            assert_eq!(state.moments.last().unwrap().step, steps);
            assert_eq!(
                state
                    .batches
                    .iter()
                    .map(|point| u64::from(point.count))
                    .sum::<u64>(),
                steps,
                "none is lost"
            );
            let widest = state
                .moments
                .windows(2)
                .map(|pair| pair[1].step - pair[0].step)
                .max()
                .unwrap();
            assert!(
                widest <= 4 * steps / MAX as u64 + 1,
                "{steps} steps: {widest} in one gap"
            );
        }
    }

    #[test]
    fn extremes_and_means_survive_merging() {
        let state = run_of(100_000, 12_345);
        let highest = state
            .batches
            .iter()
            .find(|point| point.gradient_norm.1 > 899.0)
            .unwrap();
        assert!(
            highest.batch.step >= 12_345 && highest.batch.step - 12_345 < u64::from(highest.count)
        );
        let expected = (900.0 + f64::from(highest.count - 1)) / f64::from(highest.count);
        assert!(
            (highest.batch.gradient_norm - expected).abs() < 1e-9,
            "{highest:?}"
        );
        assert_eq!(highest.images_per_second, (100.0, 101.0));
        assert!((highest.batch.images_per_second - 100.5).abs() < 1e-9);
        assert_eq!(
            state
                .samples
                .iter()
                .filter(|sample| sample.system.memory == Some(9))
                .count(),
            1
        );
    }

    #[test]
    fn last_point_of_an_epoch_is_not_merged() {
        let state = run_of(100_000, 1);
        for epoch in 1..=100 {
            let last = state
                .batches
                .iter()
                .rfind(|point| point.batch.epoch == epoch)
                .unwrap();
            assert_eq!(last.batch.batch, 1000, "epoch {epoch}");
        }
    }

    #[test]
    fn ends_of_epochs_are_known_to_the_second() {
        let mut row = Downsampled::default();
        for step in 1..=200_000_u64 {
            row.push(
                Moment {
                    step,
                    t: step as f64,
                    ends_epoch: false,
                },
                MAX,
            );
            if step.is_multiple_of(STEPS) {
                row.push(
                    Moment {
                        step,
                        t: step as f64 + 0.5,
                        ends_epoch: true,
                    },
                    MAX,
                );
            }
        }
        let ends: Vec<u64> = row
            .iter()
            .filter(|moment| moment.ends_epoch)
            .map(|moment| moment.step)
            .collect();
        assert_eq!(
            ends,
            (1..=200).map(|epoch| epoch * STEPS).collect::<Vec<_>>()
        );
        assert!(row.is_sorted_by(|a, b| a.step <= b.step && a.t < b.t) && row.len() <= MAX);
    }

    #[test]
    fn more_epochs_than_points_stay_bounded_with_the_same_resolution_everywhere() {
        let epochs = 100_000_u32;
        let mut ends = Downsampled::default();
        let mut batches = Downsampled::<Progress>::default();
        for epoch in 1..=epochs {
            let step = u64::from(epoch);
            ends.push(
                Moment {
                    step,
                    t: step as f64,
                    ends_epoch: true,
                },
                MAX,
            );
            let batch = Batch {
                epoch,
                ..batch(step, 1.0)
            };
            batches.push(batch.into(), MAX);
        }
        assert!(
            ends.len() <= MAX && ends.last().unwrap().step == u64::from(epochs),
            "{}",
            ends.len()
        );
        let most = 4 * u64::from(epochs) / MAX as u64;
        let starts = std::iter::once(0).chain(ends.iter().map(|moment| moment.step));
        let widest = starts.zip(ends.iter()).map(|(start, end)| end.step - start);
        assert!(widest.max().unwrap() <= most);
        let counts = batches.iter().map(|point| u64::from(point.count));
        assert_eq!(counts.clone().sum::<u64>(), u64::from(epochs));
        assert!(batches.len() <= MAX && counts.max().unwrap() <= most);
    }

    #[test]
    fn series_that_lost_all_points_has_its_full_resolution_again() {
        let mut row = Downsampled::<Progress>::default();
        let push = |row: &mut Downsampled<Progress>, steps: u64| {
            for step in 1..=steps {
                row.push(batch(step, 1.0).into(), MAX);
            }
        };
        push(&mut row, 100_000);
        row.retain(|_| false);
        push(&mut row, 10);
        assert_eq!(row.len(), 10);
    }
}
