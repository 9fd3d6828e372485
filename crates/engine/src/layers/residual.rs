//! Residual connections (He et al. 2015).

use anyhow::Result;
use tch::Tensor;
use warmstart_schema::architecture::{self as spec, Activation, Shortcut};

use super::activation::add_residual;
use super::drop_path::DropPath;
use super::pass::Pass;
use super::tensors::{Tensors, named};
use super::{Layer, run};

#[derive(Debug)]
pub(crate) struct Residual {
    path: Vec<Layer>,
    /// `[1, C, 1, 1]`.
    scale: Option<Tensor>,
    /// What the input goes through on its way to the sum; empty where it stays as it is.
    shortcut: Vec<Layer>,
    activation: Option<Activation>,
    drop: DropPath,
}

impl Residual {
    /// Drops this path, the one of this number in the model, at its share of the model's rate.
    pub(crate) fn drop_at(&mut self, rate: f64, number: u64) {
        self.drop = DropPath {
            rate: rate * self.drop.rate,
            number,
        };
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
            drop: DropPath {
                rate: spec.drop_share,
                number: 0,
            },
        })
    }

    pub(super) fn forward(&self, x: &Tensor, pass: Pass) -> Result<Tensor> {
        let dropped = pass.path_seed().map(|seed| self.drop.factors(seed, x));
        let dropped = dropped.transpose()?.flatten();
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
