//! `ConvNeXt`: depthwise 7×7 convolutions and dense layers, normalized by position instead of by batch. The second version has
//! global response normalization instead of factors of its residual paths.

use super::block::{Architecture, Block, Tail};
use super::{Conv, Layer, LayerNorm, Mlp, MlpActivation, Padding, Residual, Shortcut, TensorKind};

const EPSILON: f64 = 1e-6;

/// What distinguishes the members of the family.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Shape {
    /// Width of the first stage; each later one is twice as wide.
    width: i64,
    /// Blocks in each stage.
    depths: [usize; 4],
    version: Version,
    /// Whether timm keeps the dense layers as convolutions.
    as_convolutions: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

pub(super) const TINY: Shape = Shape {
    width: 96,
    depths: [3, 3, 9, 3],
    version: Version::One,
    as_convolutions: false,
};

pub(super) const NANO: Shape = Shape {
    width: 80,
    depths: [2, 2, 8, 2],
    as_convolutions: true,
    ..TINY
};

pub(super) const SMALL: Shape = Shape {
    depths: [3, 3, 27, 3],
    ..TINY
};

pub(super) const BASE: Shape = Shape {
    width: 128,
    ..SMALL
};

impl Shape {
    /// The same size in `ConvNeXt`'s second version.
    pub(super) const fn v2(self) -> Self {
        Self {
            version: Version::Two,
            ..self
        }
    }
}

pub(super) fn architecture(shape: Shape) -> Architecture {
    let mut input = shape.width;
    let stem = vec![
        Layer::Conv(patches("stem.0", (3, input), 4)),
        norm("stem.1", input),
    ];
    let mut blocks = vec![Block::new("stem", stem)];
    let last = shape.depths.iter().sum::<usize>() - 1;
    let mut done = 0;
    for (index, depth) in shape.depths.into_iter().enumerate() {
        let width = shape.width << index;
        let name = format!("stages.{index}");
        let mut layers = Vec::with_capacity(depth + 2);
        if index > 0 {
            layers.push(norm(&format!("{name}.downsample.0"), input));
            layers.push(Layer::Conv(patches(
                &format!("{name}.downsample.1"),
                (input, width),
                2,
            )));
        }
        layers.extend((0..depth).map(|block| {
            let share = (done + block) as f64 / last as f64;
            residual(&format!("{name}.blocks.{block}"), width, shape, share)
        }));
        done += depth;
        blocks.push(Block::new(name, layers));
        input = width;
    }
    blocks.push(Block::new(
        "norm",
        vec![Layer::Pool, norm("head.norm", input)],
    ));
    Architecture {
        features: usize::try_from(input).unwrap_or_default(),
        blocks,
        tail: Tail::Head,
    }
}

fn residual(prefix: &str, channels: i64, shape: Shape, drop_share: f64) -> Layer {
    let name = |part: &str| format!("{prefix}.{part}");
    let depthwise = Conv {
        name: name("conv_dw"),
        kernel: 7,
        stride: 1,
        groups: channels,
        padding: Padding::Symmetric,
        ..patches("", (channels, channels), 1)
    };
    let mlp = Mlp {
        name: name("mlp"),
        channels,
        hidden: 4 * channels,
        activation: MlpActivation::Gelu,
        response_norm: shape.version == Version::Two,
        as_convolutions: shape.as_convolutions,
    };
    let scale = match shape.version {
        Version::One => Some((name("gamma"), channels)),
        Version::Two => None,
    };
    Layer::Residual(Residual {
        path: vec![
            Layer::Conv(depthwise),
            norm(&name("norm"), channels),
            Layer::Mlp(mlp),
        ],
        scale,
        shortcut: Shortcut::Identity,
        activation: None,
        drop_share,
    })
}

/// A convolution whose windows tile the input.
fn patches(name: &str, (input, output): (i64, i64), side: i64) -> Conv {
    Conv {
        name: name.to_owned(),
        bias: true,
        input,
        output,
        kernel: side,
        stride: side,
        groups: 1,
        padding: Padding::Valid,
        activation: None,
        kind: TensorKind::SmallWeight,
    }
}

fn norm(name: &str, channels: i64) -> Layer {
    Layer::LayerNorm(LayerNorm {
        name: name.to_owned(),
        channels,
        epsilon: EPSILON,
    })
}
