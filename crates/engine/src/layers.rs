//! The layers that architectures are described with, on tensors. Images are `[N, C, H, W]`, tokens `[N, T, C]`.

mod drop_path;
mod folded;
mod patches;
mod pooling;
mod positions;
mod rotary;

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use tch::Tensor;
use warmstart_schema::architecture::{self as spec, Activation, Border, Gate, Padding, Shortcut};

use crate::{blocks, ffi};
use drop_path::DropPath;
use folded::Folded;
use patches::Patches;
use positions::{Attention, LayerNorm, Mlp};

/// Share of a new batch's statistics in the running ones; `PyTorch`'s default, which timm keeps.
const MOMENTUM: f64 = 0.1;

/// A depthwise convolution of at most so many images is left to libtorch's own kernel on a GPU, which wants channels first. For
/// channels-last images cuDNN would prepare an algorithm for each layer and each shape first, which takes 5 seconds for a whole
/// `EfficientNet`; with so few images a step waits for the processor, not for the kernels.
const FEW_IMAGES: i64 = 32;

/// A model's tensors by name, each a handle on the same storage that the layers hold.
pub type Tensors = BTreeMap<String, Tensor>;

/// How a forward pass treats batch normalization and memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pass {
    /// Normalize by the batch's own statistics and update the running ones, instead of using those.
    pub batch_statistics: bool,
    /// Autograd records this pass, so what the backward pass needs must not be overwritten.
    pub recorded: bool,
    /// Weights do not change: a convolution may use weights with the normalization folded in. Convolutions before a gate, and
    /// depthwise ones on the CPU, do not.
    pub folded: bool,
    /// Decides which residual paths are dropped for which image; none are without it.
    pub drop_path: Option<u64>,
}

impl Pass {
    /// Stored statistics, nothing recorded.
    pub const INFERENCE: Self = Self {
        batch_statistics: false,
        recorded: false,
        folded: false,
        drop_path: None,
    };
    /// Inference by weights that do not change.
    pub const FROZEN: Self = Self {
        folded: true,
        ..Self::INFERENCE
    };
}

/// Weight and bias.
pub(crate) type Dense = (Tensor, Tensor);

/// The tensors `prefix.weight` and `prefix.bias`.
pub(crate) fn dense(tensors: &Tensors, prefix: &str) -> Result<Dense> {
    Ok((
        named(tensors, &format!("{prefix}.weight"))?,
        named(tensors, &format!("{prefix}.bias"))?,
    ))
}

fn named(tensors: &Tensors, name: &str) -> Result<Tensor> {
    tensors
        .get(name)
        .map(Tensor::shallow_clone)
        .with_context(|| format!("the model has no tensor `{name}`"))
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
        Ok(Self {
            weight,
            bias,
            mean: get("running_mean")?,
            var: get("running_var")?,
            epsilon,
        })
    }

    fn norm(&self, batch_statistics: bool) -> blocks::Norm<'_> {
        blocks::Norm {
            weight: &self.weight,
            bias: &self.bias,
            mean: &self.mean,
            var: &self.var,
            batch_statistics,
            momentum: MOMENTUM,
            epsilon: self.epsilon,
        }
    }

    /// `[N, C]` or `[N, C, H, W]` to the same shape.
    pub fn forward(&self, x: &Tensor, pass: Pass) -> Result<Tensor> {
        let [weight, bias, mean, var] = [&self.weight, &self.bias, &self.mean, &self.var].map(Some);
        Ok(x.f_batch_norm(
            weight,
            bias,
            mean,
            var,
            pass.batch_statistics,
            MOMENTUM,
            self.epsilon,
            true,
        )?)
    }
}

/// How a convolution moves over an image.
#[derive(Debug)]
struct Geometry {
    kernel: i64,
    stride: i64,
    groups: i64,
    padding: Padding,
}

impl Geometry {
    fn convolve(&self, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        if bias.is_none() && blocks::take_depthwise(x, weight, self.groups) {
            return blocks::depthwise(x, weight, self.placed(x)?);
        }
        let [(top, bottom), (left, right)] = self.paddings(x)?;
        let is_plain = self.is_depthwise_of_few(x);
        let weight = &if is_plain {
            plain(weight)?
        } else {
            weight.shallow_clone()
        };
        let convolve = |x: &Tensor, padding: [i64; 2]| -> Result<Tensor> {
            let convolve = |x: &Tensor| {
                x.f_conv2d(weight, bias, [self.stride; 2], padding, [1, 1], self.groups)
            };
            if is_plain {
                ffi::channels_last(&convolve(&x.f_contiguous()?)?)
            } else {
                Ok(convolve(x)?)
            }
        };
        Ok(if top == bottom && left == right {
            convolve(x, [top, left])?
        } else {
            // Convolutions pad both ends alike, so the odd zero has to be laid down first.
            convolve(&x.f_constant_pad_nd([left, right, top, bottom])?, [0, 0])?
        })
    }

