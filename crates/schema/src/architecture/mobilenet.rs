//! `MobileNetV3`-Large: inverted residuals found by search, and a last convolution after the pooling.

use super::block::{Architecture, Block, Tail};
use super::inverted::{Inverted, Squeeze, Style, round_channels};
use super::{Activation, Conv, Gate, Layer, Padding, TensorKind};

const STYLE: Style = Style {
    activation: Activation::HardSwish,
    padding: Padding::Symmetric,
    epsilon: 1e-5,
};
const STEM: i64 = 16;
const LAST: i64 = 960;
const FEATURES: u16 = 1280;

struct Row {
    stage: usize,
    kernel: i64,
    stride: i64,
    expanded: i64,
    output: i64,
    squeezes: bool,
}

const fn row(
    stage: usize,
    kernel: i64,
    stride: i64,
    expanded: i64,
    output: i64,
    squeezes: bool,
) -> Row {
    Row {
        stage,
        kernel,
        stride,
        expanded,
        output,
        squeezes,
    }
}

/// Table 1 of the `MobileNetV3` paper, in timm's stages.
const ROWS: [Row; 15] = [
    row(0, 3, 1, 16, 16, false),
    row(1, 3, 2, 64, 24, false),
    row(1, 3, 1, 72, 24, false),
    row(2, 5, 2, 72, 40, true),
    row(2, 5, 1, 120, 40, true),
    row(2, 5, 1, 120, 40, true),
    row(3, 3, 2, 240, 80, false),
    row(3, 3, 1, 200, 80, false),
    row(3, 3, 1, 184, 80, false),
    row(3, 3, 1, 184, 80, false),
    row(4, 3, 1, 480, 112, true),
    row(4, 3, 1, 672, 112, true),
    row(5, 5, 2, 672, 160, true),
    row(5, 5, 1, 960, 160, true),
    row(5, 5, 1, 960, 160, true),
];
/// The stages before this one use `ReLU`.
const FIRST_HARD_SWISH: usize = 3;

pub(super) fn architecture() -> Architecture {
    let stem = STYLE.conv("conv_stem", "bn1", (3, STEM), 3, 2);
    let mut blocks = vec![Block::new("stem", vec![Layer::ConvNorm(stem)])];
    let mut input = STEM;
    let mut done = 0;
    let stages = ROWS.chunk_by(|a, b| a.stage == b.stage);
    for (stage, rows) in stages.enumerate() {
        let name = format!("blocks.{stage}");
        let mut layers = Vec::new();
        for (index, row) in rows.iter().enumerate() {
            let &Row {
                kernel,
                stride,
                expanded,
                output,
                squeezes,
                ..
            } = row;
            let activation = if stage < FIRST_HARD_SWISH {
                Activation::Relu
            } else {
                STYLE.activation
            };
            let squeeze = squeezes.then_some(Squeeze {
                reduced: round_channels(expanded, 4),
                activation: Activation::Relu,
                gate: Gate::HardSigmoid,
            });
            let block = Inverted {
                kernel,
                stride,
                input,
                expanded,
                output,
                squeeze,
                // timm counts the last convolution as a block too.
                drop_share: f64::from(done) / (ROWS.len() + 1) as f64,
            };
            done += 1;
            layers.extend(block.layers(
                &format!("{name}.{index}"),
                Style {
                    activation,
                    ..STYLE
                },
            ));
            input = output;
        }
        blocks.push(Block::new(name, layers));
    }
    let last = STYLE.conv("blocks.6.0.conv", "blocks.6.0.bn1", (input, LAST), 1, 1);
    blocks.push(Block::new("blocks.6", vec![Layer::ConvNorm(last)]));
    blocks.push(Block::new(
        "conv_head",
        vec![Layer::Pool, Layer::Conv(conv_head())],
    ));
    Architecture {
        features: usize::from(FEATURES),
        blocks,
        tail: Tail::Head,
    }
}

fn conv_head() -> Conv {
    Conv {
        name: "conv_head".to_owned(),
        bias: true,
        input: LAST,
        output: i64::from(FEATURES),
        kernel: 1,
        stride: 1,
        groups: 1,
        padding: Padding::Valid,
        activation: Some(STYLE.activation),
        kind: TensorKind::Weight,
    }
}
