//! The linear classifier of a probe.

use anyhow::Result;
use tch::{Kind, Tensor};

/// A linear classifier: logits are `features · weightsᵀ + intercepts`.
#[derive(Debug)]
pub struct Classifier {
    /// `[C, F]`, float64.
    pub weights: Tensor,
    /// `[C]`, float64.
    pub intercepts: Tensor,
}

impl Classifier {
    /// All zeros: every class is equally likely.
    pub fn zero(classes: i64, features: i64, like: &Tensor) -> Result<Self> {
        let options = (Kind::Double, like.device());
        Ok(Self {
            weights: Tensor::f_zeros([classes, features], options)?,
            intercepts: Tensor::f_zeros([classes], options)?,
        })
    }

    /// All zeros, for as many classes and features.
    pub(super) fn zeroed(&self) -> Result<Self> {
        Ok(Self {
            weights: self.weights.f_zeros_like()?,
            intercepts: self.intercepts.f_zeros_like()?,
        })
    }

    /// Logits `[n, C]` of features `[n, F]`, both float64.
    pub fn logits(&self, features: &Tensor) -> Result<Tensor> {
        Ok(features.f_linear(&self.weights, Some(&self.intercepts))?)
    }

    /// Weights and intercepts as one vector `[C · (F + 1)]`.
    pub(super) fn flat(&self) -> Result<Tensor> {
        Ok(Tensor::f_cat(
            &[
                self.weights.f_reshape([-1])?,
                self.intercepts.shallow_clone(),
            ],
            0,
        )?)
    }

    /// What [`Self::flat`] gave, of so many classes.
    pub(super) fn of_flat(flat: &Tensor, classes: i64) -> Result<Self> {
        let width = (flat.size1()? - classes) / classes;
        Ok(Self {
            weights: flat
                .f_narrow(0, 0, classes * width)?
                .f_reshape([classes, width])?,
            intercepts: flat.f_narrow(0, classes * width, classes)?,
        })
    }
}
