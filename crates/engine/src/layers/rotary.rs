//! Rotary position embedding (`RoPE`; Su et al. 2021, "`RoFormer`: Enhanced Transformer with Rotary Position Embedding") of patches,
//! as `DINOv3` has it (Siméoni et al. 2025).

use anyhow::{Result, ensure};
use tch::{Kind, Tensor};
use warmstart_schema::architecture as spec;

/// Rotates each pair of channels by an angle that grows with the patch's place: the first half of the pairs by rows, the second by
/// columns.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rotary(spec::Rotary);

impl Rotary {
    pub(super) fn new(spec: spec::Rotary) -> Self {
        Self(spec)
    }

    /// Queries and keys `[N, heads, T, C]` of the patches of a square image, rotated; other tokens stay.
    pub(super) fn rotate(&self, parts: [Tensor; 2]) -> Result<[Tensor; 2]> {
        let prefix_tokens = self.0.prefix_tokens;
        let (_, _, tokens, channels) = parts[0].size4()?;
        let count = tokens - prefix_tokens;
        let side = count.isqrt();
        ensure!(
            side * side == count,
            "this backbone takes square images alone: {count} patches are no square"
        );
        let (sin, cos) = self.sin_cos(side, channels, &parts[0])?;
        let rotate = |part: Tensor| -> Result<Tensor> {
            let kind = part.kind();
            let prefix = part.f_narrow(2, 0, prefix_tokens)?;
            let patches = part.f_narrow(2, prefix_tokens, count)?;
            let left = patches.f_narrow(3, 0, channels / 2)?;
            let right = patches.f_narrow(3, channels / 2, channels - channels / 2)?;
            let rotated_half = Tensor::f_cat(&[right.f_neg()?, left], 3)?;
            let rotated = patches.f_mul(&cos)?.f_add(&rotated_half.f_mul(&sin)?)?;
            Ok(Tensor::f_cat(&[prefix, rotated.f_to_kind(kind)?], 2)?)
        };
        let [query, key] = parts;
        Ok([rotate(query)?, rotate(key)?])
    }

    /// Sines and cosines `[side * side, channels]`, float32, on the device of `like`.
    fn sin_cos(&self, side: i64, channels: i64, like: &Tensor) -> Result<(Tensor, Tensor)> {
        let options = (Kind::Float, like.device());
        let count = channels / 4;
        let exponents =
            Tensor::f_arange(count, options)?.f_mul_scalar(2.0 / (channels / 2) as f64)?;
        let periods = exponents.f_mul_scalar(self.0.temperature.ln())?.f_exp()?;
        // From -1 to 1, at the centres of the patches.
        let places = Tensor::f_arange(side, options)?
            .f_add_scalar(0.5)?
            .f_mul_scalar(2.0 / side as f64)?
            .f_sub_scalar(1.0)?;
        let angles = places
            .f_mul_scalar(std::f64::consts::TAU)?
            .f_unsqueeze(1)?
            .f_div(&periods.f_unsqueeze(0)?)?;
        let rows = angles
            .f_view([side, 1, count])?
            .f_expand([side, side, count], false)?;
        let columns = angles
            .f_view([1, side, count])?
            .f_expand([side, side, count], false)?;
        let angles = Tensor::f_cat(&[&rows, &columns, &rows, &columns], 2)?
            .f_reshape([side * side, channels])?;
        Ok((angles.f_sin()?, angles.f_cos()?))
    }
}
