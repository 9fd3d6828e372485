//! Parameter counts, as the study and Keras report them.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use super::block::Architecture;
use super::{HeadSpec, TensorSpec};
use crate::text;

/// More than any model has. A sum of such counts over all blocks of a log does not overflow.
const MOST: u64 = 1 << 40;

/// The parameters of a part of a model, by whether they train.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParamCounts {
    /// Parameters and statistics together.
    pub total: u64,
    /// Parameters that gradient descent moves.
    pub trainable: u64,
    /// Frozen parameters.
    pub frozen: u64,
    /// Running means and variances of batch normalization.
    pub statistics: u64,
}

impl ParamCounts {
    /// Keras's "non-trainable": frozen parameters and all statistics.
    pub fn non_trainable(&self) -> u64 {
        self.frozen + self.statistics
    }

    fn sanitized(self) -> Self {
        Self {
            total: self.total.min(MOST),
            trainable: self.trainable.min(MOST),
            frozen: self.frozen.min(MOST),
            statistics: self.statistics.min(MOST),
        }
    }

    fn of<'a>(tensors: impl IntoIterator<Item = &'a TensorSpec>, frozen: bool) -> Self {
        let mut counts = Self::default();
        for tensor in tensors {
            counts.total += tensor.len();
            *match (tensor.kind.is_statistic(), frozen) {
                (true, _) => &mut counts.statistics,
                (false, true) => &mut counts.frozen,
                (false, false) => &mut counts.trainable,
            } += tensor.len();
        }
        counts
    }
}

impl AddAssign for ParamCounts {
    fn add_assign(&mut self, other: Self) {
        self.total += other.total;
        self.trainable += other.trainable;
        self.frozen += other.frozen;
        self.statistics += other.statistics;
    }
}

/// The counts of one block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockCounts {
    /// The block's name, `head` for the last.
    pub name: String,
    #[serde(flatten)]
    pub counts: ParamCounts,
}

/// The counts of a whole model and of each of its blocks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelCounts {
    /// The backbone's blocks in order, then the head.
    pub blocks: Vec<BlockCounts>,
    pub total: ParamCounts,
}

impl ModelCounts {
    /// Sanitizes it, because a log may come from anywhere.
    #[must_use]
    pub fn sanitized(mut self) -> Self {
        for block in &mut self.blocks {
            block.name = text::line(&block.name, 80);
            block.counts = block.counts.sanitized();
        }
        self.total = self.total.sanitized();
        self
    }
}

/// Counts a model whose first `frozen_blocks` blocks are frozen; a larger number freezes the whole backbone.
pub fn count(architecture: &Architecture, head: &HeadSpec, frozen_blocks: usize) -> ModelCounts {
    let mut blocks: Vec<_> = architecture
        .blocks
        .iter()
        .enumerate()
        .map(|(i, block)| BlockCounts {
            name: block.name.clone(),
            counts: ParamCounts::of(&block.tensors, i < frozen_blocks),
        })
        .collect();
    blocks.push(BlockCounts {
        name: "head".to_owned(),
        counts: ParamCounts::of(&head.tensors(), false),
    });
    let mut total = ParamCounts::default();
    for block in &blocks {
        total += block.counts;
    }
    ModelCounts { blocks, total }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_a_foreign_logs_counts_do_not_overflow() {
        let absurd = ParamCounts {
            total: u64::MAX,
            trainable: u64::MAX,
            frozen: u64::MAX,
            statistics: u64::MAX,
        };
        let block = BlockCounts {
            name: "stem".to_owned(),
            counts: absurd,
        };
        let foreign = ModelCounts {
            blocks: vec![block; 10_000],
            total: absurd,
        };
        let ModelCounts { blocks, mut total } = foreign.sanitized();
        for block in &blocks {
            total += block.counts;
        }
        assert!(total.non_trainable() > total.frozen);
    }
}
