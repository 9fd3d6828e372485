//! The loss that a step minimizes, where it is not the plain cross-entropy: mixed images, smoothed labels, weighted classes.

use anyhow::Result;
use tch::{Kind, Tensor};

use super::evaluate::{Weighted, cross_entropy, weighted_cross_entropy};

/// The labels of a batch, and how the loss mixes and smooths them.
#[derive(Debug, Clone, Copy)]
pub struct Targets<'a> {
    /// The class of each image, int64 `[n]`.
    pub labels: &'a Tensor,
    /// Share of each label that is spread evenly over all classes.
    pub smoothing: f64,
    /// Share of each image's own label. The rest is the label of the image that was mixed in: the one as far from the batch's end
    /// as this one is from its beginning.
    pub share: f64,
}

impl Targets<'_> {
    /// Whether the plain cross-entropy is the loss.
    pub fn are_plain(&self) -> bool {
        self.smoothing == 0.0 && self.is_unmixed()
    }

    fn is_unmixed(&self) -> bool {
        (self.share - 1.0).abs() < f64::EPSILON
    }

    /// The share of each class in each image's label, `[n, classes]`; every row sums to 1.
    fn shares(&self, classes: i64) -> Result<Tensor> {
        let own = self.labels.f_one_hot(classes)?.f_to_kind(Kind::Float)?;
        if self.is_unmixed() {
            return Ok(own);
        }
        let others = own.f_flip([0])?.f_mul_scalar(1.0 - self.share)?;
        Ok(own.f_mul_scalar(self.share)?.f_add(&others)?)
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

    /// The mean cross-entropy without smoothing, which is what training reports.
    pub fn reported(&self, logits: &Tensor) -> Result<Tensor> {
        if self.is_unmixed() {
            return cross_entropy(logits, self.labels);
        }
        let plain = Self {
            smoothing: 0.0,
            ..*self
        };
        plain.cross_entropy(logits)
    }

    /// The label that has the larger share of each image, `[n]`.
    pub fn main_labels(&self) -> Result<Tensor> {
        Ok(if self.share < 0.5 {
            self.labels.f_flip([0])?
        } else {
            self.labels.shallow_clone()
        })
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
