//! The layers of transformers and of `ConvNeXt`: layer normalization and MLP at every position, and attention between tokens.

use anyhow::Result;
use tch::Tensor;
use warmstart_schema::architecture::{self as spec, MlpActivation};

use super::rotary::Rotary;
use super::tensors::{Dense, Tensors, named};

/// Added to the mean length before it divides, because all may be zero.
const RESPONSE_EPSILON: f64 = 1e-6;

/// Runs `layer` with the channels last, as dense layers want them. For an image in channels-last memory this copies nothing.
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
            parameters: Dense::new(&spec.name, tensors)?,
            channels: spec.channels,
            epsilon: spec.epsilon,
        })
    }

    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let Dense { weight, bias } = &self.parameters;
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
    response: Option<Dense>,
    output: Dense,
    activation: MlpActivation,
}

impl Mlp {
    pub(super) fn new(spec: &spec::Mlp, tensors: &Tensors) -> Result<Self> {
        let get = |name: &str| Dense::new(&format!("{}.{name}", spec.name), tensors);
        // The kernel of a 1×1 convolution is a matrix.
        let matrix = |name: &str| -> Result<Dense> {
            let Dense { weight, bias } = get(name)?;
            let weight = match weight.size()[..] {
                [output, input, 1, 1] => weight.f_view([output, input])?,
                _ => weight,
            };
            Ok(Dense { weight, bias })
        };
        Ok(Self {
            input: matrix("fc1")?,
            response: spec.response_norm.then(|| get("grn")).transpose()?,
            output: matrix("fc2")?,
            activation: spec.activation,
        })
    }

    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        by_position(x, |x| {
            let x = self.input.linear(x)?;
            let x = match self.activation {
                MlpActivation::Gelu => x.f_gelu("none")?,
                MlpActivation::QuickGelu => x.f_mul(&x.f_mul_scalar(1.702)?.f_sigmoid()?)?,
            };
            let x = match &self.response {
                Some(parameters) => normalize_response(&x, parameters)?,
                None => x,
            };
            self.output.linear(&x)
        })
    }
}

/// Global response normalization (Woo et al. 2023) of images `[N, H, W, C]`: each channel by its length over the whole image, as a
/// share of the mean length.
fn normalize_response(x: &Tensor, Dense { weight, bias }: &Dense) -> Result<Tensor> {
    let lengths = x.f_norm_scalaropt_dim(2.0, [1_i64, 2].as_slice(), true)?;
    let mean = lengths.f_mean_dim([-1_i64].as_slice(), true, None)?;
    let response = lengths.f_div(&mean.f_add_scalar(RESPONSE_EPSILON)?)?;
    Ok(x.f_add(&x.f_mul(&response)?.f_mul(weight)?.f_add(bias)?)?)
}

#[derive(Debug)]
pub(crate) struct Attention {
    qkv: Tensor,
    qkv_bias: Option<Tensor>,
    projection: Dense,
    heads: i64,
    rotary: Option<Rotary>,
}

impl Attention {
    pub(super) fn new(spec: &spec::Attention, tensors: &Tensors) -> Result<Self> {
        let get = |name: &str| named(tensors, &format!("{}.{name}", spec.name));
        Ok(Self {
            qkv: get("qkv.weight")?,
            qkv_bias: spec.qkv_bias.then(|| get("qkv.bias")).transpose()?,
            projection: Dense::new(&format!("{}.proj", spec.name), tensors)?,
            heads: spec.heads,
            rotary: spec.rotary.map(Rotary::new),
        })
    }

    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (images, tokens, channels) = x.size3()?;
        let qkv = x.f_linear(&self.qkv, self.qkv_bias.as_ref())?.f_view([
            images,
            tokens,
            3,
            self.heads,
            channels / self.heads,
        ])?;
        let [query, key, value] = [0, 1, 2].map(|part| qkv.f_select(2, part)?.f_transpose(1, 2));
        let [query, key] = match &self.rotary {
            Some(rotary) => rotary.rotate([query?, key?])?,
            None => [query?, key?],
        };
        let nothing = None::<&Tensor>;
        let seen = Tensor::f_scaled_dot_product_attention(
            &query, &key, &value?, nothing, 0.0, false, None, false,
        )?;
        let seen = seen
            .f_transpose(1, 2)?
            .f_reshape([images, tokens, channels])?;
        self.projection.linear(&seen)
    }
}
