//! Vision transformers: patches as tokens, attention between them.

use super::block::{Architecture, Block, Tail};
use super::input_size::InputSize;
use super::{
    Attention, Conv, Layer, LayerNorm, Mlp, MlpActivation, Padding, Patches, Positions, Residual,
    Rotary, Shortcut, TensorKind,
};

const DEPTH: usize = 12;
/// Channels of each head, in every size.
const HEAD: i64 = 64;
/// Fewer patches a side leave hardly anything of an image.
const FEWEST_PATCHES: u32 = 4;

/// What distinguishes the members of the family.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Shape {
    /// Side of a patch in pixels.
    patch: u32,
    channels: i64,
    registers: i64,
    positions: Positions,
    epsilon: f64,
    activation: MlpActivation,
    /// Whether the tokens are normalized before the first block, and patches have no bias, as in CLIP.
    normalized: bool,
    scales: Scales,
}

/// The factors of the residual paths (Touvron et al. 2021).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scales {
    Absent,
    /// Each is a part of its path.
    InPath,
    /// Both are parameters of the block, before all others.
    First,
}

pub(super) const SMALL: Shape = Shape {
    patch: 16,
    channels: 384,
    registers: 0,
    positions: Positions::All { pixels: 224 },
    epsilon: 1e-6,
    activation: MlpActivation::Gelu,
    normalized: false,
    scales: Scales::Absent,
};

/// CLIP's image tower (Radford et al. 2021).
pub(super) const CLIP: Shape = Shape {
    epsilon: 1e-5,
    normalized: true,
    ..SMALL.base()
};

pub(super) const DEIT3: Shape = Shape {
    positions: Positions::Patches { pixels: 224 },
    scales: Scales::InPath,
    ..SMALL
};

pub(super) const DINO_V2: Shape = Shape {
    patch: 14,
    positions: Positions::All { pixels: 518 },
    scales: Scales::InPath,
    ..SMALL
};

pub(super) const DINO_V2_REGISTERS: Shape = Shape {
    registers: 4,
    positions: Positions::Patches { pixels: 518 },
    ..DINO_V2
};

pub(super) const DINO_V3: Shape = Shape {
    registers: 4,
    positions: Positions::Rotary,
    epsilon: 1e-5,
    scales: Scales::First,
    ..SMALL
};

impl Shape {
    /// Twice as wide.
    pub(super) const fn base(self) -> Self {
        Self {
            channels: 768,
            ..self
        }
    }

    /// With patches of this side.
    pub(super) const fn patches(self, patch: u32) -> Self {
        Self { patch, ..self }
    }

    pub(super) const fn quick_gelu(self) -> Self {
        Self {
            activation: MlpActivation::QuickGelu,
            ..self
        }
    }

    /// The images that it takes.
    pub(super) const fn input_size(self) -> InputSize {
        InputSize::Patches {
            side: self.patch,
            least: self.patch * FEWEST_PATCHES,
            learned: match self.positions {
                Positions::All { pixels } | Positions::Patches { pixels } => Some(pixels),
                Positions::Rotary => None,
            },
        }
    }
}

pub(super) fn architecture(shape: Shape) -> Architecture {
    let channels = shape.channels;
    let patches = shape.to_patches();
    let prefix_tokens = patches.prefix_tokens();
    let mut stem = vec![Layer::Patches(patches)];
    if shape.normalized {
        stem.push(shape.norm("norm_pre".to_owned()));
    }
    let mut blocks = vec![Block::new("stem", stem)];
    for index in 0..DEPTH {
        let name = format!("blocks.{index}");
        let drop_share = index as f64 / (DEPTH - 1) as f64;
        let layers = shape.block(&name, prefix_tokens, drop_share);
        let mut block = Block::new(name, layers);
        if shape.scales == Scales::First {
            block
                .tensors
                .sort_by_key(|tensor| tensor.kind != TensorKind::Scale);
        }
        blocks.push(block);
    }
    let pool = match shape.positions {
        Positions::Rotary => Layer::TokenMean { prefix_tokens },
        Positions::All { .. } | Positions::Patches { .. } => Layer::ClassToken,
    };
    blocks.push(Block::new(
        "norm",
        vec![shape.norm("norm".to_owned()), pool],
    ));
    Architecture {
        features: usize::try_from(channels).unwrap_or_default(),
        blocks,
        tail: Tail::LastBlock,
    }
}

impl Shape {
    fn to_patches(self) -> Patches {
        let patch = i64::from(self.patch);
        let projection = Conv {
            name: "patch_embed.proj".to_owned(),
            bias: !self.normalized,
            input: 3,
            output: self.channels,
            kernel: patch,
            stride: patch,
            groups: 1,
            padding: Padding::Valid,
            activation: None,
            kind: TensorKind::PatchWeight,
        };
        Patches {
            projection,
            registers: self.registers,
            positions: self.positions,
        }
    }

    fn block(self, name: &str, prefix_tokens: i64, drop_share: f64) -> Vec<Layer> {
        let part = |part: &str| format!("{name}.{part}");
        let is_rotary = self.positions == Positions::Rotary;
        let attention = Attention {
            name: part("attn"),
            channels: self.channels,
            heads: self.channels / HEAD,
            qkv_bias: !is_rotary,
            rotary: is_rotary.then_some(Rotary {
                prefix_tokens,
                temperature: 100.0,
            }),
        };
        let mlp = Mlp {
            name: part("mlp"),
            channels: self.channels,
            hidden: 4 * self.channels,
            activation: self.activation,
            response_norm: false,
            as_convolutions: false,
        };
        let scale = |index: usize| {
            let name = match self.scales {
                Scales::Absent => None,
                Scales::InPath => Some(part(&format!("ls{index}.gamma"))),
                Scales::First => Some(part(&format!("gamma_{index}"))),
            };
            let channels = self.channels;
            name.map(|name| Layer::Scale { name, channels })
        };
        let norm = |index: usize| self.norm(part(&format!("norm{index}")));
        vec![
            residual([norm(1), Layer::Attention(attention)], scale(1), drop_share),
            residual([norm(2), Layer::Mlp(mlp)], scale(2), drop_share),
        ]
    }

    fn norm(self, name: String) -> Layer {
        Layer::LayerNorm(LayerNorm {
            name,
            channels: self.channels,
            epsilon: self.epsilon,
        })
    }
}

fn residual(path: [Layer; 2], scale: Option<Layer>, drop_share: f64) -> Layer {
    Layer::Residual(Residual {
        path: path.into_iter().chain(scale).collect(),
        scale: None,
        shortcut: Shortcut::Identity,
        activation: None,
        drop_share,
    })
}
