//! What every optimizer has in common.

use anyhow::Result;
use tch::Tensor;

/// The update of parameters from their gradients, with the moments that it needs. One file per optimizer.
pub trait Rule: std::fmt::Debug {
    /// Moves every parameter; `step` counts from 1. An error where a parameter has no gradient.
    fn step(&mut self, params: &[Tensor], step: i64, learning_rate: f64) -> Result<()>;

    /// The moments for checkpoints: a suffix for the parameters' names, and one tensor for each parameter.
    fn moments(&self) -> Vec<(&'static str, &[Tensor])>;
}

/// A zero for each parameter, of its shape.
pub(super) fn zeros(params: &[Tensor]) -> Result<Vec<Tensor>> {
    params
        .iter()
        .map(|param| Ok(param.f_detach()?.f_zeros_like()?))
        .collect()
}
