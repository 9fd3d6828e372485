//! The loss that a step minimizes, where it is not the plain cross-entropy: smoothed labels, weighted classes.

use anyhow::Result;
use tch::{Kind, Tensor};

use super::evaluate::{Weighted, weighted_cross_entropy};

/// The labels of a batch, as the minimized loss sees them.
#[derive(Debug, Clone, Copy)]
pub struct Targets<'a> {
    /// The class of each image, int64 `[n]`.
    pub labels: &'a Tensor,
    /// Share of each label that is spread evenly over all classes.
    pub smoothing: f64,
}

impl Targets<'_> {
    /// Whether the plain cross-entropy is the loss.
    pub fn are_plain(&self) -> bool {
        self.smoothing == 0.0
    }

    /// The share of each class in each image's label, `[n, classes]`; every row sums to 1.
    fn shares(&self, classes: i64) -> Result<Tensor> {
        Ok(self.labels.f_one_hot(classes)?.f_to_kind(Kind::Float)?)
    }

    fn smoothed(&self, shares: &Tensor, classes: i64) -> Result<Tensor> {
        Ok(shares
            .f_mul_scalar(1.0 - self.smoothing)?
            .f_add_scalar(self.smoothing / classes as f64)?)
    }

    /// The mean cross-entropy of logits `[n, classes]`.
    pub fn cross_entropy(&self, logits: &Tensor) -> Result<Tensor> {
        let (images, classes) = logits.size2()?;
        let targets = self.smoothed(&self.shares(classes)?, classes)?;
        Ok((log_probabilities(logits)? * targets)
            .f_sum(Kind::Float)?
            .f_neg()?
            .f_div_scalar(images as f64)?)
    }

    /// The cross-entropy of logits `[n, classes]` whose classes weigh as `weights` `[classes]` says.
    pub fn weighted_cross_entropy(&self, logits: &Tensor, weights: &Tensor) -> Result<Weighted> {
        if self.are_plain() {
            return weighted_cross_entropy(logits, self.labels, weights);
        }
        let classes = logits.size2()?.1;
        let shares = self.shares(classes)?;
        let targets = self.smoothed(&shares, classes)?;
        let sum = (log_probabilities(logits)? * targets)
            .f_mul(weights)?
            .f_sum(Kind::Float)?
            .f_neg()?;
        Ok(Weighted {
            sum,
            weight: shares.f_mul(weights)?.f_sum(Kind::Float)?,
        })
    }
}

fn log_probabilities(logits: &Tensor) -> Result<Tensor> {
    Ok(logits
        .f_to_kind(Kind::Float)?
        .f_log_softmax(-1, Kind::Float)?)
}
