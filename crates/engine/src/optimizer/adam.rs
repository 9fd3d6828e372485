//! Adam (Kingma and Ba 2015).

use anyhow::Result;
use tch::{Device, Kind, Tensor};

use super::rule::{Rule, zeros};
use crate::ffi::{self, AdamMoments, AdamStep};

#[derive(Debug)]
pub struct Adam {
    /// Decay of the mean of gradients.
    pub beta1: f64,
    /// Decay of the mean of squared gradients.
    pub beta2: f64,
    pub eps: f64,
    pub weight_decay: f64,
    /// Whether weight decay shrinks the weight itself instead of being added to the gradient.
    pub(super) decoupled: bool,
    moments: AdamMoments,
}

impl Adam {
    /// With `PyTorch`'s constants.
    pub fn new(params: &[Tensor], weight_decay: f64) -> Result<Self> {
        Ok(Self {
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weight_decay,
            decoupled: false,
            moments: AdamMoments {
                exp_avgs: zeros(params)?,
                exp_avg_sqs: zeros(params)?,
            },
        })
    }
}

impl Rule for Adam {
    fn step(&mut self, params: &[Tensor], step: i64, learning_rate: f64) -> Result<()> {
        let device = params.first().map_or(Device::Cpu, Tensor::device);
        let steps = Tensor::f_full([], step as f64, (Kind::Float, device))?;
        let constants = AdamStep {
            decoupled: self.decoupled,
            lr: learning_rate,
            beta1: self.beta1,
            beta2: self.beta2,
            weight_decay: self.weight_decay,
            eps: self.eps,
        };
        ffi::adam(params, &self.moments, &steps, constants)
    }

    fn moments(&self) -> Vec<(&'static str, &[Tensor])> {
        vec![
            ("exp_avg", &self.moments.exp_avgs),
            ("exp_avg_sq", &self.moments.exp_avg_sqs),
        ]
    }
}
