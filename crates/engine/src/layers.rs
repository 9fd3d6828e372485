//! The layers that architectures are described with, on tensors. Shapes are `[N, C, H, W]`.

mod folded;

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use tch::Tensor;
use warmstart_schema::architecture::{self as spec, Activation, Padding, Shortcut};

use folded::Folded;

/// Share of a new batch's statistics in the running ones; `PyTorch`'s default, which timm keeps.
const MOMENTUM: f64 = 0.1;

/// A model's tensors by name, each a handle on the same storage that the layers hold.
pub type Tensors = BTreeMap<String, Tensor>;

/// How a forward pass treats batch normalization and memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pass {
    /// Normalize by the batch's own statistics and move the running ones, instead of using those.
    pub batch_statistics: bool,
    /// Autograd records this pass, so what it needs for the way back must not be overwritten.
    pub recorded: bool,
    /// The weights and statistics stay as they are for a long time: normalization is folded into the convolutions.
    pub folded: bool,
}

impl Pass {
    /// Stored statistics, nothing recorded.
    pub const INFERENCE: Self = Self { batch_statistics: false, recorded: false, folded: false };
    /// Inference by what does not move.
    pub const FROZEN: Self = Self { folded: true, ..Self::INFERENCE };
}

fn named(tensors: &Tensors, name: &str) -> Result<Tensor> {
    tensors.get(name).map(Tensor::shallow_clone).with_context(|| format!("the model has no tensor `{name}`"))
}

/// Batch normalization (Ioffe and Szegedy 2015) over everything but the channels.
#[derive(Debug)]
pub struct BatchNorm {
    weight: Tensor,
    bias: Tensor,
    mean: Tensor,
    var: Tensor,
    epsilon: f64,
}

impl BatchNorm {
    /// Takes `prefix.weight`, `.bias`, `.running_mean` and `.running_var`.
    pub fn new(prefix: &str, epsilon: f64, tensors: &Tensors) -> Result<Self> {
        let get = |suffix: &str| named(tensors, &format!("{prefix}.{suffix}"));
        let (weight, bias) = (get("weight")?, get("bias")?);
        Ok(Self { weight, bias, mean: get("running_mean")?, var: get("running_var")?, epsilon })
    }

    /// `[N, C]` or `[N, C, H, W]` to the same shape.
    pub fn forward(&self, x: &Tensor, pass: Pass) -> Result<Tensor> {
        let [weight, bias, mean, var] = [&self.weight, &self.bias, &self.mean, &self.var].map(Some);
        Ok(x.f_batch_norm(weight, bias, mean, var, pass.batch_statistics, MOMENTUM, self.epsilon, true)?)
    }
}

#[derive(Debug)]
pub(crate) struct ConvNorm {
    weight: Tensor,
    norm: BatchNorm,
    folded: Folded,
    kernel: i64,
    stride: i64,
    groups: i64,
    padding: Padding,
    activation: Option<Activation>,
}

impl ConvNorm {
    fn new(spec: &spec::ConvNorm, tensors: &Tensors) -> Result<Self> {
        Ok(Self {
            weight: named(tensors, &format!("{}.weight", spec.conv))?,
            norm: BatchNorm::new(&spec.norm, spec.epsilon, tensors)?,
            folded: Folded::default(),
            kernel: spec.kernel,
            stride: spec.stride,
            groups: spec.groups,
            padding: spec.padding,
            activation: spec.activation,
        })
    }

    fn forward(&self, x: &Tensor, pass: Pass) -> Result<Tensor> {
        let x = if pass.folded {
            let (weight, bias) = self.folded.get(&self.weight, &self.norm)?;
            self.convolve(x, &weight, Some(&bias))?
        } else {
            self.norm.forward(&self.convolve(x, &self.weight, None)?, pass)?
        };
        activate(x, self.activation, pass)
    }

    fn convolve(&self, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        let (_, _, height, width) = x.size4()?;
        let (top, bottom) = self.padding.amounts(height, self.kernel, self.stride);
        let (left, right) = self.padding.amounts(width, self.kernel, self.stride);
        let convolve =
            |x: &Tensor, padding: [i64; 2]| x.f_conv2d(weight, bias, [self.stride; 2], padding, [1, 1], self.groups);
        Ok(if top == bottom && left == right {
            convolve(x, [top, left])?
        } else {
            // Convolutions pad both ends alike, so the odd zero has to be laid down first.
            convolve(&x.f_constant_pad_nd([left, right, top, bottom])?, [0, 0])?
        })
    }
}

