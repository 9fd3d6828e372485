//! `MobileNetV4` without attention (Qin et al. 2024), of universal inverted bottlenecks.

use super::block::{Architecture, Block, Tail};
use super::inverted::{Inverted, Style, round_channels};
use super::{Activation, ConvNorm, Layer, Padding, Residual, Shortcut};

const STYLE: Style = Style {
    activation: Activation::Relu,
    padding: Padding::Symmetric,
    epsilon: 1e-5,
};
const STEM: i64 = 32;
const FEATURES: u16 = 1280;

/// What distinguishes the members of the family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    stages: &'static [&'static [Row]],
}

/// A block, as a row of the paper's tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Row {
    kind: Kind,
    stride: i64,
    /// Width of the output.
    channels: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A convolution with this kernel.
    Plain(i64),
    /// The paper's `FusedIB`: a 3×3 convolution that expands four times, then a projection.
    Fused,
    Universal(Universal),
}

/// The paper's universal inverted bottleneck: an expansion and a projection, with a depthwise convolution before them, between them,
/// in both places or in none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Universal {
    /// Kernel of the depthwise convolution before the expansion.
    before: Option<i64>,
    /// Kernel of the depthwise convolution between expansion and projection.
    between: Option<i64>,
    /// Width after the expansion, as a multiple of the input's.
    expansion: i64,
}

const fn plain(kernel: i64, stride: i64, channels: i64) -> Row {
    Row {
        kind: Kind::Plain(kernel),
        stride,
        channels,
    }
}

/// Of stride 1; for stride 2 see [`Row::stride_2`].
const fn universal(
    before: Option<i64>,
    between: Option<i64>,
    expansion: i64,
    channels: i64,
) -> Row {
    let block = Universal {
        before,
        between,
        expansion,
    };
    Row {
        kind: Kind::Universal(block),
        stride: 1,
        channels,
    }
}

/// The paper's `ExtraDW`: both depthwise convolutions.
const fn extra_dw(before: i64, between: i64, expansion: i64, channels: i64) -> Row {
    universal(Some(before), Some(between), expansion, channels)
}

/// The paper's `IB`, the block of `MobileNetV2`: a depthwise convolution between expansion and projection.
const fn inverted(between: i64, expansion: i64, channels: i64) -> Row {
    universal(None, Some(between), expansion, channels)
}

/// The paper's `ConvNext`: a depthwise convolution before the expansion.
const fn conv_next(before: i64, expansion: i64, channels: i64) -> Row {
    universal(Some(before), None, expansion, channels)
}

/// The paper's `FFN`: no depthwise convolution.
const fn ffn(expansion: i64, channels: i64) -> Row {
    universal(None, None, expansion, channels)
}

impl Row {
    const fn stride_2(self) -> Self {
        Self { stride: 2, ..self }
    }
}

const LAST: Row = plain(1, 1, 960);

/// Table 5 of the `MobileNetV4` paper.
pub(super) const SMALL: Shape = Shape {
    stages: &[
        &[plain(3, 2, 32), plain(1, 1, 32)],
        &[plain(3, 2, 96), plain(1, 1, 64)],
        &[
            extra_dw(5, 5, 3, 96).stride_2(),
            inverted(3, 2, 96),
            inverted(3, 2, 96),
            inverted(3, 2, 96),
            inverted(3, 2, 96),
            conv_next(3, 4, 96),
        ],
        &[
            extra_dw(3, 3, 6, 128).stride_2(),
            extra_dw(5, 5, 4, 128),
            inverted(5, 4, 128),
            inverted(5, 3, 128),
            inverted(3, 4, 128),
            inverted(3, 4, 128),
        ],
        &[LAST],
    ],
};

