//! The steps of a forward pass as data, and the tensors that they hold.

mod tokens;

pub use tokens::{Attention, LayerNorm, Mlp, MlpActivation, Patches, Positions, Rotary};

/// One tensor of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorSpec {
    /// timm's name.
    pub name: String,
    pub shape: Vec<i64>,
    pub kind: TensorKind,
}

impl TensorSpec {
    pub(super) fn new(name: String, shape: &[i64], kind: TensorKind) -> Self {
        Self {
            name,
            shape: shape.to_vec(),
            kind,
        }
    }

    /// How many numbers it holds.
    pub fn len(&self) -> u64 {
        self.shape.iter().map(|&side| side.unsigned_abs()).product()
    }

    /// Whether it has no numbers.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The purpose of a tensor; it determines the initial value and whether the tensor can train.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TensorKind {
    Weight,
    /// The weight of a convolution whose fan-out is that of one of its `groups`, as timm counts it for `RegNet`.
    GroupedWeight {
        groups: i64,
    },
    /// A weight with small initial values, as in transformers and models like them.
    SmallWeight,
    /// The weight of a vision transformer's patch projection, which timm leaves as `PyTorch` draws a convolution's.
    PatchWeight,
    /// The bias of a patch projection, with the fan-in of its weight.
    PatchBias {
        fan_in: i64,
    },
    Bias,
    NormWeight,
    NormBias,
    RunningMean,
    RunningVar,
    /// The factor of a residual path, one per channel (Touvron et al. 2021).
    Scale,
    /// The factor of a global response normalization, which starts at zero (Woo et al. 2023).
    ResponseWeight,
    /// Learned input: positions, the class token, or registers.
    Embedding,
}

impl TensorKind {
    /// Whether it is a running statistic of batch normalization: saved, but never a parameter.
    pub fn is_statistic(self) -> bool {
        matches!(self, Self::RunningMean | Self::RunningVar)
    }

    /// Whether it is a weight of a convolution or a dense layer: neither a bias, nor part of a normalization, nor a learned input.
    pub fn is_matrix(self) -> bool {
        matches!(
            self,
            Self::Weight | Self::GroupedWeight { .. } | Self::SmallWeight | Self::PatchWeight
        )
    }
}

/// One step of a forward pass. Images are `[N, C, H, W]`, tokens `[N, T, C]`.
#[derive(Debug, Clone, PartialEq)]
pub enum Layer {
    ConvNorm(ConvNorm),
    Conv(Conv),
    Norm(Norm),
    SqueezeExcite(SqueezeExcite),
    MaxPool {
        kernel: i64,
        stride: i64,
        padding: i64,
    },
    /// Means of squares of `side` pixels that tile the image.
    AvgPool {
        side: i64,
        border: Border,
    },
    /// Mean over each channel, `[N, C, H, W]` to `[N, C, 1, 1]`.
    Pool,
    /// Gives an image at least `side` pixels a side, by means over parts that overlap. A larger image stays.
    Enlarge {
        side: i64,
    },
    LayerNorm(LayerNorm),
    Mlp(Mlp),
    Patches(Patches),
    Attention(Attention),
    /// Only the first token, `[N, T, C]` to `[N, C]`.
    ClassToken,
    /// Mean over the tokens after the first `prefix_tokens`, `[N, T, C]` to `[N, C]`.
    TokenMean {
        prefix_tokens: i64,
    },
    /// A factor for each channel of the tokens (Touvron et al. 2021).
    Scale {
        name: String,
        channels: i64,
    },
    Residual(Residual),
    /// Appends the channels that these layers make of the input to the input's own (Huang et al. 2017).
    Grow(Vec<Layer>),
}

