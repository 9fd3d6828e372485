//! The structure of every model, without a single tensor: the dashboard counts parameters from it and the engine builds
//! its modules from it, so the two cannot disagree. Tensor names and their order are timm's.

mod count;
mod efficientnet;
mod head;
mod resnet;

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use count::{BlockCounts, ModelCounts, ParamCounts, count};
pub use head::HeadSpec;

/// A pretrained base, named as in timm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Backbone {
    /// He et al., "Deep Residual Learning for Image Recognition" (2015).
    Resnet18,
    /// The same with bottlenecks, striding in the 3×3 convolution.
    Resnet50,
    /// Tan and Le, "`EfficientNet`: Rethinking Model Scaling for Convolutional Neural Networks" (2019).
    EfficientnetB0,
    /// B0 without squeeze-and-excitation, with `ReLU6` and TensorFlow's padding.
    TfEfficientnetLite0,
}

impl Backbone {
    /// Every backbone there is, in the order in which lists show them.
    pub const ALL: [Self; 4] = [Self::Resnet18, Self::Resnet50, Self::EfficientnetB0, Self::TfEfficientnetLite0];

    /// timm's name, as in experiment files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Resnet18 => "resnet18",
            Self::Resnet50 => "resnet50",
            Self::EfficientnetB0 => "efficientnet_b0",
            Self::TfEfficientnetLite0 => "tf_efficientnet_lite0",
        }
    }
}

impl fmt::Display for Backbone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A backbone name that is none of [`Backbone::ALL`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown backbone `{0}`, expected one of: {list}", list = Backbone::ALL.map(Backbone::as_str).join(", "))]
pub struct UnknownBackbone(pub String);

impl FromStr for Backbone {
    type Err = UnknownBackbone;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|backbone| backbone.as_str() == name).ok_or_else(|| UnknownBackbone(name.to_owned()))
    }
}

/// A backbone up to and including global average pooling: blocks run in order, `features` numbers come out per image.
#[derive(Debug, Clone, PartialEq)]
pub struct Architecture {
    pub backbone: Backbone,
    /// Width of the pooled output.
    pub features: usize,
    /// What "freeze the first N blocks" counts: the stem, one per stage, and the last convolution where there is one.
    pub blocks: Vec<Block>,
}

impl Architecture {
    /// The structure of `backbone`.
    pub fn new(backbone: Backbone) -> Self {
        match backbone {
            Backbone::Resnet18 => resnet::architecture(backbone, resnet::Kind::Basic, [2, 2, 2, 2]),
            Backbone::Resnet50 => resnet::architecture(backbone, resnet::Kind::Bottleneck, [3, 4, 6, 3]),
            Backbone::EfficientnetB0 => efficientnet::architecture(backbone, &efficientnet::PYTORCH),
            Backbone::TfEfficientnetLite0 => efficientnet::architecture(backbone, &efficientnet::TENSORFLOW_LITE),
        }
    }

    /// All tensors in timm's order, `num_batches_tracked` left out.
    pub fn tensors(&self) -> impl Iterator<Item = &TensorSpec> {
        self.blocks.iter().flat_map(|block| &block.tensors)
    }
}

/// A freezable part of a backbone.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// `stem`, `layer1`, `blocks.0`, `conv_head`, ….
    pub name: String,
    /// What the forward pass does, in order.
    pub layers: Vec<Layer>,
    /// What the layers hold, in timm's order.
    pub tensors: Vec<TensorSpec>,
}

impl Block {
    fn new(name: impl Into<String>, layers: Vec<Layer>) -> Self {
        let mut tensors = Vec::new();
        for layer in &layers {
            layer.push_tensors(&mut tensors);
        }
        Self { name: name.into(), layers, tensors }
    }
}

/// One tensor of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorSpec {
    /// timm's name.
    pub name: String,
    pub shape: Vec<i64>,
    pub kind: TensorKind,
}

impl TensorSpec {
    pub(crate) fn new(name: String, shape: &[i64], kind: TensorKind) -> Self {
        Self { name, shape: shape.to_vec(), kind }
    }

    /// How many numbers it holds.
    pub fn len(&self) -> u64 {
        self.shape.iter().map(|&side| side.unsigned_abs()).product()
    }

    /// Whether it holds no number at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What a tensor is for; it decides the initial value and whether gradient descent may move it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TensorKind {
    Weight,
    Bias,
    NormWeight,
    NormBias,
    RunningMean,
    RunningVar,
}

impl TensorKind {
    /// Whether it is a running statistic of batch normalization: saved, but never a parameter.
    pub fn is_statistic(self) -> bool {
        matches!(self, Self::RunningMean | Self::RunningVar)
    }
}

