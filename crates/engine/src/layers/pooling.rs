//! Means over parts of an image, or over the tokens.

use anyhow::Result;
use tch::{Kind, Tensor};
use warmstart_schema::architecture::Border;

/// Means of squares of `side` pixels that tile images `[N, C, H, W]`.
pub(super) fn mean_of_squares(x: &Tensor, side: i64, border: Border) -> Result<Tensor> {
    let keeps = border == Border::Kept;
    Ok(x.f_avg_pool2d([side; 2], [side; 2], [0; 2], keeps, false, None::<i64>)?)
}

/// Images `[N, C, H, W]` with at least `side` pixels a side: means over parts that overlap where there are fewer, as in timm's
/// `ConvMlp`.
pub(super) fn enlarged(x: &Tensor, side: i64) -> Result<Tensor> {
    let (_, _, height, width) = x.size4()?;
    if height.min(width) >= side {
        return Ok(x.shallow_clone());
    }
    Ok(x.f_adaptive_avg_pool2d([height.max(side), width.max(side)])?)
}

/// Mean of the tokens `[N, T, C]` after the first `prefix_tokens`, `[N, C]` in float32.
pub(super) fn mean_of_tokens(x: &Tensor, prefix_tokens: i64) -> Result<Tensor> {
    let tokens = x.f_narrow(1, prefix_tokens, x.size3()?.1 - prefix_tokens)?;
    Ok(tokens.f_mean_dim([1_i64].as_slice(), false, Kind::Float)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_image_that_is_too_small_grows() {
        let image = Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0]).view([1, 1, 2, 2]);
        let grown = enlarged(&image, 3).unwrap();
        assert_eq!(grown.size(), [1, 1, 3, 3]);
        let grown = Vec::<f32>::try_from(grown.reshape([9])).unwrap();
        assert_eq!(grown, [1.0, 1.5, 2.0, 2.0, 2.5, 3.0, 3.0, 3.5, 4.0]);
        assert_eq!(enlarged(&image, 2).unwrap(), image);
    }
}
