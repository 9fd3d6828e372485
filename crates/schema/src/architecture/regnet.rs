//! `RegNet` with squeeze-and-excitation. Its blocks have the layers of `ResNet`'s bottlenecks, but all of one width, and the 3×3
//! convolution works in groups. The widths were found by search.

use super::block::{Architecture, Block, Tail};
use super::{
    Activation, ConvNorm, Gate, Layer, Padding, Residual, Shortcut, SqueezeExcite, TensorKind,
};

const EPSILON: f64 = 1e-5;
const STEM: i64 = 32;

/// What distinguishes the members of the family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    /// Width and blocks of each stage.
    stages: [(i64, usize); 4],
    /// Channels of each group.
    group: i64,
}

/// 0.8 billion multiply-adds.
pub(super) const Y_008: Shape = Shape {
    stages: [(64, 1), (128, 3), (320, 8), (768, 2)],
    group: 16,
};

/// 1.6 billion.
pub(super) const Y_016: Shape = Shape {
    stages: [(48, 2), (120, 6), (336, 17), (888, 2)],
    group: 24,
};

/// 3.2 billion.
pub(super) const Y_032: Shape = Shape {
    stages: [(72, 2), (216, 5), (576, 13), (1512, 1)],
    group: 24,
};

pub(super) fn architecture(shape: Shape) -> Architecture {
    let relu = Some(Activation::Relu);
    let stem = conv("stem", (3, STEM), (3, 2), relu);
    let mut blocks = vec![Block::new("stem", vec![Layer::ConvNorm(stem)])];
    let last = shape.stages.iter().map(|(_, depth)| depth).sum::<usize>() - 1;
    let (mut input, mut done) = (STEM, 0);
    for (stage, (width, depth)) in shape.stages.into_iter().enumerate() {
        let name = format!("s{}", stage + 1);
        let mut layers = Vec::with_capacity(depth + 1);
        for index in 1..=depth {
            let stride = if index == 1 { 2 } else { 1 };
            let prefix = format!("{name}.b{index}");
            layers.push(Layer::Residual(Residual {
                drop_share: f64::from(done) / last as f64,
                ..residual(&prefix, (input, width), stride, shape.group)
            }));
            done += 1;
            input = width;
        }
        if stage + 1 == shape.stages.len() {
            layers.push(Layer::Pool);
        }
        blocks.push(Block::new(name, layers));
    }
    Architecture {
        features: usize::try_from(input).unwrap_or_default(),
        blocks,
        tail: Tail::LastBlock,
    }
}

fn residual(prefix: &str, (input, width): (i64, i64), stride: i64, group: i64) -> Residual {
    let named = |part: &str| format!("{prefix}.{part}");
    let relu = Some(Activation::Relu);
    let groups = width / group;
    let grouped = ConvNorm {
        groups,
        kind: TensorKind::GroupedWeight { groups },
        ..conv(&named("conv2"), (width, width), (3, stride), relu)
    };
    let gate = SqueezeExcite {
        name: named("se"),
        convolutions: ["fc1", "fc2"],
        channels: width,
        // A quarter of the block's input.
        reduced: input / 4,
        activation: Activation::Relu,
        gate: Gate::Sigmoid,
    };
    let path = vec![
        Layer::ConvNorm(conv(&named("conv1"), (input, width), (1, 1), relu)),
        Layer::ConvNorm(grouped),
        Layer::SqueezeExcite(gate),
        Layer::ConvNorm(conv(&named("conv3"), (width, width), (1, 1), None)),
    ];
    let shortcut = if stride == 1 && input == width {
        Shortcut::Identity
    } else {
        let conv = conv(&named("downsample"), (input, width), (1, stride), None);
        Shortcut::Projection(vec![Layer::ConvNorm(conv)])
    };
    Residual {
        path,
        scale: None,
        shortcut,
        activation: relu,
        drop_share: 0.0,
    }
}

fn conv(
    prefix: &str,
    (input, output): (i64, i64),
    (kernel, stride): (i64, i64),
    activation: Option<Activation>,
) -> ConvNorm {
    ConvNorm {
        conv: format!("{prefix}.conv"),
        norm: format!("{prefix}.bn"),
        input,
        output,
        kernel,
        stride,
        groups: 1,
        padding: Padding::Symmetric,
        epsilon: EPSILON,
        activation,
        kind: TensorKind::Weight,
    }
}