impl Layer {
    pub(super) fn push_tensors(&self, tensors: &mut Vec<TensorSpec>) {
        match self {
            Self::ConvNorm(conv) => conv.push_tensors(tensors),
            Self::Conv(conv) => conv.push_tensors(tensors),
            Self::Norm(norm) => push_norm(&norm.name, norm.channels, tensors),
            Self::SqueezeExcite(gate) => gate.push_tensors(tensors),
            Self::MaxPool { .. }
            | Self::AvgPool { .. }
            | Self::Pool
            | Self::Enlarge { .. }
            | Self::ClassToken
            | Self::TokenMean { .. } => {}
            Self::LayerNorm(norm) => norm.push_tensors(tensors),
            Self::Mlp(mlp) => mlp.push_tensors(tensors),
            Self::Patches(patches) => patches.push_tensors(tensors),
            Self::Attention(attention) => attention.push_tensors(tensors),
            Self::Scale { name, channels } => {
                tensors.push(TensorSpec::new(
                    name.clone(),
                    &[*channels],
                    TensorKind::Scale,
                ));
            }
            Self::Residual(residual) => residual.push_tensors(tensors),
            Self::Grow(path) => path.iter().for_each(|layer| layer.push_tensors(tensors)),
        }
    }
}

/// A convolution without bias, batch normalization, and optionally an activation.
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
    /// The constant that batch normalization adds to the variance.
    pub epsilon: f64,
    pub activation: Option<Activation>,
    /// The role of the convolution's weight, which determines the initial values.
    pub kind: TensorKind,
}

impl ConvNorm {
    fn push_tensors(&self, tensors: &mut Vec<TensorSpec>) {
        let shape = [
            self.output,
            self.input / self.groups,
            self.kernel,
            self.kernel,
        ];
        tensors.push(TensorSpec::new(
            format!("{}.weight", self.conv),
            &shape,
            self.kind,
        ));
        push_norm(&self.norm, self.output, tensors);
    }
}

/// The four tensors of a batch normalization, in `PyTorch`'s order. `num_batches_tracked` is left out, because no step uses it.
pub(super) fn push_norm(prefix: &str, channels: i64, tensors: &mut Vec<TensorSpec>) {
    for (suffix, kind) in [
        ("weight", TensorKind::NormWeight),
        ("bias", TensorKind::NormBias),
        ("running_mean", TensorKind::RunningMean),
        ("running_var", TensorKind::RunningVar),
    ] {
        tensors.push(TensorSpec::new(
            format!("{prefix}.{suffix}"),
            &[channels],
            kind,
        ));
    }
}

/// Batch normalization without a convolution before it, and optionally an activation.
#[derive(Debug, Clone, PartialEq)]
pub struct Norm {
    /// Prefix of its four tensors.
    pub name: String,
    pub channels: i64,
    /// The constant that it adds to the variance.
    pub epsilon: f64,
    pub activation: Option<Activation>,
}

/// A convolution without normalization, and optionally an activation.
#[derive(Debug, Clone, PartialEq)]
pub struct Conv {
    /// Prefix of its weight and bias.
    pub name: String,
    pub bias: bool,
    pub input: i64,
    pub output: i64,
    /// Side of the square kernel.
    pub kernel: i64,
    pub stride: i64,
    pub groups: i64,
    pub padding: Padding,
    pub activation: Option<Activation>,
    /// The role of its weight, which determines the initial values.
    pub kind: TensorKind,
}

impl Conv {
    fn push_tensors(&self, tensors: &mut Vec<TensorSpec>) {
        let shape = [
            self.output,
            self.input / self.groups,
            self.kernel,
            self.kernel,
        ];
        tensors.push(TensorSpec::new(
            format!("{}.weight", self.name),
            &shape,
            self.kind,
        ));
        if self.bias {
            let kind = if self.kind == TensorKind::PatchWeight {
                TensorKind::PatchBias {
                    fan_in: shape[1..].iter().product(),
                }
            } else {
                TensorKind::Bias
            };
            tensors.push(TensorSpec::new(
                format!("{}.bias", self.name),
                &[self.output],
                kind,
            ));
        }
    }
}

/// Weight and bias of a dense layer.
pub(super) fn push_dense(
    prefix: &str,
    (input, output): (i64, i64),
    kind: TensorKind,
    tensors: &mut Vec<TensorSpec>,
) {
    tensors.push(TensorSpec::new(
        format!("{prefix}.weight"),
        &[output, input],
        kind,
    ));
    tensors.push(TensorSpec::new(
        format!("{prefix}.bias"),
        &[output],
        TensorKind::Bias,
    ));
}

