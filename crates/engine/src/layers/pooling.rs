//! Means over a part of an image, or of the tokens.

use anyhow::Result;
use tch::{Kind, Tensor};
use warmstart_schema::architecture::Border;

/// Means of squares of `side` pixels that tile images `[N, C, H, W]`.
pub(super) fn mean_of_squares(x: &Tensor, side: i64, border: Border) -> Result<Tensor> {
    let keeps = border == Border::Kept;
    Ok(x.f_avg_pool2d([side; 2], [side; 2], [0; 2], keeps, false, None::<i64>)?)
}

/// Mean of the tokens `[N, T, C]` after the first `skipped`, `[N, C]` in float32.
pub(super) fn mean_of_tokens(x: &Tensor, skipped: i64) -> Result<Tensor> {
    let tokens = x.f_narrow(1, skipped, x.size3()?.1 - skipped)?;
    Ok(tokens.f_mean_dim([1_i64].as_slice(), false, Kind::Float)?)
}
