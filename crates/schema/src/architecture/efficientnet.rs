//! `EfficientNet`: inverted residuals with squeeze-and-excitation, scaled in width and depth; the Lite variant without.

use super::backbone::{Backbone, EfficientNetVariant};
use super::block::Architecture;
use super::block::Block;
use super::inverted::{Inverted, Squeeze, Style, round_channels};
use super::{Activation, Gate, Layer, Padding};

#[derive(Debug)]
struct Variant {
    style: Style,
    squeeze_excite: bool,
}

/// As trained in `PyTorch`.
const PYTORCH: Variant = Variant {
    style: Style {
        activation: Activation::Silu,
        padding: Padding::Symmetric,
        epsilon: 1e-5,
    },
    squeeze_excite: true,
};

/// As trained in TensorFlow.
const TENSORFLOW: Variant = Variant {
    style: Style {
        padding: Padding::Same,
        epsilon: 1e-3,
        ..PYTORCH.style
    },
    squeeze_excite: true,
};

/// For mobile hardware.
const LITE: Variant = Variant {
    style: Style {
        activation: Activation::Relu6,
        ..PYTORCH.style
    },
    squeeze_excite: false,
};

/// For mobile hardware, as trained in TensorFlow.
const TENSORFLOW_LITE: Variant = Variant {
    style: Style {
        activation: Activation::Relu6,
        ..TENSORFLOW.style
    },
    squeeze_excite: false,
};

struct Stage {
    repeats: usize,
    kernel: i64,
    stride: i64,
    expansion: i64,
    channels: i64,
}

/// Table 1 of the `EfficientNet` paper.
const STAGES: [Stage; 7] = [
    Stage {
        repeats: 1,
        kernel: 3,
        stride: 1,
        expansion: 1,
        channels: 16,
    },
    Stage {
        repeats: 2,
        kernel: 3,
        stride: 2,
        expansion: 6,
        channels: 24,
    },
    Stage {
        repeats: 2,
        kernel: 5,
        stride: 2,
        expansion: 6,
        channels: 40,
    },
    Stage {
        repeats: 3,
        kernel: 3,
        stride: 2,
        expansion: 6,
        channels: 80,
    },
    Stage {
        repeats: 3,
        kernel: 5,
        stride: 1,
        expansion: 6,
        channels: 112,
    },
    Stage {
        repeats: 4,
        kernel: 5,
        stride: 2,
        expansion: 6,
        channels: 192,
    },
    Stage {
        repeats: 1,
        kernel: 3,
        stride: 1,
        expansion: 6,
        channels: 320,
    },
];
const STEM: i64 = 32;
const FEATURES: i64 = 1280;

/// The member of the family with `width` tenths of B0's width and `depth` tenths of its depth.
pub(super) fn scaled(
    backbone: Backbone,
    variant: EfficientNetVariant,
    width: i64,
    depth: usize,
) -> Architecture {
    let variant = match variant {
        EfficientNetVariant::PyTorch => PYTORCH,
        EfficientNetVariant::TensorFlow => TENSORFLOW,
        EfficientNetVariant::Lite => LITE,
        EfficientNetVariant::TensorFlowLite => TENSORFLOW_LITE,
    };
    let style = variant.style;
    let wide = |channels: i64| round_channels(channels * width, 10);
    let mut input = wide(STEM);
    let stem = style.conv("conv_stem", "bn1", (3, input), 3, 2);
    let mut blocks = vec![Block::new("stem", vec![Layer::ConvNorm(stem)])];
    let repeats = |stage: &Stage| (stage.repeats * depth).div_ceil(10);
    let all: usize = STAGES.iter().map(repeats).sum();
    let mut done = 0;
    for (index, stage) in STAGES.iter().enumerate() {
        let name = format!("blocks.{index}");
        let mut layers = Vec::new();
        for repeat in 0..repeats(stage) {
            let block = Inverted {
                kernel: stage.kernel,
                stride: if repeat == 0 { stage.stride } else { 1 },
                input,
                expanded: input * stage.expansion,
                output: wide(stage.channels),
                squeeze: variant.squeeze(input),
                drop_share: done as f64 / all as f64,
            };
            done += 1;
            layers.extend(block.layers(&format!("{name}.{repeat}"), style));
            input = block.output;
        }
        blocks.push(Block::new(name, layers));
    }
    let features = wide(FEATURES);
    let head = style.conv("conv_head", "bn2", (input, features), 1, 1);
    blocks.push(Block::new(
        "conv_head",
        vec![Layer::ConvNorm(head), Layer::Pool],
    ));
    Architecture {
        backbone,
        features: usize::try_from(features).unwrap_or_default(),
        blocks,
    }
}

impl Variant {
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
