//! The lines of a run's charts. They are computed when a frame first needs them and cached until
//! the run changes.

use std::cell::OnceCell;
use std::collections::HashMap;

use warmstart_runs::run::RunId;
use warmstart_schema::event::{Batch, Epoch, System};
use warmstart_schema::state::{Progress, RunState};

use super::{ChartKind, Drawn, Smoothing, Times, XAxis};
use super::{Curve, Mean};

/// The role of a line in its chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Train,
    Validation,
    /// The only line, or the first of several equal ones.
    First,
    Second,
    Third,
}

/// A line of a chart.
#[derive(Debug)]
pub struct Line {
    pub name: &'static str,
    pub role: Role,
    pub curve: Curve,
    /// The smoothed line, if smoothing is on.
    pub smoothed: Option<Curve>,
}

/// The inputs of a run's lines: the cache key.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    along: XAxis,
    detail: Smoothing,
    shift: u64,
    until: Option<u64>,
    attempt: u32,
    batches: (usize, u64),
    epochs: (usize, u64),
    samples: (usize, u64),
}

impl Key {
    pub fn of(drawn: Drawn, along: XAxis, detail: Smoothing) -> Self {
        let state = &drawn.run.state;
        Self {
            along,
            detail,
            shift: drawn.shift.to_bits(),
            until: drawn.until,
            attempt: state.attempt.as_ref().map_or(0, |attempt| attempt.number),
            batches: (
                state.batches.len(),
                state
                    .batches
                    .last()
                    .map_or(0, |progress| progress.batch.step),
            ),
            epochs: (
                state.epochs.len(),
                state.epochs.last().map_or(0, |epoch| epoch.step),
            ),
            samples: (
                state.samples.len(),
                state.samples.last().map_or(0, |sample| sample.t.to_bits()),
            ),
        }
    }
}

/// The lines of every chart of a run.
type Charts = [OnceCell<Vec<Line>>; ChartKind::ALL.len()];

/// The cached lines of all shown runs.
#[derive(Debug, Default)]
pub struct Curves {
    of_runs: HashMap<RunId, (Option<Key>, Charts)>,
    nothing: Vec<Line>,
}

impl Curves {
    /// Keeps these runs in the cache and drops all others. Lines with another key are dropped too.
    pub fn keep(&mut self, runs: Vec<(RunId, Key)>) {
        self.of_runs
            .retain(|id, _| runs.iter().any(|(kept, _)| kept == id));
        for (id, key) in runs {
            let slot = self.of_runs.entry(id).or_default();
            if slot.0.as_ref() != Some(&key) {
                *slot = (Some(key), Charts::default());
            }
        }
    }

    /// The lines of a chart of a cached run.
    pub fn lines(&self, drawn: Drawn, quantity: ChartKind, how: (XAxis, Smoothing)) -> &[Line] {
        let Some((_, charts)) = self.of_runs.get(&drawn.run.id) else {
            return &self.nothing;
        };
        charts[quantity as usize].get_or_init(|| lines(drawn, quantity, how))
    }
}

