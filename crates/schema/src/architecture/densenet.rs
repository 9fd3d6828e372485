//! `DenseNet`: each layer appends a few channels to all that came before.

use super::block::{Architecture, Block, Tail};
use super::{Activation, Border, Conv, ConvNorm, Layer, Norm, Padding, TensorKind};

const EPSILON: f64 = 1e-5;
/// Layers of each block.
const DEPTHS: [usize; 4] = [6, 12, 24, 16];
const STEM: i64 = 64;
/// Channels that a layer appends.
const GROWTH: i64 = 32;
/// Width between a layer's two convolutions.
const NARROW: i64 = 4 * GROWTH;

pub(super) fn architecture() -> Architecture {
    let stem = ConvNorm {
        conv: "features.conv0".to_owned(),
        norm: "features.norm0".to_owned(),
        input: 3,
        output: STEM,
        kernel: 7,
        stride: 2,
        groups: 1,
        padding: Padding::Symmetric,
        epsilon: EPSILON,
        activation: Some(Activation::Relu),
        kind: TensorKind::Weight,
    };
    let pool = Layer::MaxPool {
        kernel: 3,
        stride: 2,
        padding: 1,
    };
    let mut blocks = vec![Block::new("stem", vec![Layer::ConvNorm(stem), pool])];
    let mut width = STEM;
    for (index, depth) in DEPTHS.into_iter().enumerate() {
        let number = index + 1;
        let name = format!("features.denseblock{number}");
        let mut layers = Vec::with_capacity(depth + 3);
        for layer in 1..=depth {
            layers.push(grow(&format!("{name}.denselayer{layer}"), width));
            width += GROWTH;
        }
        if number < DEPTHS.len() {
            let part = |part: &str| format!("features.transition{number}.{part}");
            layers.push(norm(part("norm"), width));
            layers.push(conv(part("conv"), (width, width / 2), 1));
            layers.push(Layer::AvgPool {
                side: 2,
                border: Border::Dropped,
            });
            width /= 2;
        }
        blocks.push(Block::new(name, layers));
    }
    blocks.push(Block::new(
        "norm",
        vec![norm("features.norm5".to_owned(), width), Layer::Pool],
    ));
    Architecture {
        features: usize::try_from(width).unwrap_or_default(),
        blocks,
        tail: Tail::Head,
    }
}

fn grow(prefix: &str, width: i64) -> Layer {
    let part = |part: &str| format!("{prefix}.{part}");
    Layer::Grow(vec![
        norm(part("norm1"), width),
        conv(part("conv1"), (width, NARROW), 1),
        norm(part("norm2"), NARROW),
        conv(part("conv2"), (NARROW, GROWTH), 3),
    ])
}

fn norm(name: String, channels: i64) -> Layer {
    Layer::Norm(Norm {
        name,
        channels,
        epsilon: EPSILON,
        activation: Some(Activation::Relu),
    })
}

fn conv(name: String, (input, output): (i64, i64), kernel: i64) -> Layer {
    Layer::Conv(Conv {
        name,
        bias: false,
        input,
        output,
        kernel,
        stride: 1,
        groups: 1,
        padding: Padding::Symmetric,
        activation: None,
        kind: TensorKind::Weight,
    })
}
