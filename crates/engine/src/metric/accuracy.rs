//! The share of images whose most likely class is right.

use anyhow::Result;
use tch::{Kind, Tensor};

/// Number of right answers of a batch. Of equal logits the first counts.
pub(super) fn sum(logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
    Ok(logits
        .f_argmax(-1, false)?
        .f_eq_tensor(labels)?
        .f_sum(Kind::Double)?)
}