/// Temperature, power and clock of a run's GPU, each with its unit. They are read at the cursor and not drawn.
pub fn gpu_readings(drawn: Drawn, along: XAxis) -> [(&'static str, Curve); 3] {
    let source = Source {
        state: &drawn.run.state,
        times: Times::of(&drawn.run.state, along),
        detail: Smoothing::Epochs,
        drawn,
    };
    [
        (
            "°C",
            source.samples(|system| system.gpu_temperature.map(f64::from)),
        ),
        ("W", source.samples(|system| system.gpu_power)),
        (
            "MHz",
            source.samples(|system| system.gpu_clock.map(f64::from)),
        ),
    ]
}

/// The lines of a chart of a run.
pub(super) fn lines(
    drawn: Drawn,
    quantity: ChartKind,
    (along, detail): (XAxis, Smoothing),
) -> Vec<Line> {
    let source = Source {
        state: &drawn.run.state,
        times: Times::of(&drawn.run.state, along),
        detail,
        drawn,
    };
    let lines = match quantity {
        ChartKind::Accuracy => vec![
            (
                "train",
                Role::Train,
                source.training(|epoch| epoch.train_acc, |batch| batch.accuracy),
            ),
            (
                "val",
                Role::Validation,
                source.epochs(|epoch| epoch.val_acc),
            ),
        ],
        ChartKind::Loss => vec![
            (
                "train",
                Role::Train,
                source.training(|epoch| epoch.train_loss, |batch| batch.loss),
            ),
            (
                "val",
                Role::Validation,
                source.epochs(|epoch| epoch.val_loss),
            ),
        ],
        ChartKind::LearningRate => {
            let rate = |progress: &Progress| (progress.batch.learning_rate, None);
            vec![(
                "",
                Role::First,
                source.batches(|epoch| epoch.learning_rate, rate),
            )]
        }
        ChartKind::Throughput => {
            let speed = |progress: &Progress| {
                (
                    progress.batch.images_per_second,
                    Some(progress.images_per_second),
                )
            };
            vec![(
                "",
                Role::First,
                source.batches(|epoch| epoch.images_per_second, speed),
            )]
        }
        ChartKind::GradientNorm => {
            let norm =
                |progress: &Progress| (progress.batch.gradient_norm, Some(progress.gradient_norm));
            vec![("", Role::First, source.batches(|_| f64::NAN, norm))]
        }
        ChartKind::Usage => vec![
            ("gpu", Role::First, source.samples(|system| system.gpu)),
            ("cpu", Role::Second, source.samples(|system| system.cpu)),
            (
                "waits for data",
                Role::Third,
                source.epochs(|epoch| epoch.data_wait.map_or(f64::NAN, |wait| wait * 100.0)),
            ),
        ],
        ChartKind::Memory => vec![
            (
                "gpu",
                Role::First,
                source.samples(|system| system.gpu_memory.map(|bytes| bytes as f64)),
            ),
            (
                "worker",
                Role::Second,
                source.samples(|system| system.memory.map(|bytes| bytes as f64)),
            ),
        ],
    };
    // The learning rate has no noise to smooth.
    let weight = detail
        .weight()
        .filter(|_| quantity != ChartKind::LearningRate);
    lines
        .into_iter()
        .filter(|(.., curve)| {
            curve.points().any(|point| !point.1.is_nan()) || quantity.is_by_epoch()
        })
        .map(|(name, role, curve)| Line {
            name,
            role,
            smoothed: weight.map(|weight| curve.smoothed(weight)),
            curve,
        })
        .collect()
}

/// The value of an interval of steps, and its range if known.
type FigureOf = fn(&Progress) -> (f64, Option<(f64, f64)>);

struct Source<'a> {
    state: &'a RunState,
    times: Times<'a>,
    detail: Smoothing,
    drawn: Drawn<'a>,
}

