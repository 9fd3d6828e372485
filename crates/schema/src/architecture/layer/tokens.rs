//! Layers over the channels of each position of an image, or of each token.

use super::{Conv, TensorKind, TensorSpec, push_dense};

/// Normalization over the channels of each position (Ba et al. 2016).
#[derive(Debug, Clone, PartialEq)]
pub struct LayerNorm {
    /// Prefix of its weight and bias.
    pub name: String,
    pub channels: i64,
    /// The constant that it adds to the variance.
    pub epsilon: f64,
}

impl LayerNorm {
    pub(super) fn push_tensors(&self, tensors: &mut Vec<TensorSpec>) {
        for (suffix, kind) in [
            ("weight", TensorKind::NormWeight),
            ("bias", TensorKind::NormBias),
        ] {
            tensors.push(TensorSpec::new(
                format!("{}.{suffix}", self.name),
                &[self.channels],
                kind,
            ));
        }
    }
}

/// Two dense layers over the channels of each position, with an activation between them.
#[derive(Debug, Clone, PartialEq)]
pub struct Mlp {
    /// Prefix of `fc1` and `fc2`.
    pub name: String,
    pub channels: i64,
    pub hidden: i64,
    pub activation: MlpActivation,
    /// Whether global response normalization follows the activation, as `grn` (Woo et al. 2023); images only.
    pub response_norm: bool,
    /// Whether timm keeps the weights as 1×1 convolutions.
    pub as_convolutions: bool,
}

/// The activation between the dense layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MlpActivation {
    /// x · Φ(x) (Hendrycks and Gimpel 2016).
    Gelu,
    /// x · sigmoid(1.702 x), an approximation of [`Self::Gelu`] with which `OpenAI` trained CLIP.
    QuickGelu,
}

impl Mlp {
    pub(super) fn push_tensors(&self, tensors: &mut Vec<TensorSpec>) {
        let prefix = |part: &str| format!("{}.{part}", self.name);
        self.push_layer(&prefix("fc1"), (self.channels, self.hidden), tensors);
        if self.response_norm {
            for (suffix, kind) in [
                ("weight", TensorKind::ResponseWeight),
                ("bias", TensorKind::NormBias),
            ] {
                tensors.push(TensorSpec::new(
                    prefix(&format!("grn.{suffix}")),
                    &[self.hidden],
                    kind,
                ));
            }
        }
        self.push_layer(&prefix("fc2"), (self.hidden, self.channels), tensors);
    }

    fn push_layer(&self, prefix: &str, widths: (i64, i64), tensors: &mut Vec<TensorSpec>) {
        let weight = tensors.len();
        push_dense(prefix, widths, TensorKind::SmallWeight, tensors);
        if self.as_convolutions {
            tensors[weight].shape.extend([1, 1]);
        }
    }
}

/// Cuts an image into square patches, one token each after the class token and the registers.
#[derive(Debug, Clone, PartialEq)]
pub struct Patches {
    pub projection: Conv,
    /// Further tokens that hold nothing of the image (Darcet et al. 2024).
    pub registers: i64,
    pub positions: Positions,
}

/// How tokens know where their patch lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Positions {
    /// A learned vector for the class token, each register and each patch of an image of `pixels`. For images of other sizes, those
    /// of the patches are interpolated.
    All { pixels: u32 },
    /// Learned vectors for the patches alone, interpolated in the same way.
    Patches { pixels: u32 },
    /// Attention rotates queries and keys by their position: see [`Rotary`].
    Rotary,
}

impl Patches {
    /// How many tokens come before those of the patches: the class token and the registers.
    pub fn prefix_tokens(&self) -> i64 {
        1 + self.registers
    }

    pub(super) fn push_tensors(&self, tensors: &mut Vec<TensorSpec>) {
        let channels = self.projection.output;
        let patches = |pixels: u32| (i64::from(pixels) / self.projection.stride).pow(2);
        let positions = match self.positions {
            Positions::All { pixels } => self.prefix_tokens() + patches(pixels),
            Positions::Patches { pixels } => patches(pixels),
            Positions::Rotary => 0,
        };
        for (name, count) in [
            ("cls_token", 1),
            ("reg_token", self.registers),
            ("pos_embed", positions),
        ] {
            if count > 0 {
                tensors.push(TensorSpec::new(
                    name.to_owned(),
                    &[1, count, channels],
                    TensorKind::Embedding,
                ));
            }
        }
        self.projection.push_tensors(tensors);
    }
}

/// Self-attention over all tokens (Vaswani et al. 2017).
#[derive(Debug, Clone, PartialEq)]
pub struct Attention {
    /// Prefix of `qkv` and `proj`.
    pub name: String,
    pub channels: i64,
    pub heads: i64,
    /// Whether queries, keys and values have a bias.
    pub qkv_bias: bool,
    pub rotary: Option<Rotary>,
}

/// Rotary position embedding (`RoPE`; Su et al. 2021, `RoFormer`) of patches in an image, in the form of `DINOv3`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rotary {
    /// Tokens without a place, before those of the patches.
    pub prefix_tokens: i64,
    /// Ratio of the longest period to the shortest, which is the distance from the image's centre to its edge.
    pub temperature: f64,
}

impl Attention {
    pub(super) fn push_tensors(&self, tensors: &mut Vec<TensorSpec>) {
        let Self { name, channels, .. } = self;
        push_dense(
            &format!("{name}.qkv"),
            (*channels, 3 * channels),
            TensorKind::SmallWeight,
            tensors,
        );
        if !self.qkv_bias {
            tensors.pop();
        }
        push_dense(
            &format!("{name}.proj"),
            (*channels, *channels),
            TensorKind::SmallWeight,
            tensors,
        );
    }
}
