//! The study's head on tensors.

use anyhow::{Context, Result};
use tch::{Kind, Tensor};
use warmstart_schema::architecture::HeadSpec;

use crate::layers::{BatchNorm, Pass, Tensors};

/// `PyTorch`'s default for batch normalization.
const EPSILON: f64 = 1e-5;

#[derive(Debug)]
pub(super) struct Head {
    dropout: f64,
    hidden: (Tensor, Tensor),
    norm: BatchNorm,
    output: (Tensor, Tensor),
}

impl Head {
    pub(super) fn new(spec: &HeadSpec, tensors: &Tensors) -> Result<Self> {
        let get = |name: String| {
            tensors
                .get(&name)
                .map(Tensor::shallow_clone)
                .with_context(|| format!("the model has no tensor `{name}`"))
        };
        let dense = |prefix: &str| -> Result<_> {
            Ok((
                get(format!("{prefix}.weight"))?,
                get(format!("{prefix}.bias"))?,
            ))
        };
        Ok(Self {
            dropout: spec.dropout,
            hidden: dense("head.fc1")?,
            norm: BatchNorm::new("head.bn", EPSILON, tensors)?,
            output: dense("head.fc2")?,
        })
    }

    /// `[N, F]` to logits `[N, classes]`; dropout goes with batch statistics: both are for training.
    pub(super) fn forward(&self, features: &Tensor, pass: Pass) -> Result<Tensor> {
        let x = features.f_dropout(self.dropout, pass.batch_statistics)?;
        let x = x
            .f_linear(&self.hidden.0, Some(&self.hidden.1))?
            .f_relu_()?;
        let x = self.norm.forward(&x, pass)?;
        Ok(x.f_linear(&self.output.0, Some(&self.output.1))?
            .f_to_kind(Kind::Float)?)
    }
}
