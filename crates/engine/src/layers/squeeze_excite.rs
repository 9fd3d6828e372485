//! Squeeze and excitation (Hu et al. 2018): each channel times a gate that the means of all channels decide.

use anyhow::Result;
use tch::Tensor;
use warmstart_schema::architecture::{self as spec, Activation, Gate};

use super::activation::activate;
use super::pass::Pass;
use super::tensors::{Dense, Tensors};
use crate::blocks;

#[derive(Debug)]
pub(crate) struct SqueezeExcite {
    reduce: Dense,
    expand: Dense,
    activation: Activation,
    gate: Gate,
}

impl SqueezeExcite {
    pub(super) fn new(spec: &spec::SqueezeExcite, tensors: &Tensors) -> Result<Self> {
        let conv = |name: &str| Dense::new(&format!("{}.{name}", spec.name), tensors);
        let [reduce, expand] = spec.convolutions.map(conv);
        let (reduce, expand) = (reduce?, expand?);
        Ok(Self {
            reduce,
            expand,
            activation: spec.activation,
            gate: spec.gate,
        })
    }

    /// What the kernels need of it.
    pub(super) fn for_kernels(&self) -> blocks::SqueezeExcite<'_> {
        blocks::SqueezeExcite {
            reduce: (&self.reduce.weight, &self.reduce.bias),
            expand: (&self.expand.weight, &self.expand.bias),
            activation: self.activation,
            gate: self.gate,
        }
    }

    pub(super) fn forward(&self, x: &Tensor, pass: Pass) -> Result<Tensor> {
        let convolve = |x: &Tensor, Dense { weight, bias }: &Dense| {
            x.f_conv2d(weight, Some(bias), [1, 1], [0, 0], [1, 1], 1)
        };
        let squeezed = x.f_mean_dim([2_i64, 3].as_slice(), true, None)?;
        let hidden = activate(
            convolve(&squeezed, &self.reduce)?,
            Some(self.activation),
            pass,
        )?;
        let expanded = convolve(&hidden, &self.expand)?;
        let gate = match self.gate {
            Gate::Sigmoid => expanded.f_sigmoid()?,
            Gate::HardSigmoid => expanded.f_hardsigmoid()?,
        };
        Ok(x.f_mul(&gate)?)
    }
}
