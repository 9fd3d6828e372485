//! The layers that architectures are described with, on tensors. Images are `[N, C, H, W]`, tokens `[N, T, C]`.

mod activation;
mod convolution;
mod drop_path;
mod folded;
mod normalization;
mod pass;
mod patches;
mod pooling;
mod residual;
mod rotary;
mod squeeze_excite;
mod tensors;
mod transformer;

use anyhow::Result;
use tch::Tensor;
use warmstart_schema::architecture::{self as spec, Border};

use convolution::{Conv, ConvNorm};
pub(crate) use normalization::BatchNorm;
use normalization::Norm;
pub use pass::{Pass, Statistics};
use patches::Patches;
use residual::Residual;
use squeeze_excite::SqueezeExcite;
pub(crate) use tensors::Dense;
pub use tensors::Tensors;
use tensors::named;
use transformer::{Attention, LayerNorm, Mlp};

/// A layer of [`spec::Layer`], which describes each variant, with handles on its tensors.
#[derive(Debug)]
pub(crate) enum Layer {
    ConvNorm(ConvNorm),
    Conv(Conv),
    Norm(Norm),
    SqueezeExcite(SqueezeExcite),
    MaxPool {
        kernel: i64,
        stride: i64,
        padding: i64,
    },
    AvgPool {
        side: i64,
        border: Border,
    },
    Pool,
    Enlarge {
        side: i64,
    },
    LayerNorm(LayerNorm),
    Mlp(Mlp),
    Patches(Patches),
    Attention(Attention),
    ClassToken,
    TokenMean {
        prefix_tokens: i64,
    },
    /// The factors `[C]`.
    Scale(Tensor),
    Residual(Residual),
    Grow(Vec<Layer>),
}

impl Layer {
    /// Takes the tensors that `spec` names; an error where one is missing.
    pub(crate) fn new(spec: &spec::Layer, tensors: &Tensors) -> Result<Self> {
        Ok(match spec {
            spec::Layer::ConvNorm(conv) => Self::ConvNorm(ConvNorm::new(conv, tensors)?),
            spec::Layer::Conv(conv) => Self::Conv(Conv::new(conv, tensors)?),
            spec::Layer::Norm(norm) => Self::Norm(Norm::new(norm, tensors)?),
            spec::Layer::SqueezeExcite(gate) => {
                Self::SqueezeExcite(SqueezeExcite::new(gate, tensors)?)
            }
            &spec::Layer::MaxPool {
                kernel,
                stride,
                padding,
            } => Self::MaxPool {
                kernel,
                stride,
                padding,
            },
            &spec::Layer::AvgPool { side, border } => Self::AvgPool { side, border },
            spec::Layer::Pool => Self::Pool,
            &spec::Layer::Enlarge { side } => Self::Enlarge { side },
            spec::Layer::LayerNorm(norm) => Self::LayerNorm(LayerNorm::new(norm, tensors)?),
            spec::Layer::Mlp(mlp) => Self::Mlp(Mlp::new(mlp, tensors)?),
            spec::Layer::Patches(patches) => Self::Patches(Patches::new(patches, tensors)?),
            spec::Layer::Attention(attention) => {
                Self::Attention(Attention::new(attention, tensors)?)
            }
            spec::Layer::ClassToken => Self::ClassToken,
            &spec::Layer::TokenMean { prefix_tokens } => Self::TokenMean { prefix_tokens },
            spec::Layer::Scale { name, .. } => Self::Scale(named(tensors, name)?),
            spec::Layer::Residual(residual) => Self::Residual(Residual::new(residual, tensors)?),
            spec::Layer::Grow(path) => Self::Grow(Self::list(path, tensors)?),
        })
    }

    fn list(specs: &[spec::Layer], tensors: &Tensors) -> Result<Vec<Self>> {
        specs
            .iter()
            .map(|layer| Self::new(layer, tensors))
            .collect()
    }

    pub(crate) fn forward(&self, x: &Tensor, pass: Pass) -> Result<Tensor> {
        Ok(match self {
            Self::ConvNorm(conv) => conv.forward(x, pass)?,
            Self::Conv(conv) => conv.forward(x, pass)?,
            Self::Norm(norm) => norm.forward(x, pass)?,
            Self::SqueezeExcite(gate) => gate.forward(x, pass)?,
            &Self::MaxPool {
                kernel,
                stride,
                padding,
            } => x.f_max_pool2d([kernel; 2], [stride; 2], [padding; 2], [1, 1], false)?,
            &Self::AvgPool { side, border } => pooling::mean_of_squares(x, side, border)?,
            Self::Pool => x.f_mean_dim([2_i64, 3].as_slice(), true, tch::Kind::Float)?,
            &Self::Enlarge { side } => pooling::enlarged(x, side)?,
            Self::LayerNorm(norm) => norm.forward(x)?,
            Self::Mlp(mlp) => mlp.forward(x)?,
            Self::Patches(patches) => patches.forward(x, pass)?,
            Self::Attention(attention) => attention.forward(x)?,
            Self::ClassToken => x.f_select(1, 0)?,
            &Self::TokenMean { prefix_tokens } => pooling::mean_of_tokens(x, prefix_tokens)?,
            Self::Scale(scale) => x.f_mul(scale)?,
            Self::Residual(residual) => residual.forward(x, pass)?,
            Self::Grow(path) => Tensor::f_cat(&[x.shallow_clone(), run(path, x, pass)?], 1)?,
        })
    }
}

/// Runs layers one after another. A convolution and the squeeze-and-excitation after it run as one, in fewer passes over memory.
pub(crate) fn run(layers: &[Layer], x: &Tensor, pass: Pass) -> Result<Tensor> {
    let (mut x, mut layers) = (x.shallow_clone(), layers);
    loop {
        (x, layers) = match layers {
            [] => return Ok(x),
            [Layer::ConvNorm(conv), Layer::SqueezeExcite(gate), rest @ ..] => {
                (conv.forward_gated(&x, gate, pass)?, rest)
            }
            [layer, rest @ ..] => (layer.forward(&x, pass)?, rest),
        };
    }
}
