//! What every optimizer has in common.

use anyhow::Result;
use tch::Tensor;

/// The update of parameters from their gradients, with the moments that it needs. One file per optimizer.
pub trait Rule: std::fmt::Debug {
    /// Moves every parameter. `params` are those that the rule was made for, in the same order; `step` counts from 1. An error where
    /// a parameter has no gradient.
    fn step(&mut self, params: &[Tensor], step: i64, learning_rate: f64) -> Result<()>;

    /// What a checkpoint keeps: for each moment a suffix to the parameters' names, and a tensor for each parameter, of the same
    /// shape. SGD without momentum has a suffix, but no tensors.
    fn moments(&self) -> Vec<(&'static str, &[Tensor])>;
}

/// Zeros for each parameter, with its shape, device and memory layout.
pub(super) fn zeros(params: &[Tensor]) -> Result<Vec<Tensor>> {
    params
        .iter()
        .map(|param| Ok(param.f_detach()?.f_zeros_like()?))
        .collect()
}