    /// Zeros before and after the rows, and before and after the columns.
    fn paddings(&self, x: &Tensor) -> Result<[(i64, i64); 2]> {
        let (_, _, height, width) = x.size4()?;
        Ok([height, width].map(|size| self.padding.amounts(size, self.kernel, self.stride)))
    }

    /// The padding where it is the same on all sides.
    fn even_padding(&self, x: &Tensor) -> Result<Option<i64>> {
        let [(top, bottom), sides] = self.paddings(x)?;
        Ok((top == bottom && sides == (top, bottom)).then_some(top))
    }

    /// Where a depthwise convolution lies on these images.
    fn placed(&self, x: &Tensor) -> Result<blocks::Geometry> {
        let (_, _, height, width) = x.size4()?;
        let [(top, bottom), (left, right)] = self.paddings(x)?;
        Ok(blocks::Geometry {
            stride: self.stride,
            top,
            left,
            out_height: (height + top + bottom - self.kernel) / self.stride + 1,
            out_width: (width + left + right - self.kernel) / self.stride + 1,
        })
    }

    fn is_depthwise_of_few(&self, x: &Tensor) -> bool {
        let size = x.size();
        x.device().is_cuda() && self.groups > 1 && size[1] == self.groups && size[0] <= FEW_IMAGES
    }
}

/// A depthwise convolution's weight `[C, 1, K, K]` in an order that libtorch does not take for channels-last.
fn plain(weight: &Tensor) -> Result<Tensor> {
    let size = weight.size();
    Ok(weight.f_reshape([size[0], -1])?.f_view(size.as_slice())?)
}

#[derive(Debug)]
pub(crate) struct ConvNorm {
    weight: Tensor,
    norm: BatchNorm,
    folded: Folded,
    geometry: Geometry,
    activation: Option<Activation>,
}

impl ConvNorm {
    fn new(spec: &spec::ConvNorm, tensors: &Tensors) -> Result<Self> {
        let &spec::ConvNorm {
            kernel,
            stride,
            groups,
            padding,
            activation,
            ..
        } = spec;
        Ok(Self {
            weight: named(tensors, &format!("{}.weight", spec.conv))?,
            norm: BatchNorm::new(&spec.norm, spec.epsilon, tensors)?,
            folded: Folded::default(),
            geometry: Geometry {
                kernel,
                stride,
                groups,
                padding,
            },
            activation,
        })
    }

    fn forward(&self, x: &Tensor, pass: Pass) -> Result<Tensor> {
        if pass.folded {
            return self.folded(x, pass);
        }
        let x = self.geometry.convolve(x, &self.weight, None)?;
        if blocks::take(&x) {
            let norm = self.norm.norm(pass.batch_statistics);
            return blocks::normalize(&x, norm, None, self.activation);
        }
        activate(self.norm.forward(&x, pass)?, self.activation, pass)
    }

    /// With the normalization worked into the weights, which stay as they are.
    fn folded(&self, x: &Tensor, pass: Pass) -> Result<Tensor> {
        if blocks::take_depthwise(x, &self.weight, self.geometry.groups) {
            let (placed, norm) = (self.geometry.placed(x)?, self.norm.norm(false));
            return blocks::depthwise_normalized(x, &self.weight, placed, norm, self.activation);
        }
        let (weight, bias) = self.folded.get(&self.weight, &self.norm)?;
        if let Some(padding) = self.geometry.even_padding(x)?
            && blocks::take(x)
        {
            let shape = (self.geometry.stride, padding, self.geometry.groups);
            return blocks::convolve_activated(x, (&weight, &bias), shape, self.activation);
        }
        let x = self.geometry.convolve(x, &weight, Some(&bias))?;
        activate(x, self.activation, pass)
    }

    /// The same with a residual added before `activation`; this convolution itself has none.
    fn forward_added(
        &self,
        x: &Tensor,
        residual: &Tensor,
        activation: Option<Activation>,
        pass: Pass,
    ) -> Result<Tensor> {
        if !pass.folded && blocks::take_sum(activation) {
            let x = self.geometry.convolve(x, &self.weight, None)?;
            if blocks::take(&x) && residual.kind() == x.kind() {
                let norm = self.norm.norm(pass.batch_statistics);
                return blocks::normalize(&x, norm, Some(residual), activation);
            }
            return add_residual(self.norm.forward(&x, pass)?, residual, activation, pass);
        }
        add_residual(self.forward(x, pass)?, residual, activation, pass)
    }

