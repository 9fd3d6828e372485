//! What training needs, and how it ends.

use std::ops::Range;

use tch::Tensor;
use warmstart_runs::checkpoint::State;
use warmstart_runs::run::RunDir;
use warmstart_schema::experiment::{Experiment, NumberFormat};

use super::average::Average;
use super::batches::Examples;
use crate::interrupt::Interrupt;
use crate::model::Model;
use crate::optimizer::Optimizer;
use crate::parallel::Rank;
use crate::reporter::Reporter;

/// How an attempt ended when nothing went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    Finished {
        stopped_early: bool,
    },
    Stopped,
    /// At the end of this epoch it waits for its group.
    Paused {
        epoch: u32,
    },
}

/// What training works on.
#[derive(Debug)]
pub struct Setup<'a> {
    pub experiment: &'a Experiment,
    pub run: &'a RunDir,
    /// As set for the process by [`crate::device::configure`].
    pub format: NumberFormat,
    pub model: Model,
    pub optimizer: Optimizer,
    /// The average of the weights. Where there is one, it counts instead of them.
    pub average: Option<Average>,
    pub train: Examples,
    pub validation: Examples,
    pub test: Examples,
    /// Weight of an image of each class, `[C]` on the device; all weights are equal where absent.
    pub class_weights: Option<Tensor>,
    /// Where to start or resume.
    pub state: State,
    /// Optimizer steps of the whole run after which it saves and stops, as on a request.
    pub stop_after: Option<u64>,
    /// The epoch at whose end the run waits for its group; only rank 0 knows it.
    pub pause_after: Option<u32>,
    pub reporter: &'a mut Reporter,
    pub interrupt: &'a Interrupt,
    /// This process among those that train the run together; none where it trains alone.
    pub rank: Option<Rank>,
}

impl Setup<'_> {
    /// Whether this process logs and saves.
    pub(super) fn is_first(&self) -> bool {
        self.rank.as_ref().is_none_or(Rank::is_first)
    }

    /// The places of this process's images in a batch.
    pub(super) fn shard(&self, images: usize) -> Range<usize> {
        let rank = self.rank.as_ref();
        rank.map_or(0..images, |rank| rank.shard(images))
    }
}
