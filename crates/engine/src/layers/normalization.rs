//! Batch normalization.

use anyhow::Result;
use tch::Tensor;
use warmstart_schema::architecture::{self as spec, Activation};

use super::activation::activate;
use super::pass::Pass;
use super::tensors::{Tensors, named};
use crate::blocks;

/// Share of a new batch's statistics in the running ones; `PyTorch`'s default, which timm keeps.
const MOMENTUM: f64 = 0.1;

/// Batch normalization (Ioffe and Szegedy 2015) over everything but the channels. All tensors are `[C]`.
#[derive(Debug)]
pub(crate) struct BatchNorm {
    pub(super) weight: Tensor,
    pub(super) bias: Tensor,
    /// The running mean.
    pub(super) mean: Tensor,
    /// The running variance.
    pub(super) var: Tensor,
    /// Added to the variance.
    pub(super) epsilon: f64,
}

impl BatchNorm {
    /// Takes `prefix.weight`, `.bias`, `.running_mean` and `.running_var`.
    pub(crate) fn new(prefix: &str, epsilon: f64, tensors: &Tensors) -> Result<Self> {
        let get = |suffix: &str| named(tensors, &format!("{prefix}.{suffix}"));
        let (weight, bias) = (get("weight")?, get("bias")?);
        Ok(Self {
            weight,
            bias,
            mean: get("running_mean")?,
            var: get("running_var")?,
            epsilon,
        })
    }

    /// The arguments of the CPU's own kernels.
    pub(super) fn for_kernels(&self, pass: Pass) -> blocks::Norm<'_> {
        blocks::Norm {
            weight: &self.weight,
            bias: &self.bias,
            mean: &self.mean,
            var: &self.var,
            batch_statistics: pass.uses_batch_statistics(),
            momentum: MOMENTUM,
            epsilon: self.epsilon,
        }
    }

    /// `[N, C]` or `[N, C, H, W]` to the same shape. By batch statistics, it also updates the running ones.
    pub(crate) fn forward(&self, x: &Tensor, pass: Pass) -> Result<Tensor> {
        const MAY_USE_CUDNN: bool = true;
        let [weight, bias, mean, var] = [&self.weight, &self.bias, &self.mean, &self.var].map(Some);
        Ok(x.f_batch_norm(
            weight,
            bias,
            mean,
            var,
            pass.uses_batch_statistics(),
            MOMENTUM,
            self.epsilon,
            MAY_USE_CUDNN,
        )?)
    }
}

/// Batch normalization alone, and an activation.
#[derive(Debug)]
pub(crate) struct Norm {
    norm: BatchNorm,
    activation: Option<Activation>,
}

impl Norm {
    pub(super) fn new(spec: &spec::Norm, tensors: &Tensors) -> Result<Self> {
        Ok(Self {
            norm: BatchNorm::new(&spec.name, spec.epsilon, tensors)?,
            activation: spec.activation,
        })
    }

    pub(super) fn forward(&self, x: &Tensor, pass: Pass) -> Result<Tensor> {
        activate(self.norm.forward(x, pass)?, self.activation, pass)
    }
}