impl Source<'_> {
    fn curve(&self, points: impl Iterator<Item = (u64, Mean)>) -> Curve {
        let until = self.drawn.until.unwrap_or(u64::MAX);
        let shift = self.drawn.shift;
        Curve::of_means(
            points
                .filter(|point| point.0 <= until)
                .map(|(_, mean)| Mean {
                    x: mean.x + shift,
                    ..mean
                }),
        )
    }

    fn epochs(&self, figure: fn(&Epoch) -> f64) -> Curve {
        self.curve(
            self.state
                .epochs
                .iter()
                .map(|epoch| self.epoch(epoch, figure)),
        )
    }

    fn epoch(&self, epoch: &Epoch, figure: fn(&Epoch) -> f64) -> (u64, Mean) {
        (
            epoch.step,
            Mean::of(self.times.x_of_epoch(epoch), figure(epoch), 1),
        )
    }

    fn samples(&self, figure: fn(&System) -> Option<f64>) -> Curve {
        self.curve(self.state.samples.iter().map(|sample| {
            let y = figure(&sample.system).unwrap_or(f64::NAN);
            (
                sample.step,
                Mean::of(self.times.x_of_sample(sample), y, sample.count),
            )
        }))
    }

    /// A figure and its range for every point within epochs; per epoch if there are no points.
    fn batches(&self, of_epoch: fn(&Epoch) -> f64, figure: FigureOf) -> Curve {
        if self.state.batches.is_empty() {
            return self.epochs(of_epoch);
        }
        self.curve(self.state.batches.iter().map(|progress| {
            let (y, y_range) = figure(progress);
            let (step, mean) = self.point(progress, y);
            (
                step,
                Mean {
                    y_range: y_range.unwrap_or(mean.y_range),
                    ..mean
                },
            )
        }))
    }

    fn point(&self, progress: &Progress, y: f64) -> (u64, Mean) {
        (
            progress.batch.step,
            Mean::of(self.times.x_of_batch(&progress.batch), y, progress.count),
        )
    }

    /// A training figure: the mean of each epoch, or of each interval between two points. Within
    /// the first epoch: the running means.
    fn training(&self, of_epoch: fn(&Epoch) -> f64, so_far: fn(&Batch) -> f64) -> Curve {
        let RunState {
            batches, epochs, ..
        } = self.state;
        if self.detail != Smoothing::Epochs && !batches.is_empty() {
            let before =
                std::iter::once(None).chain(batches.iter().map(|progress| Some(&progress.batch)));
            let stretches = batches.iter().zip(before);
            return self.curve(stretches.map(|(progress, before)| {
                self.point(progress, stretch(before, &progress.batch, so_far))
            }));
        }
        if epochs.is_empty() {
            return self.curve(
                batches
                    .iter()
                    .map(|progress| self.point(progress, so_far(&progress.batch))),
            );
        }
        let ended = epochs.last().map_or(0, |epoch| epoch.step);
        let at_work = batches
            .last()
            .filter(|progress| progress.batch.step > ended);
        let at_work = at_work.map(|progress| self.point(progress, so_far(&progress.batch)));
        self.curve(
            epochs
                .iter()
                .map(|epoch| self.epoch(epoch, of_epoch))
                .chain(at_work),
        )
    }
}

/// The mean over the batches since the previous point, from two running means of the epoch.
fn stretch(before: Option<&Batch>, batch: &Batch, so_far: fn(&Batch) -> f64) -> f64 {
    let mean = so_far(batch);
    match before.filter(|before| before.epoch == batch.epoch && before.batch < batch.batch) {
        None => mean,
        Some(before) => {
            let (done, all) = (f64::from(before.batch), f64::from(batch.batch));
            (mean * all - so_far(before) * done) / (all - done)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(epoch: u32, batch: u32, loss: f64) -> Batch {
        Batch {
            epoch,
            step: u64::from((epoch - 1) * 10 + batch),
            batch,
            batches: 10,
            loss,
            accuracy: 0.0,
            learning_rate: 0.0,
            images_per_second: 0.0,
            gradient_norm: 0.0,
        }
    }

    #[test]
    fn interval_mean_is_recovered_from_running_means() {
        // Batches with the losses 4, 4, 3 and 3; the log has the running means after two and after four batches.
        let points = [batch(1, 2, 4.0), batch(1, 4, 3.5), batch(2, 3, 2.5)];
        let of = |before: Option<usize>, at: usize| {
            stretch(before.map(|at| &points[at]), &points[at], |b| b.loss)
        };
        assert!((of(None, 0) - 4.0).abs() < 1e-12);
        assert!((of(Some(0), 1) - 3.0).abs() < 1e-12);
        // A new epoch starts a new mean.
        assert!((of(Some(1), 2) - 2.5).abs() < 1e-12);
    }
}
