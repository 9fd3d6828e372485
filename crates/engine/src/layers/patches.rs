//! Images as tokens: one for each patch, after those that hold nothing of the image.

use anyhow::{Result, ensure};
use tch::{Kind, Tensor};
use warmstart_schema::architecture::{self as spec, Positions};

use super::convolution::Conv;
use super::pass::Pass;
use super::tensors::{Tensors, named};

#[derive(Debug)]
pub(crate) struct Patches {
    class: Tensor,
    registers: Option<Tensor>,
    projection: Conv,
    /// Side of a patch in pixels.
    side: i64,
    positions: Option<Learned>,
}

/// A vector for each place.
#[derive(Debug)]
struct Learned {
    /// `[1, places, C]`: those of `extra` tokens, then those of `across` by `across` patches.
    vectors: Tensor,
    extra: i64,
    across: i64,
}

impl Patches {
    pub(super) fn new(spec: &spec::Patches, tensors: &Tensors) -> Result<Self> {
        let side = spec.projection.stride;
        let learned = |pixels: u32, extra: i64| -> Result<Option<Learned>> {
            let vectors = named(tensors, "pos_embed")?;
            Ok(Some(Learned {
                vectors,
                extra,
                across: i64::from(pixels) / side,
            }))
        };
        let registers = (spec.registers > 0).then(|| named(tensors, "reg_token"));
        Ok(Self {
            class: named(tensors, "cls_token")?,
            registers: registers.transpose()?,
            projection: Conv::new(&spec.projection, tensors)?,
            side,
            positions: match spec.positions {
                Positions::All { pixels } => learned(pixels, spec.extra())?,
                Positions::Patches { pixels } => learned(pixels, 0)?,
                Positions::Rotary => None,
            },
        })
    }

    pub(super) fn forward(&self, x: &Tensor, pass: Pass) -> Result<Tensor> {
        let (images, _, height, width) = x.size4()?;
        let Self { side, .. } = self;
        ensure!(
            height == width && height % side == 0 && height > 0,
            "this backbone takes square images of a multiple of {side} pixels, these have {height} by {width}"
        );
        let patches = self
            .projection
            .forward(x, pass)?
            .f_flatten(2, -1)?
            .f_transpose(1, 2)?;
        let first = [Some(&self.class), self.registers.as_ref()]
            .into_iter()
            .flatten()
            .map(|token| token.f_expand([images, -1, -1], false))
            .collect::<Result<Vec<_>, _>>()?;
        let joined = |patches: Tensor| -> Result<Tensor> {
            let tokens: Vec<&Tensor> = first.iter().chain([&patches]).collect();
            Ok(Tensor::f_cat(&tokens, 1)?)
        };
        match &self.positions {
            None => joined(patches),
            Some(learned) => {
                let vectors = learned.of(height / side)?;
                if learned.extra == 0 {
                    joined(patches.f_add(&vectors)?)
                } else {
                    Ok(joined(patches)?.f_add(&vectors)?)
                }
            }
        }
    }
}

impl Learned {
    /// The vectors `[1, extra + across * across, C]` for `across` patches a side: as learned, or interpolated as timm does it.
    fn of(&self, across: i64) -> Result<Tensor> {
        if across == self.across {
            return Ok(self.vectors.shallow_clone());
        }
        let channels = self.vectors.size3()?.2;
        let extra = self.vectors.f_narrow(1, 0, self.extra)?;
        let grid = self
            .vectors
            .f_narrow(1, self.extra, self.across * self.across)?
            .f_to_kind(Kind::Float)?
            .f_view([1, self.across, self.across, channels])?
            .f_permute([0, 3, 1, 2])?
            .f_internal_upsample_bicubic2d_aa([across, across], false, None, None)?
            .f_permute([0, 2, 3, 1])?
            .f_reshape([1, across * across, channels])?;
        Ok(Tensor::f_cat(&[extra, grid], 1)?)
    }
}