    /// The same with squeeze and excitation behind it.
    fn forward_gated(&self, x: &Tensor, gate: &SqueezeExcite, pass: Pass) -> Result<Tensor> {
        let x = self.geometry.convolve(x, &self.weight, None)?;
        if blocks::take(&x) {
            let norm = self.norm.norm(pass.batch_statistics);
            return blocks::normalize_gated(&x, norm, gate.squeeze(), self.activation);
        }
        let x = activate(self.norm.forward(&x, pass)?, self.activation, pass)?;
        gate.forward(&x, pass)
    }
}

/// Batch normalization alone, and an activation.
#[derive(Debug)]
pub(crate) struct Norm {
    norm: BatchNorm,
    activation: Option<Activation>,
}

impl Norm {
    fn forward(&self, x: &Tensor, pass: Pass) -> Result<Tensor> {
        activate(self.norm.forward(x, pass)?, self.activation, pass)
    }
}

#[derive(Debug)]
pub(crate) struct Conv {
    weight: Tensor,
    bias: Option<Tensor>,
    geometry: Geometry,
    activation: Option<Activation>,
}

impl Conv {
    fn new(spec: &spec::Conv, tensors: &Tensors) -> Result<Self> {
        let &spec::Conv {
            kernel,
            stride,
            groups,
            padding,
            activation,
            ..
        } = spec;
        let geometry = Geometry {
            kernel,
            stride,
            groups,
            padding,
        };
        let bias = spec
            .bias
            .then(|| named(tensors, &format!("{}.bias", spec.name)));
        Ok(Self {
            weight: named(tensors, &format!("{}.weight", spec.name))?,
            bias: bias.transpose()?,
            geometry,
            activation,
        })
    }

    fn forward(&self, x: &Tensor, pass: Pass) -> Result<Tensor> {
        let Self { weight, bias, .. } = self;
        activate(
            self.geometry.convolve(x, weight, bias.as_ref())?,
            self.activation,
            pass,
        )
    }
}

/// Applies the activation, in place where the backward pass does not need the input. The backward pass of `ReLU` reads its
/// output, so in place is always safe.
fn activate(mut x: Tensor, activation: Option<Activation>, pass: Pass) -> Result<Tensor> {
    Ok(match activation {
        None => x,
        Some(Activation::Relu) => x.f_relu_()?,
        Some(Activation::Relu6) => x.f_relu6_()?,
        Some(Activation::Silu) if pass.recorded => x.f_silu()?,
        Some(Activation::Silu) => x.f_silu_()?,
        Some(Activation::HardSwish) if pass.recorded => x.f_hardswish()?,
        Some(Activation::HardSwish) => x.f_hardswish_()?,
    })
}

#[derive(Debug)]
pub(crate) struct SqueezeExcite {
    reduce: Dense,
    expand: Dense,
    activation: Activation,
    gate: Gate,
}

impl SqueezeExcite {
    fn new(spec: &spec::SqueezeExcite, tensors: &Tensors) -> Result<Self> {
        let conv = |name: &str| dense(tensors, &format!("{}.{name}", spec.name));
        let [reduce, expand] = spec.convolutions.map(conv);
        let (reduce, expand) = (reduce?, expand?);
        Ok(Self {
            reduce,
            expand,
            activation: spec.activation,
            gate: spec.gate,
        })
    }

    fn squeeze(&self) -> blocks::SqueezeExcite<'_> {
        blocks::SqueezeExcite {
            reduce: (&self.reduce.0, &self.reduce.1),
            expand: (&self.expand.0, &self.expand.1),
            activation: self.activation,
            gate: self.gate,
        }
    }

    fn forward(&self, x: &Tensor, pass: Pass) -> Result<Tensor> {
        let convolve = |x: &Tensor, (weight, bias): &Dense| {
            x.f_conv2d(weight, Some(bias), [1, 1], [0, 0], [1, 1], 1)
        };
        let squeezed = x.f_mean_dim([2_i64, 3].as_slice(), true, None)?;
        let hidden = activate(
            convolve(&squeezed, &self.reduce)?,
            Some(self.activation),
            pass,
        )?;
        let expanded = convolve(&hidden, &self.expand)?;
        let gate = match self.gate {
            Gate::Sigmoid => expanded.f_sigmoid()?,
            Gate::HardSigmoid => expanded.f_hardsigmoid()?,
        };
        Ok(x.f_mul(&gate)?)
    }
}

#[derive(Debug)]
pub(crate) struct Residual {
    path: Vec<Layer>,
    /// `[1, C, 1, 1]`.
    scale: Option<Tensor>,
    /// What the input goes through on its way to the sum; empty where it stays as it is.
    shortcut: Vec<Layer>,
    activation: Option<Activation>,
    drop: DropPath,
}