/// Table 6.
pub(super) const MEDIUM: Shape = Shape {
    stages: &[
        &[Row {
            kind: Kind::Fused,
            stride: 2,
            channels: 48,
        }],
        &[extra_dw(3, 5, 4, 80).stride_2(), extra_dw(3, 3, 2, 80)],
        &[
            extra_dw(3, 5, 6, 160).stride_2(),
            extra_dw(3, 3, 4, 160),
            extra_dw(3, 3, 4, 160),
            extra_dw(3, 5, 4, 160),
            extra_dw(3, 3, 4, 160),
            conv_next(3, 4, 160),
            ffn(2, 160),
            conv_next(3, 4, 160),
        ],
        &[
            extra_dw(5, 5, 6, 256).stride_2(),
            extra_dw(5, 5, 4, 256),
            extra_dw(3, 5, 4, 256),
            extra_dw(3, 5, 4, 256),
            ffn(4, 256),
            conv_next(3, 4, 256),
            extra_dw(3, 5, 2, 256),
            extra_dw(5, 5, 4, 256),
            ffn(4, 256),
            ffn(4, 256),
            conv_next(5, 2, 256),
        ],
        &[LAST],
    ],
};

pub(super) fn architecture(shape: Shape) -> Architecture {
    let stem = STYLE.conv("conv_stem", "bn1", (3, STEM), 3, 2);
    let mut blocks = vec![Block::new("stem", vec![Layer::ConvNorm(stem)])];
    let all = shape.stages.iter().map(|rows| rows.len()).sum::<usize>();
    let (mut input, mut done) = (STEM, 0);
    for (stage, rows) in shape.stages.iter().enumerate() {
        let name = format!("blocks.{stage}");
        let mut layers = Vec::new();
        for (index, row) in rows.iter().enumerate() {
            let drop_share = f64::from(done) / all as f64;
            layers.extend(row.layers(&format!("{name}.{index}"), input, drop_share));
            done += 1;
            input = row.channels;
        }
        blocks.push(Block::new(name, layers));
    }
    let widths = (input, i64::from(FEATURES));
    let head = STYLE.conv("conv_head", "norm_head", widths, 1, 1);
    blocks.push(Block::new(
        "conv_head",
        vec![Layer::Pool, Layer::ConvNorm(head)],
    ));
    Architecture {
        features: usize::from(FEATURES),
        blocks,
        tail: Tail::Head,
    }
}

impl Row {
    fn layers(self, prefix: &str, input: i64, drop_share: f64) -> Vec<Layer> {
        let Self {
            kind,
            stride,
            channels,
        } = self;
        match kind {
            Kind::Plain(kernel) => {
                let (conv, norm) = (format!("{prefix}.conv"), format!("{prefix}.bn1"));
                let conv = STYLE.conv(&conv, &norm, (input, channels), kernel, stride);
                vec![Layer::ConvNorm(conv)]
            }
            Kind::Fused => Inverted {
                kernel: 3,
                stride,
                input,
                expanded: 4 * input,
                output: channels,
                squeeze: None,
                drop_share,
            }
            .fused_layers(prefix, STYLE),
            Kind::Universal(block) => {
                let path = block.path(prefix, (input, channels), stride);
                if stride == 1 && input == channels {
                    vec![Layer::Residual(Residual {
                        path,
                        scale: None,
                        shortcut: Shortcut::Identity,
                        activation: None,
                        drop_share,
                    })]
                } else {
                    path
                }
            }
        }
    }
}

impl Universal {
    fn path(self, prefix: &str, (input, output): (i64, i64), stride: i64) -> Vec<Layer> {
        let Self {
            before,
            between,
            expansion,
        } = self;
        let conv = |part: &str, widths: (i64, i64), kernel: i64, stride: i64| {
            let (conv, norm) = (
                format!("{prefix}.{part}.conv"),
                format!("{prefix}.{part}.bn"),
            );
            STYLE.conv(&conv, &norm, widths, kernel, stride)
        };
        let expanded = round_channels(input * expansion, 1);
        let mut path = Vec::with_capacity(4);
        if let Some(kernel) = before {
            let stride = if between.is_some() { 1 } else { stride };
            path.push(ConvNorm {
                groups: input,
                activation: None,
                ..conv("dw_start", (input, input), kernel, stride)
            });
        }
        path.push(conv("pw_exp", (input, expanded), 1, 1));
        if let Some(kernel) = between {
            path.push(ConvNorm {
                groups: expanded,
                ..conv("dw_mid", (expanded, expanded), kernel, stride)
            });
        }
        path.push(ConvNorm {
            activation: None,
            ..conv("pw_proj", (expanded, output), 1, 1)
        });
        path.into_iter().map(Layer::ConvNorm).collect()
    }
}
