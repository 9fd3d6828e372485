//! Residual connections (He et al. 2015).

use anyhow::Result;
use tch::Tensor;
use warmstart_schema::architecture::{self as spec, Activation, Shortcut};

use super::activation::add_residual;
use super::drop_path::DropPath;
use super::pass::Pass;
use super::tensors::{Tensors, named};
use super::{Layer, run};

/// activation(scale · path(x) + shortcut(x)).
#[derive(Debug)]
pub(crate) struct Residual {
    path: Vec<Layer>,
    /// The path's factors `[1, C, 1, 1]`, if it has any.
    scale: Option<Tensor>,
    /// Empty for the identity.
    shortcut: Vec<Layer>,
    activation: Option<Activation>,
    /// The share of the model's drop rate that is this path's.
    drop_share: f64,
    /// How training drops the path; never before [`Self::drop_at`].
    drop: Option<DropPath>,
}

impl Residual {
    /// Lets training drop this path at its share of the model's `rate`. It is the `number`-th residual path of the model, from 0.
    pub(crate) fn drop_at(&mut self, rate: f64, number: u64) {
        let rate = rate * self.drop_share;
        self.drop = Some(DropPath { rate, number });
    }

    pub(super) fn new(spec: &spec::Residual, tensors: &Tensors) -> Result<Self> {
        let scale = spec.scale.as_ref().map(|(name, _)| named(tensors, name));
        Ok(Self {
            path: Layer::list(&spec.path, tensors)?,
            scale: scale
                .transpose()?
                .map(|scale| scale.f_view([1, -1, 1, 1]))
                .transpose()?,
            shortcut: match &spec.shortcut {
                Shortcut::Identity => Vec::new(),
                Shortcut::Projection(layers) => Layer::list(layers, tensors)?,
            },
            activation: spec.activation,
            drop_share: spec.drop_share,
            drop: None,
        })
    }

    pub(super) fn forward(&self, x: &Tensor, pass: Pass) -> Result<Tensor> {
        let dropped = match (self.drop, pass.path_seed()) {
            (Some(drop), Some(seed)) => drop.factors(seed, x)?,
            _ => None,
        };
        let shortcut = &run(&self.shortcut, x, pass)?;
        match (self.path.as_slice(), &self.scale) {
            ([before @ .., Layer::ConvNorm(last)], None)
                if last.activation.is_none() && dropped.is_none() =>
            {
                last.forward_added(&run(before, x, pass)?, shortcut, self.activation, pass)
            }
            (path, scale) => {
                let path = run(path, x, pass)?;
                let path = match scale {
                    Some(scale) => path.f_mul(scale)?,
                    None => path,
                };
                let path = match dropped {
                    Some(factors) => path.f_mul(&factors.f_to_kind(path.kind())?)?,
                    None => path,
                };
                add_residual(path, shortcut, self.activation, pass)
            }
        }
    }
}