impl Residual {
    /// Drops this path, the one of this number in the model, at its share of the model's rate.
    pub(crate) fn drop_at(&mut self, rate: f64, number: u64) {
        self.drop = DropPath {
            rate: rate * self.drop.rate,
            number,
        };
    }

    fn new(spec: &spec::Residual, tensors: &Tensors) -> Result<Self> {
        let scale = spec.scale.as_ref().map(|(name, _)| named(tensors, name));
        Ok(Self {
            path: Layer::list(&spec.path, tensors)?,
            scale: scale
                .transpose()?
                .map(|scale| scale.f_view([1, -1, 1, 1]))
                .transpose()?,
            shortcut: match &spec.shortcut {
                Shortcut::Identity => Vec::new(),
                Shortcut::Projection(layers) => Layer::list(layers, tensors)?,
            },
            activation: spec.activation,
            drop: DropPath {
                rate: spec.drop_share,
                number: 0,
            },
        })
    }

    fn forward(&self, x: &Tensor, pass: Pass) -> Result<Tensor> {
        let dropped = pass.drop_path.map(|seed| self.drop.factors(seed, x));
        let dropped = dropped.transpose()?.flatten();
        let shortcut = &run(&self.shortcut, x, pass)?;
        match (self.path.as_slice(), &self.scale) {
            ([before @ .., Layer::ConvNorm(last)], None)
                if last.activation.is_none() && dropped.is_none() =>
            {
                last.forward_added(&run(before, x, pass)?, shortcut, self.activation, pass)
            }
            (path, scale) => {
                let path = run(path, x, pass)?;
                let path = match scale {
                    Some(scale) => path.f_mul(scale)?,
                    None => path,
                };
                let path = match dropped {
                    Some(factors) => path.f_mul(&factors.f_to_kind(path.kind())?)?,
                    None => path,
                };
                add_residual(path, shortcut, self.activation, pass)
            }
        }
    }
}

/// activation(path + shortcut). It may write the sum into `path`, so `path` must come from a normalization, a dense layer or a
/// product: their backward passes do not need their output.
fn add_residual(
    mut path: Tensor,
    shortcut: &Tensor,
    activation: Option<Activation>,
    pass: Pass,
) -> Result<Tensor> {
    // Under autocast the path may have a lower precision, which must not become the sum's.
    let sum = if path.kind() == shortcut.kind() {
        path.f_add_(shortcut)?
    } else {
        path.f_add(shortcut)?
    };
    activate(sum, activation, pass)
}

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
    LayerNorm(LayerNorm),
    Mlp(Mlp),
    Patches(Patches),
    Attention(Attention),
    ClassToken,
    TokenMean {
        skipped: i64,
    },
    /// `[C]`.
    Scale(Tensor),
    Residual(Residual),
    Grow(Vec<Layer>),
}

impl Layer {
    pub(crate) fn new(spec: &spec::Layer, tensors: &Tensors) -> Result<Self> {
        Ok(match spec {
            spec::Layer::ConvNorm(conv) => Self::ConvNorm(ConvNorm::new(conv, tensors)?),
            spec::Layer::Conv(conv) => Self::Conv(Conv::new(conv, tensors)?),
            spec::Layer::Norm(norm) => Self::Norm(Norm {
                norm: BatchNorm::new(&norm.name, norm.epsilon, tensors)?,
                activation: norm.activation,
            }),
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
            spec::Layer::LayerNorm(norm) => Self::LayerNorm(LayerNorm::new(norm, tensors)?),
            spec::Layer::Mlp(mlp) => Self::Mlp(Mlp::new(mlp, tensors)?),
            spec::Layer::Patches(patches) => Self::Patches(Patches::new(patches, tensors)?),
            spec::Layer::Attention(attention) => {
                Self::Attention(Attention::new(attention, tensors)?)
            }
            spec::Layer::ClassToken => Self::ClassToken,
            &spec::Layer::TokenMean { skipped } => Self::TokenMean { skipped },
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
            Self::LayerNorm(norm) => norm.forward(x)?,
            Self::Mlp(mlp) => mlp.forward(x)?,
            Self::Patches(patches) => patches.forward(x, pass)?,
            Self::Attention(attention) => attention.forward(x)?,
            Self::ClassToken => x.f_select(1, 0)?,
            &Self::TokenMean { skipped } => pooling::mean_of_tokens(x, skipped)?,
            Self::Scale(scale) => x.f_mul(scale)?,
            Self::Residual(residual) => residual.forward(x, pass)?,
            Self::Grow(path) => Tensor::f_cat(&[x.shallow_clone(), run(path, x, pass)?], 1)?,
        })
    }
}

/// Runs layers one after another; a convolution and the gate behind it in one.
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
