//! `EfficientNet` and its relatives: inverted residuals, most with squeeze-and-excitation, scaled in width and depth.

use super::block::{Architecture, Block, Tail};
use super::inverted::{Inverted, Squeeze, Style, round_channels};
use super::{Activation, Gate, Layer, Padding};

/// What distinguishes the members of the family.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Shape {
    style: Style,
    squeeze_excite: bool,
    stages: &'static [Stage],
    /// Channels of the first and of the last convolution, before scaling.
    ends: (i64, i64),
    /// How wide and how deep it is, in tenths of what `stages` and `ends` say.
    scale: (i64, usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stage {
    kind: Kind,
    repeats: usize,
    kernel: i64,
    stride: i64,
    expansion: i64,
    channels: i64,
}

/// Which block a stage repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Inverted,
    /// Without squeeze-and-excitation, and with one convolution in the place of the first two.
    Fused,
    /// A single convolution.
    Plain,
}

/// `EfficientNet` as trained in `PyTorch`; TensorFlow's has another padding and epsilon.
pub(super) const PYTORCH: Shape = Shape {
    style: Style {
        activation: Activation::Silu,
        padding: Padding::Symmetric,
        epsilon: 1e-5,
    },
    squeeze_excite: true,
    stages: &B0,
    ends: (32, 1280),
    scale: (10, 10),
};

/// `EfficientNet` as trained in TensorFlow.
pub(super) const TENSORFLOW: Shape = PYTORCH.in_tensorflow();

/// `EfficientNet-Lite`, for mobile hardware: `ReLU6`, and no squeeze-and-excitation.
pub(super) const LITE: Shape = Shape {
    style: Style {
        activation: Activation::Relu6,
        ..PYTORCH.style
    },
    squeeze_excite: false,
    ..PYTORCH
};

/// `EfficientNet-Lite` as trained in TensorFlow.
pub(super) const TENSORFLOW_LITE: Shape = LITE.in_tensorflow();

/// `EfficientNetV2`'s small size, as trained in TensorFlow.
pub(super) const TENSORFLOW_V2_S: Shape = Shape {
    stages: &V2_S,
    ends: (24, 1280),
    ..TENSORFLOW
};

/// The same as timm's author read the paper, before its code was published.
pub(super) const RW_V2_S: Shape = Shape {
    stages: &V2_RW_S,
    ends: (24, 1792),
    ..PYTORCH
};

/// `MobileNetV2` has the same blocks and other stages.
pub(super) const MOBILENET_V2: Shape = Shape {
    stages: &MOBILENET_V2_STAGES,
    ..LITE
};

impl Shape {
    /// With so many tenths of its width and depth.
    pub(super) const fn scaled(self, width: i64, depth: usize) -> Self {
        Self {
            scale: (width, depth),
            ..self
        }
    }

    const fn in_tensorflow(self) -> Self {
        Self {
            style: Style {
                padding: Padding::Same,
                epsilon: 1e-3,
                ..self.style
            },
            ..self
        }
    }

    /// A quarter of the block's input, not of its expanded width.
    fn squeeze(&self, input: i64) -> Option<Squeeze> {
        let (activation, gate) = (self.style.activation, Gate::Sigmoid);
        self.squeeze_excite.then_some(Squeeze {
            reduced: input / 4,
            activation,
            gate,
        })
    }
}

/// A row of the tables below: repeats, kernel and stride, expansion, channels.
const fn stage(
    kind: Kind,
    repeats: usize,
    (kernel, stride): (i64, i64),
    expansion: i64,
    channels: i64,
) -> Stage {
    Stage {
        kind,
        repeats,
        kernel,
        stride,
        expansion,
        channels,
    }
}

/// Table 1 of the `EfficientNet` paper.
const B0: [Stage; 7] = [
    stage(Kind::Inverted, 1, (3, 1), 1, 16),
    stage(Kind::Inverted, 2, (3, 2), 6, 24),
    stage(Kind::Inverted, 2, (5, 2), 6, 40),
    stage(Kind::Inverted, 3, (3, 2), 6, 80),
    stage(Kind::Inverted, 3, (5, 1), 6, 112),
    stage(Kind::Inverted, 4, (5, 2), 6, 192),
    stage(Kind::Inverted, 1, (3, 1), 6, 320),
];

/// Table 4 of the `EfficientNetV2` paper.
const V2_S: [Stage; 6] = [
    stage(Kind::Plain, 2, (3, 1), 1, 24),
    stage(Kind::Fused, 4, (3, 2), 4, 48),
    stage(Kind::Fused, 4, (3, 2), 4, 64),
    stage(Kind::Inverted, 6, (3, 2), 4, 128),
    stage(Kind::Inverted, 9, (3, 1), 6, 160),
    stage(Kind::Inverted, 15, (3, 2), 6, 256),
];

const V2_RW_S: [Stage; 6] = [
    stage(Kind::Fused, 2, (3, 1), 1, 24),
    V2_S[1],
    V2_S[2],
    V2_S[3],
    V2_S[4],
    stage(Kind::Inverted, 15, (3, 2), 6, 272),
];

/// Table 2 of the `MobileNetV2` paper.
const MOBILENET_V2_STAGES: [Stage; 7] = [
    stage(Kind::Inverted, 1, (3, 1), 1, 16),
    stage(Kind::Inverted, 2, (3, 2), 6, 24),
    stage(Kind::Inverted, 3, (3, 2), 6, 32),
    stage(Kind::Inverted, 4, (3, 2), 6, 64),
    stage(Kind::Inverted, 3, (3, 1), 6, 96),
    stage(Kind::Inverted, 3, (3, 2), 6, 160),
    stage(Kind::Inverted, 1, (3, 1), 6, 320),
];

pub(super) fn architecture(shape: Shape) -> Architecture {
    let (style, (width, depth)) = (shape.style, shape.scale);
    let wide = |channels: i64| round_channels(channels * width, 10);
    let mut input = wide(shape.ends.0);
    let stem = style.conv("conv_stem", "bn1", (3, input), 3, 2);
    let mut blocks = vec![Block::new("stem", vec![Layer::ConvNorm(stem)])];
    let repeats = |stage: &Stage| (stage.repeats * depth).div_ceil(10);
    let all: usize = shape.stages.iter().map(repeats).sum();
    let mut done = 0;
    for (index, stage) in shape.stages.iter().enumerate() {
        let name = format!("blocks.{index}");
        let mut layers = Vec::new();
        for repeat in 0..repeats(stage) {
            let block = Inverted {
                kernel: stage.kernel,
                stride: if repeat == 0 { stage.stride } else { 1 },
                input,
                expanded: input * stage.expansion,
                output: wide(stage.channels),
                squeeze: shape.squeeze(input),
                drop_share: f64::from(done) / all as f64,
            };
            done += 1;
            let prefix = format!("{name}.{repeat}");
            layers.extend(match stage.kind {
                Kind::Inverted => block.layers(&prefix, style),
                Kind::Fused => block.fused_layers(&prefix, style),
                Kind::Plain => block.plain_layers(&prefix, style),
            });
            input = block.output;
        }
        blocks.push(Block::new(name, layers));
    }
    let features = wide(shape.ends.1);
    let head = style.conv("conv_head", "bn2", (input, features), 1, 1);
    blocks.push(Block::new(
        "conv_head",
        vec![Layer::ConvNorm(head), Layer::Pool],
    ));
    Architecture {
        features: usize::try_from(features).unwrap_or_default(),
        blocks,
        tail: Tail::LastBlock,
    }
}
