//! The tensors of a model by their names.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use tch::Tensor;

/// A model's tensors by name, each a handle on the same storage that the layers hold.
pub type Tensors = BTreeMap<String, Tensor>;

/// The tensor of this name; an error if the model has none.
pub(super) fn named(tensors: &Tensors, name: &str) -> Result<Tensor> {
    tensors
        .get(name)
        .map(Tensor::shallow_clone)
        .with_context(|| format!("the model has no tensor `{name}`"))
}

/// Weight and bias.
#[derive(Debug)]
pub(crate) struct Dense {
    pub(super) weight: Tensor,
    pub(super) bias: Tensor,
}

impl Dense {
    /// Takes `prefix.weight` and `prefix.bias`.
    pub(crate) fn new(prefix: &str, tensors: &Tensors) -> Result<Self> {
        Ok(Self {
            weight: named(tensors, &format!("{prefix}.weight"))?,
            bias: named(tensors, &format!("{prefix}.bias"))?,
        })
    }

    /// `[…, inputs]` to `[…, outputs]`.
    pub(crate) fn linear(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.f_linear(&self.weight, Some(&self.bias))?)
    }
}