/// Overwrites `x` where nobody needs it again: the way back through `ReLU` looks at what came out.
fn activate(mut x: Tensor, activation: Option<Activation>, pass: Pass) -> Result<Tensor> {
    Ok(match activation {
        None => x,
        Some(Activation::Relu) => x.f_relu_()?,
        Some(Activation::Relu6) => x.f_relu6_()?,
        Some(Activation::Silu) if pass.recorded => x.f_silu()?,
        Some(Activation::Silu) => x.f_silu_()?,
    })
}

#[derive(Debug)]
pub(crate) struct SqueezeExcite {
    reduce: (Tensor, Tensor),
    expand: (Tensor, Tensor),
    activation: Activation,
}

impl SqueezeExcite {
    fn new(spec: &spec::SqueezeExcite, tensors: &Tensors) -> Result<Self> {
        let conv = |name: &str| -> Result<_> {
            let prefix = format!("{}.{name}", spec.name);
            Ok((named(tensors, &format!("{prefix}.weight"))?, named(tensors, &format!("{prefix}.bias"))?))
        };
        Ok(Self { reduce: conv("conv_reduce")?, expand: conv("conv_expand")?, activation: spec.activation })
    }

    fn forward(&self, x: &Tensor, pass: Pass) -> Result<Tensor> {
        let convolve =
            |x: &Tensor, (weight, bias): &(Tensor, Tensor)| x.f_conv2d(weight, Some(bias), [1, 1], [0, 0], [1, 1], 1);
        let squeezed = x.f_mean_dim([2_i64, 3].as_slice(), true, None)?;
        let hidden = activate(convolve(&squeezed, &self.reduce)?, Some(self.activation), pass)?;
        let gate = convolve(&hidden, &self.expand)?.f_sigmoid()?;
        Ok(x.f_mul(&gate)?)
    }
}

#[derive(Debug)]
pub(crate) enum Layer {
    ConvNorm(ConvNorm),
    SqueezeExcite(SqueezeExcite),
    MaxPool { kernel: i64, stride: i64, padding: i64 },
    Residual { path: Vec<Layer>, projection: Option<ConvNorm>, activation: Option<Activation> },
}

impl Layer {
    pub(crate) fn new(spec: &spec::Layer, tensors: &Tensors) -> Result<Self> {
        Ok(match spec {
            spec::Layer::ConvNorm(conv) => Self::ConvNorm(ConvNorm::new(conv, tensors)?),
            spec::Layer::SqueezeExcite(gate) => Self::SqueezeExcite(SqueezeExcite::new(gate, tensors)?),
            &spec::Layer::MaxPool { kernel, stride, padding } => Self::MaxPool { kernel, stride, padding },
            spec::Layer::Residual(residual) => Self::Residual {
                path: residual.path.iter().map(|layer| Self::new(layer, tensors)).collect::<Result<_>>()?,
                projection: match &residual.shortcut {
                    Shortcut::Identity => None,
                    Shortcut::Projection(conv) => Some(ConvNorm::new(conv, tensors)?),
                },
                activation: residual.activation,
            },
        })
    }

    pub(crate) fn forward(&self, x: &Tensor, pass: Pass) -> Result<Tensor> {
        Ok(match self {
            Self::ConvNorm(conv) => conv.forward(x, pass)?,
            Self::SqueezeExcite(gate) => gate.forward(x, pass)?,
            &Self::MaxPool { kernel, stride, padding } => {
                x.f_max_pool2d([kernel; 2], [stride; 2], [padding; 2], [1, 1], false)?
            }
            Self::Residual { path, projection, activation } => {
                let mut sum = run(path, x, pass)?;
                let shortcut = projection.as_ref().map(|conv| conv.forward(x, pass)).transpose()?;
                // The path ends in a normalization, whose way back does not look at what came out of it.
                let sum = sum.f_add_(shortcut.as_ref().unwrap_or(x))?;
                activate(sum, *activation, pass)?
            }
        })
    }
}

/// Runs layers one after another.
pub(crate) fn run(layers: &[Layer], x: &Tensor, pass: Pass) -> Result<Tensor> {
    layers.iter().try_fold(x.shallow_clone(), |x, layer| layer.forward(&x, pass))
}
