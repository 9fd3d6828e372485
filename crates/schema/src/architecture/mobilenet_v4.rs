//! `MobileNetV4` without attention: inverted residuals with a depthwise convolution before them, between their ends, both, or neither.

use super::block::{Architecture, Block, Tail};
use super::inverted::{Inverted, Style, round_channels};
use super::{Activation, ConvNorm, Layer, Padding, Residual, Shortcut};

const STYLE: Style = Style {
    activation: Activation::Relu,
    padding: Padding::Symmetric,
    epsilon: 1e-5,
};
const STEM: i64 = 32;
const FEATURES: i64 = 1280;

/// What distinguishes the members of the family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    stages: &'static [&'static [Row]],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Row {
    kind: Kind,
    stride: i64,
    channels: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A convolution with this kernel.
    Plain(i64),
    /// An inverted residual whose first two convolutions are one of 3×3, four times as wide between its ends.
    Fused,
    /// Kernels of the depthwise convolutions before the block and inside of it, 0 where there is none; expansion.
    Universal(i64, i64, i64),
}

const fn plain(kernel: i64, stride: i64, channels: i64) -> Row {
    let kind = Kind::Plain(kernel);
    Row {
        kind,
        stride,
        channels,
    }
}

/// Halves the image; [`Row::kept`] does not.
const fn universal(before: i64, inside: i64, expansion: i64, channels: i64) -> Row {
    Row {
        kind: Kind::Universal(before, inside, expansion),
        stride: 2,
        channels,
    }
}

impl Row {
    const fn kept(self) -> Self {
        Self { stride: 1, ..self }
    }
}

const LAST: Row = plain(1, 1, 960);

/// Table 5 of the `MobileNetV4` paper.
pub(super) const SMALL: Shape = Shape {
    stages: &[
        &[plain(3, 2, 32), plain(1, 1, 32)],
        &[plain(3, 2, 96), plain(1, 1, 64)],
        &[
            universal(5, 5, 3, 96),
            universal(0, 3, 2, 96).kept(),
            universal(0, 3, 2, 96).kept(),
            universal(0, 3, 2, 96).kept(),
            universal(0, 3, 2, 96).kept(),
            universal(3, 0, 4, 96).kept(),
        ],
        &[
            universal(3, 3, 6, 128),
            universal(5, 5, 4, 128).kept(),
            universal(0, 5, 4, 128).kept(),
            universal(0, 5, 3, 128).kept(),
            universal(0, 3, 4, 128).kept(),
            universal(0, 3, 4, 128).kept(),
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
        &[universal(3, 5, 4, 80), universal(3, 3, 2, 80).kept()],
        &[
            universal(3, 5, 6, 160),
            universal(3, 3, 4, 160).kept(),
            universal(3, 3, 4, 160).kept(),
            universal(3, 5, 4, 160).kept(),
            universal(3, 3, 4, 160).kept(),
            universal(3, 0, 4, 160).kept(),
            universal(0, 0, 2, 160).kept(),
            universal(3, 0, 4, 160).kept(),
        ],
        &[
            universal(5, 5, 6, 256),
            universal(5, 5, 4, 256).kept(),
            universal(3, 5, 4, 256).kept(),
            universal(3, 5, 4, 256).kept(),
            universal(0, 0, 4, 256).kept(),
            universal(3, 0, 4, 256).kept(),
            universal(3, 5, 2, 256).kept(),
            universal(5, 5, 4, 256).kept(),
            universal(0, 0, 4, 256).kept(),
            universal(0, 0, 4, 256).kept(),
            universal(5, 0, 2, 256).kept(),
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
    let head = STYLE.conv("conv_head", "norm_head", (input, FEATURES), 1, 1);
    blocks.push(Block::new(
        "conv_head",
        vec![Layer::Pool, Layer::ConvNorm(head)],
    ));
    Architecture {
        features: usize::try_from(FEATURES).unwrap_or_default(),
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
            Kind::Universal(before, inside, expansion) => {
                let path = self.path(prefix, input, (before, inside, expansion));
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

    fn path(
        self,
        prefix: &str,
        input: i64,
        (before, inside, expansion): (i64, i64, i64),
    ) -> Vec<Layer> {
        let conv = |part: &str, widths: (i64, i64), kernel: i64, stride: i64| {
            let (conv, norm) = (
                format!("{prefix}.{part}.conv"),
                format!("{prefix}.{part}.bn"),
            );
            STYLE.conv(&conv, &norm, widths, kernel, stride)
        };
        let expanded = round_channels(input * expansion, 1);
        let mut path = Vec::with_capacity(4);
        if before > 0 {
            let stride = if inside > 0 { 1 } else { self.stride };
            path.push(ConvNorm {
                groups: input,
                activation: None,
                ..conv("dw_start", (input, input), before, stride)
            });
        }
        path.push(conv("pw_exp", (input, expanded), 1, 1));
        if inside > 0 {
            path.push(ConvNorm {
                groups: expanded,
                ..conv("dw_mid", (expanded, expanded), inside, self.stride)
            });
        }
        path.push(ConvNorm {
            activation: None,
            ..conv("pw_proj", (expanded, self.channels), 1, 1)
        });
        path.into_iter().map(Layer::ConvNorm).collect()
    }
}