/// One step of a forward pass.
#[derive(Debug, Clone, PartialEq)]
pub enum Layer {
    ConvNorm(ConvNorm),
    SqueezeExcite(SqueezeExcite),
    MaxPool { kernel: i64, stride: i64, padding: i64 },
    Residual(Residual),
}

impl Layer {
    fn push_tensors(&self, tensors: &mut Vec<TensorSpec>) {
        match self {
            Self::ConvNorm(conv) => conv.push_tensors(tensors),
            Self::SqueezeExcite(gate) => gate.push_tensors(tensors),
            Self::MaxPool { .. } => {}
            Self::Residual(residual) => {
                residual.path.iter().for_each(|layer| layer.push_tensors(tensors));
                if let Shortcut::Projection(conv) = &residual.shortcut {
                    conv.push_tensors(tensors);
                }
            }
        }
    }
}

/// A convolution without bias, batch normalization, and perhaps an activation.
#[derive(Debug, Clone, PartialEq)]
pub struct ConvNorm {
    /// Prefix of the convolution's weight.
    pub conv: String,
    /// Prefix of the normalization's four tensors.
    pub norm: String,
    pub input: i64,
    pub output: i64,
    /// Side of the square kernel.
    pub kernel: i64,
    pub stride: i64,
    pub groups: i64,
    pub padding: Padding,
    /// What batch normalization adds to the variance.
    pub epsilon: f64,
    pub activation: Option<Activation>,
}

impl ConvNorm {
    fn push_tensors(&self, tensors: &mut Vec<TensorSpec>) {
        let shape = [self.output, self.input / self.groups, self.kernel, self.kernel];
        tensors.push(TensorSpec::new(format!("{}.weight", self.conv), &shape, TensorKind::Weight));
        push_norm(&self.norm, self.output, tensors);
    }
}

/// The four counted tensors of a batch normalization, in `PyTorch`'s order.
fn push_norm(prefix: &str, channels: i64, tensors: &mut Vec<TensorSpec>) {
    for (suffix, kind) in [
        ("weight", TensorKind::NormWeight),
        ("bias", TensorKind::NormBias),
        ("running_mean", TensorKind::RunningMean),
        ("running_var", TensorKind::RunningVar),
    ] {
        tensors.push(TensorSpec::new(format!("{prefix}.{suffix}"), &[channels], kind));
    }
}

/// Channel attention: pooled channels through two 1×1 convolutions and a sigmoid (Hu et al. 2018).
#[derive(Debug, Clone, PartialEq)]
pub struct SqueezeExcite {
    /// Prefix of `conv_reduce` and `conv_expand`.
    pub name: String,
    pub channels: i64,
    /// Width between the two convolutions.
    pub reduced: i64,
    pub activation: Activation,
}

impl SqueezeExcite {
    fn push_tensors(&self, tensors: &mut Vec<TensorSpec>) {
        for (conv, input, output) in
            [("conv_reduce", self.channels, self.reduced), ("conv_expand", self.reduced, self.channels)]
        {
            let prefix = format!("{}.{conv}", self.name);
            tensors.push(TensorSpec::new(format!("{prefix}.weight"), &[output, input, 1, 1], TensorKind::Weight));
            tensors.push(TensorSpec::new(format!("{prefix}.bias"), &[output], TensorKind::Bias));
        }
    }
}

/// A path added to a shortcut around it.
#[derive(Debug, Clone, PartialEq)]
pub struct Residual {
    pub path: Vec<Layer>,
    pub shortcut: Shortcut,
    /// Applied to the sum; `None` where the block is linear, as in `MobileNetV2` and its descendants.
    pub activation: Option<Activation>,
}

/// How a residual block's input reaches the sum.
#[derive(Debug, Clone, PartialEq)]
pub enum Shortcut {
    Identity,
    Projection(ConvNorm),
}

/// An elementwise nonlinearity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    Relu,
    /// `ReLU` clipped at 6.
    Relu6,
    /// x · sigmoid(x), also called swish.
    Silu,
}

/// How a convolution treats the border.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// kernel / 2 zeros on every side.
    Symmetric,
    /// TensorFlow's `SAME`: as few zeros as give ⌈size / stride⌉ outputs, the odd one at the bottom and right.
    Same,
}

impl Padding {
    /// Zeros before and after one axis of `size` pixels.
    pub fn amounts(self, size: i64, kernel: i64, stride: i64) -> (i64, i64) {
        match self {
            Self::Symmetric => (kernel / 2, kernel / 2),
            Self::Same => {
                let outputs = (size + stride - 1) / stride;
                let total = ((outputs - 1) * stride + kernel - size).max(0);
                (total / 2, total - total / 2)
            }
        }
    }
}
