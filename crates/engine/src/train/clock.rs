//! How far and how fast training and evaluation go, and how much of the time they wait for pictures.

use std::time::{Duration, Instant};

use warmstart_runs::checkpoint::Sums;
use warmstart_schema::event::{Event, Phase, PhaseProgress};

/// Measures the training of an epoch in this process: since it began, was resumed, or last saved in the middle of the epoch.
#[derive(Debug)]
pub(super) struct Clock {
    pub started: Instant,
    /// The images of the steps since then, of all processes.
    pub images: usize,
    /// How long it waited for pictures since then; none where they need not be decoded.
    pub waited: Option<Duration>,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self {
            started: Instant::now(),
            images: 0,
            waited: None,
        }
    }

    /// Images a second, and the share of time spent waiting for pictures.
    pub(super) fn pace(&self) -> (f64, Option<f64>) {
        let seconds = self.started.elapsed().as_secs_f64().max(1e-9);
        (
            self.rate(),
            self.waited
                .map(|waited| (waited.as_secs_f64() / seconds).min(1.0)),
        )
    }

    /// Images a second.
    pub(super) fn rate(&self) -> f64 {
        self.images as f64 / self.started.elapsed().as_secs_f64().max(1e-9)
    }
}

/// How far an evaluation is: `done` of `total` batches, and `images` of all processes. `sums` are of this process alone.
pub(super) fn evaluation_progress(
    phase: Phase,
    (epoch, step): (u32, u64),
    (sums, images): (&Sums, usize),
    (done, total): (usize, usize),
    started: Instant,
) -> Event {
    Event::Progress(PhaseProgress {
        phase,
        epoch,
        step,
        done: count(done),
        total: count(total),
        images_per_second: images as f64 / started.elapsed().as_secs_f64().max(1e-9),
        loss: Some(sums.mean_loss()),
        accuracy: Some(sums.accuracy()),
    })
}

/// A count as the log has it.
pub(super) fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
