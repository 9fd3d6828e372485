//! Stochastic gradient descent, with or without momentum.

use anyhow::Result;
use tch::Tensor;

use super::rule::{Rule, zeros};
use crate::ffi::{self, SgdStep};

#[derive(Debug)]
pub(super) struct Sgd {
    momentum: f64,
    /// Whether a step looks ahead along the momentum.
    nesterov: bool,
    /// Added to the gradient.
    weight_decay: f64,
    /// One per parameter, or none without momentum.
    buffers: Vec<Tensor>,
}

impl Sgd {
    pub(super) fn new(
        params: &[Tensor],
        momentum: f64,
        nesterov: bool,
        weight_decay: f64,
    ) -> Result<Self> {
        Ok(Self {
            momentum,
            nesterov,
            weight_decay,
            buffers: if momentum == 0.0 {
                Vec::new()
            } else {
                zeros(params)?
            },
        })
    }
}

impl Rule for Sgd {
    fn step(&mut self, params: &[Tensor], _: i64, learning_rate: f64) -> Result<()> {
        let settings = SgdStep {
            lr: learning_rate,
            momentum: self.momentum,
            nesterov: self.nesterov,
            weight_decay: self.weight_decay,
        };
        ffi::sgd(params, &self.buffers, settings)
    }

    fn moments(&self) -> Vec<(&'static str, &[Tensor])> {
        vec![("momentum_buffer", &self.buffers)]
    }
}
