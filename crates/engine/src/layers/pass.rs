//! What a forward pass is for.

/// How a forward pass treats batch normalization, residual paths and memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// Stored statistics; autograd records nothing.
    Inference,
    /// Inference by weights that do not change: a convolution may use weights with the normalization folded in. Convolutions
    /// before a gate, and depthwise ones on the CPU, do not.
    Frozen,
    /// Autograd records it, so what the backward pass needs must not be overwritten.
    Train {
        statistics: Statistics,
        /// Decides which residual paths are dropped for which image; none are without it.
        path_seed: Option<u64>,
    },
}

/// What batch normalization normalizes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statistics {
    /// The batch's own mean and variance; they also update the running ones.
    Batch,
    /// The running mean and variance.
    Stored,
}

impl Pass {
    pub(crate) fn is_recorded(self) -> bool {
        matches!(self, Self::Train { .. })
    }

    pub(crate) fn uses_batch_statistics(self) -> bool {
        matches!(
            self,
            Self::Train {
                statistics: Statistics::Batch,
                ..
            }
        )
    }

    pub(super) fn path_seed(self) -> Option<u64> {
        match self {
            Self::Inference | Self::Frozen => None,
            Self::Train { path_seed, .. } => path_seed,
        }
    }
}
