//! Layers that treat every position of an image, or every token, alike.

use anyhow::{Result, ensure};
use tch::Tensor;
use warmstart_schema::architecture as spec;

use super::{Conv, Dense, Pass, Tensors, dense, named};

/// Runs `layer` with the channels last, as dense layers want them; an image in channels-last memory moves no number.
fn by_position(x: &Tensor, layer: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
    if x.dim() == 4 {
        Ok(layer(&x.f_permute([0, 2, 3, 1])?)?.f_permute([0, 3, 1, 2])?)
    } else {
        layer(x)
    }
}

#[derive(Debug)]
pub(crate) struct LayerNorm {
    parameters: Dense,
    channels: i64,
    epsilon: f64,
}

impl LayerNorm {
    pub(super) fn new(spec: &spec::LayerNorm, tensors: &Tensors) -> Result<Self> {
        Ok(Self {
            parameters: dense(tensors, &spec.name)?,
            channels: spec.channels,
            epsilon: spec.epsilon,
        })
    }

    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (weight, bias) = &self.parameters;
        by_position(x, |x| {
            Ok(x.f_layer_norm(
                [self.channels],
                Some(weight),
                Some(bias),
                self.epsilon,
                true,
            )?)
        })
    }
}

#[derive(Debug)]
pub(crate) struct Mlp {
    input: Dense,
    output: Dense,
}

impl Mlp {
    pub(super) fn new(spec: &spec::Mlp, tensors: &Tensors) -> Result<Self> {
        let dense = |name: &str| dense(tensors, &format!("{}.{name}", spec.name));
        Ok(Self {
            input: dense("fc1")?,
            output: dense("fc2")?,
        })
    }

    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        by_position(x, |x| {
            linear(&linear(x, &self.input)?.f_gelu("none")?, &self.output)
        })
    }
}

#[derive(Debug)]
pub(crate) struct Attention {
    qkv: Dense,
    projection: Dense,
    heads: i64,
}

impl Attention {
    pub(super) fn new(spec: &spec::Attention, tensors: &Tensors) -> Result<Self> {
        let dense = |name: &str| dense(tensors, &format!("{}.{name}", spec.name));
        Ok(Self {
            qkv: dense("qkv")?,
            projection: dense("proj")?,
            heads: spec.heads,
        })
    }

    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (images, tokens, channels) = x.size3()?;
        let qkv =
            linear(x, &self.qkv)?.f_view([images, tokens, 3, self.heads, channels / self.heads])?;
        let [query, key, value] = [0, 1, 2].map(|part| qkv.f_select(2, part)?.f_transpose(1, 2));
        let nothing = None::<&Tensor>;
        let seen = Tensor::f_scaled_dot_product_attention(
            &query?, &key?, &value?, nothing, 0.0, false, None, false,
        )?;
        linear(
            &seen
                .f_transpose(1, 2)?
                .f_reshape([images, tokens, channels])?,
            &self.projection,
        )
    }
}

#[derive(Debug)]
pub(crate) struct Patches {
    class: Tensor,
    positions: Tensor,
    projection: Conv,
    pixels: i64,
}

impl Patches {
    pub(super) fn new(spec: &spec::Patches, tensors: &Tensors) -> Result<Self> {
        let projection = Conv::new(&spec.projection, tensors)?;
        let (class, positions) = (named(tensors, "cls_token")?, named(tensors, "pos_embed")?);
        Ok(Self {
            class,
            positions,
            projection,
            pixels: spec.pixels,
        })
    }

    pub(super) fn forward(&self, x: &Tensor, pass: Pass) -> Result<Tensor> {
        let (images, _, height, width) = x.size4()?;
        let Self { pixels, .. } = self;
        ensure!(
            (height, width) == (*pixels, *pixels),
            "this backbone takes images of {pixels} by {pixels} pixels, these have {height} by {width}"
        );
        let patches = self
            .projection
            .forward(x, pass)?
            .f_flatten(2, -1)?
            .f_transpose(1, 2)?;
        let class = self.class.f_expand([images, -1, -1], false)?;
        Ok(Tensor::f_cat(&[class, patches], 1)?.f_add(&self.positions)?)
    }
}

fn linear(x: &Tensor, (weight, bias): &Dense) -> Result<Tensor> {
    Ok(x.f_linear(weight, Some(bias))?)
}
