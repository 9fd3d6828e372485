//! Images as tokens: the class token, the registers, then one token for each patch.

use anyhow::{Result, ensure};
use tch::{Kind, Tensor};
use warmstart_schema::architecture::{self as spec, Positions};

use super::convolution::Conv;
use super::pass::Pass;
use super::tensors::{Tensors, named};

/// Patch embedding: images `[N, 3, H, W]` to tokens `[N, prefix_tokens + patches, C]`.
#[derive(Debug)]
pub(crate) struct Patches {
    class_token: Tensor,
    registers: Option<Tensor>,
    projection: Conv,
    /// Side of a patch in pixels.
    side: i64,
    positions: Option<PositionEmbedding>,
}

/// A learned position embedding for each token.
#[derive(Debug)]
struct PositionEmbedding {
    /// `[1, tokens, C]`: those of `prefix_tokens` tokens, then those of `patches_per_side` by `patches_per_side` patches.
    vectors: Tensor,
    prefix_tokens: i64,
    patches_per_side: i64,
}

impl Patches {
    pub(super) fn new(spec: &spec::Patches, tensors: &Tensors) -> Result<Self> {
        let side = spec.projection.stride;
        let learned = |pixels: u32, prefix_tokens: i64| -> Result<Option<PositionEmbedding>> {
            let vectors = named(tensors, "pos_embed")?;
            Ok(Some(PositionEmbedding {
                vectors,
                prefix_tokens,
                patches_per_side: i64::from(pixels) / side,
            }))
        };
        let registers = (spec.registers > 0).then(|| named(tensors, "reg_token"));
        Ok(Self {
            class_token: named(tensors, "cls_token")?,
            registers: registers.transpose()?,
            projection: Conv::new(&spec.projection, tensors)?,
            side,
            positions: match spec.positions {
                Positions::All { pixels } => learned(pixels, spec.prefix_tokens())?,
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
            "expected square images whose side is a multiple of {side} pixels, found {height}×{width}"
        );
        let patches = self
            .projection
            .forward(x, pass)?
            .f_flatten(2, -1)?
            .f_transpose(1, 2)?;
        let first = [Some(&self.class_token), self.registers.as_ref()]
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
                let vectors = learned.for_side(height / side)?;
                if learned.prefix_tokens == 0 {
                    joined(patches.f_add(&vectors)?)
                } else {
                    Ok(joined(patches)?.f_add(&vectors)?)
                }
            }
        }
    }
}

impl PositionEmbedding {
    /// The embeddings `[1, prefix_tokens + patches_per_side², C]` for so many patches a side: as learned, or interpolated as timm
    /// does it.
    fn for_side(&self, patches_per_side: i64) -> Result<Tensor> {
        if patches_per_side == self.patches_per_side {
            return Ok(self.vectors.shallow_clone());
        }
        let channels = self.vectors.size3()?.2;
        let prefix = self.vectors.f_narrow(1, 0, self.prefix_tokens)?;
        let grid = self
            .vectors
            .f_narrow(
                1,
                self.prefix_tokens,
                self.patches_per_side * self.patches_per_side,
            )?
            .f_to_kind(Kind::Float)?
            .f_view([1, self.patches_per_side, self.patches_per_side, channels])?
            .f_permute([0, 3, 1, 2])?
            .f_internal_upsample_bicubic2d_aa([patches_per_side; 2], false, None, None)?
            .f_permute([0, 2, 3, 1])?
            .f_reshape([1, patches_per_side * patches_per_side, channels])?;
        Ok(Tensor::f_cat(&[prefix, grid], 1)?)
    }
}
