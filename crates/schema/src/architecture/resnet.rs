//! `ResNet` in its v1.5 form: the bottleneck strides in its 3×3 convolution.

use super::backbone::{Backbone, ResidualBlock};
use super::block::Architecture;
use super::block::Block;
use super::{Activation, ConvNorm, Layer, Padding, Residual, Shortcut};

/// `PyTorch`'s default for batch normalization.
const EPSILON: f64 = 1e-5;
/// Width of each stage's 3×3 convolutions.
const WIDTHS: [i64; 4] = [64, 128, 256, 512];

impl ResidualBlock {
    fn expansion(self) -> i64 {
        match self {
            Self::Basic => 1,
            Self::Bottleneck => 4,
        }
    }

    /// Kernel and whether this convolution carries the stride, in order.
    fn convolutions(self) -> &'static [(i64, bool)] {
        match self {
            Self::Basic => &[(3, true), (3, false)],
            Self::Bottleneck => &[(1, false), (3, true), (1, false)],
        }
    }
}

pub(super) fn architecture(
    backbone: Backbone,
    kind: ResidualBlock,
    depths: [usize; 4],
) -> Architecture {
    let stem = vec![
        Layer::ConvNorm(conv_norm(
            "conv1",
            "bn1",
            (3, 64),
            7,
            2,
            Some(Activation::Relu),
        )),
        Layer::MaxPool {
            kernel: 3,
            stride: 2,
            padding: 1,
        },
    ];
    let mut blocks = vec![Block::new("stem", stem)];
    let mut input = 64;
    let last = depths.iter().sum::<usize>() - 1;
    let mut done = 0;
    for (stage, (width, depth)) in WIDTHS.into_iter().zip(depths).enumerate() {
        let name = format!("layer{}", stage + 1);
        let mut layers = Vec::with_capacity(depth + 1);
        for index in 0..depth {
            let stride = if stage > 0 && index == 0 { 2 } else { 1 };
            let residual = residual(kind, &format!("{name}.{index}"), input, width, stride);
            layers.push(Layer::Residual(Residual {
                drop_share: done as f64 / last as f64,
                ..residual
            }));
            done += 1;
            input = width * kind.expansion();
        }
        if stage + 1 == WIDTHS.len() {
            layers.push(Layer::Pool);
        }
        blocks.push(Block::new(name, layers));
    }
    Architecture {
        backbone,
        features: usize::try_from(input).unwrap_or_default(),
        blocks,
    }
}

fn residual(kind: ResidualBlock, prefix: &str, input: i64, width: i64, stride: i64) -> Residual {
    let output = width * kind.expansion();
    let convolutions = kind.convolutions();
    let mut channels = input;
    let path = convolutions
        .iter()
        .enumerate()
        .map(|(i, &(kernel, strided))| {
            let last = i + 1 == convolutions.len();
            let from = std::mem::replace(&mut channels, if last { output } else { width });
            let (conv, norm) = (
                format!("{prefix}.conv{}", i + 1),
                format!("{prefix}.bn{}", i + 1),
            );
            let activation = (!last).then_some(Activation::Relu);
            Layer::ConvNorm(conv_norm(
                &conv,
                &norm,
                (from, channels),
                kernel,
                if strided { stride } else { 1 },
                activation,
            ))
        });
    let path = path.collect();
    let shortcut = if stride == 1 && input == output {
        Shortcut::Identity
    } else {
        let prefix = format!("{prefix}.downsample");
        let (conv, norm) = (format!("{prefix}.0"), format!("{prefix}.1"));
        Shortcut::Projection(conv_norm(&conv, &norm, (input, output), 1, stride, None))
    };
    Residual {
        path,
        scale: None,
        shortcut,
        activation: Some(Activation::Relu),
        drop_share: 0.0,
    }
}

fn conv_norm(
    conv: &str,
    norm: &str,
    (input, output): (i64, i64),
    kernel: i64,
    stride: i64,
    activation: Option<Activation>,
) -> ConvNorm {
    ConvNorm {
        conv: conv.to_owned(),
        norm: norm.to_owned(),
        input,
        output,
        kernel,
        stride,
        groups: 1,
        padding: Padding::Symmetric,
        epsilon: EPSILON,
        activation,
    }
}
