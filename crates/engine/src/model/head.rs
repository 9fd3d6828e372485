//! The classification head: dropout, linear, `ReLU`, batch normalization, linear.

use anyhow::Result;
use tch::{Kind, Tensor};
use warmstart_schema::architecture::HeadSpec;

use crate::layers::{BatchNorm, Dense, Pass, Tensors};

/// `PyTorch`'s default for batch normalization.
const EPSILON: f64 = 1e-5;

#[derive(Debug)]
pub(super) struct Head {
    dropout: f64,
    /// `None` for a linear head.
    hidden: Option<(Dense, BatchNorm)>,
    output: Dense,
}

impl Head {
    pub(super) fn new(spec: &HeadSpec, tensors: &Tensors) -> Result<Self> {
        let hidden = || -> Result<_> {
            let dense = Dense::new("head.fc1", tensors)?;
            Ok((dense, BatchNorm::new("head.bn", EPSILON, tensors)?))
        };
        Ok(Self {
            dropout: spec.dropout,
            hidden: (!spec.is_linear()).then(hidden).transpose()?,
            output: Dense::new("head.fc2", tensors)?,
        })
    }

    /// Features `[N, F]` to float32 logits `[N, classes]`. Dropout is on if `pass` uses batch statistics: both are for training.
    pub(super) fn forward(&self, features: &Tensor, pass: Pass) -> Result<Tensor> {
        let x = features.f_dropout(self.dropout, pass.uses_batch_statistics())?;
        let x = match &self.hidden {
            Some((hidden, norm)) => {
                let x = hidden.linear(&x)?.f_relu_()?;
                norm.forward(&x, pass)?
            }
            None => x,
        };
        Ok(self.output.linear(&x)?.f_to_kind(Kind::Float)?)
    }
}