/// Channel attention: pooled channels through two 1×1 convolutions and a gate (Hu et al. 2018).
#[derive(Debug, Clone, PartialEq)]
pub struct SqueezeExcite {
    /// Prefix of the two convolutions.
    pub name: String,
    /// What timm calls the convolutions in this family.
    pub convolutions: [&'static str; 2],
    pub channels: i64,
    /// Width between the two convolutions.
    pub reduced: i64,
    pub activation: Activation,
    pub gate: Gate,
}

impl SqueezeExcite {
    fn push_tensors(&self, tensors: &mut Vec<TensorSpec>) {
        let [reduce, expand] = self.convolutions;
        for (conv, input, output) in [
            (reduce, self.channels, self.reduced),
            (expand, self.reduced, self.channels),
        ] {
            let prefix = format!("{}.{conv}", self.name);
            tensors.push(TensorSpec::new(
                format!("{prefix}.weight"),
                &[output, input, 1, 1],
                TensorKind::Weight,
            ));
            tensors.push(TensorSpec::new(
                format!("{prefix}.bias"),
                &[output],
                TensorKind::Bias,
            ));
        }
    }
}

/// A residual path and its shortcut.
#[derive(Debug, Clone, PartialEq)]
pub struct Residual {
    pub path: Vec<Layer>,
    /// Name and number of the path's factors, one per channel.
    pub scale: Option<(String, i64)>,
    pub shortcut: Shortcut,
    /// Applied to the sum; `None` if the block is linear, as in `MobileNetV2` and its descendants.
    pub activation: Option<Activation>,
    /// Share of `model.drop_path` that is this path's rate, from 0 in the first block, as timm scales it.
    pub drop_share: f64,
}

impl Residual {
    fn push_tensors(&self, tensors: &mut Vec<TensorSpec>) {
        if let Some((name, channels)) = &self.scale {
            tensors.push(TensorSpec::new(
                name.clone(),
                &[*channels],
                TensorKind::Scale,
            ));
        }
        self.path
            .iter()
            .for_each(|layer| layer.push_tensors(tensors));
        if let Shortcut::Projection(layers) = &self.shortcut {
            for layer in layers {
                layer.push_tensors(tensors);
            }
        }
    }
}

/// How a residual block's input reaches the sum.
#[derive(Debug, Clone, PartialEq)]
pub enum Shortcut {
    Identity,
    /// Through these layers, which give it the shape of the path's output.
    Projection(Vec<Layer>),
}

/// An elementwise nonlinearity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    Relu,
    /// `ReLU` clipped at 6.
    Relu6,
    /// x · sigmoid(x), also called swish.
    Silu,
    /// The same with a piecewise linear sigmoid.
    HardSwish,
}

/// The function that turns a channel's attention into a factor from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    Sigmoid,
    /// Piecewise linear: 0 up to -3, 1 from 3 on.
    HardSigmoid,
}

/// What becomes of squares that reach beyond the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Border {
    /// They are means of what lies inside.
    Kept,
    Dropped,
}

/// How a convolution pads the border.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// kernel / 2 zeros on every side.
    Symmetric,
    /// TensorFlow's `SAME`: as few zeros as give ⌈size / stride⌉ outputs, the odd one at the bottom and right.
    Same,
    /// No zeros: pixels that do not fill a kernel are dropped.
    Valid,
}

impl Padding {
    /// Zeros before and after one axis of `size` pixels.
    pub fn amounts(self, size: i64, kernel: i64, stride: i64) -> (i64, i64) {
        match self {
            Self::Symmetric => (kernel / 2, kernel / 2),
            Self::Valid => (0, 0),
            Self::Same => {
                let outputs = (size + stride - 1) / stride;
                let total = ((outputs - 1) * stride + kernel - size).max(0);
                (total / 2, total - total / 2)
            }
        }
    }
}
