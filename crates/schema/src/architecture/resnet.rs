//! `ResNet` in its v1.5 form, where the bottleneck strides in its 3×3 convolution, and its relatives.

use super::block::{Architecture, Block, Tail};
use super::{
    Activation, Border, ConvNorm, Gate, Layer, Padding, Residual, Shortcut, SqueezeExcite,
    TensorKind,
};

/// `PyTorch`'s default for batch normalization.
const EPSILON: f64 = 1e-5;
/// Width of each stage's 3×3 convolutions.
const WIDTHS: [i64; 4] = [64, 128, 256, 512];
/// Width of a gate's narrow end, as a share of its input (Hu et al. 2018).
const REDUCTION: i64 = 16;

/// What distinguishes the members of the family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    block: ResidualBlock,
    /// Blocks in each stage.
    depths: [usize; 4],
    /// How many times as wide as usual the 3×3 convolutions of a bottleneck are.
    widening: i64,
    /// Groups of those convolutions (Xie et al. 2017).
    groups: i64,
    edges: Edges,
    /// Whether squeeze-and-excitation follows each path.
    gated: bool,
}

/// Which residual block the stages repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ResidualBlock {
    /// Two 3×3 convolutions.
    Basic,
    /// 1×1, 3×3, 1×1, four times as wide at the end.
    Bottleneck,
}

/// The layers outside of the residual paths: the stem, and the shortcuts beside strided blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Edges {
    /// A 7×7 convolution as the stem, and strided 1×1 convolutions as shortcuts.
    Original,
    /// Three 3×3 convolutions as the stem, and means before the 1×1 convolutions of shortcuts ("D" of He et al. 2018).
    Deep,
    /// A 3×3 convolution without pooling as the stem, and the original shortcuts (He et al. 2015, for CIFAR).
    Small,
}

/// Two 3×3 convolutions a block.
pub(super) const fn basic(depths: [usize; 4]) -> Shape {
    Shape {
        block: ResidualBlock::Basic,
        ..bottleneck(depths)
    }
}

/// Bottlenecks.
pub(super) const fn bottleneck(depths: [usize; 4]) -> Shape {
    Shape {
        block: ResidualBlock::Bottleneck,
        depths,
        widening: 1,
        groups: 1,
        edges: Edges::Original,
        gated: false,
    }
}

impl Shape {
    /// With 3×3 convolutions that are twice as wide, in `groups` groups.
    pub(super) const fn wide(self, groups: i64) -> Self {
        Self {
            widening: 2,
            groups,
            ..self
        }
    }

    /// With a deep stem and means before strided shortcuts.
    pub(super) const fn deep(self) -> Self {
        Self {
            edges: Edges::Deep,
            ..self
        }
    }

    /// With a stem for small images, where the stem is one convolution.
    pub(super) fn small(self) -> Self {
        match self.edges {
            Edges::Original | Edges::Small => Self {
                edges: Edges::Small,
                ..self
            },
            Edges::Deep => self,
        }
    }

    pub(super) fn takes_small_stem(self) -> bool {
        self.edges == Edges::Original
    }

    /// With squeeze-and-excitation.
    pub(super) const fn gated(self) -> Self {
        Self {
            gated: true,
            ..self
        }
    }
}

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

pub(super) fn architecture(shape: Shape) -> Architecture {
    let mut blocks = vec![Block::new("stem", stem(shape.edges))];
    let mut input = 64;
    let last = shape.depths.iter().sum::<usize>() - 1;
    let mut done = 0;
    for (stage, (width, depth)) in WIDTHS.into_iter().zip(shape.depths).enumerate() {
        let name = format!("layer{}", stage + 1);
        let mut layers = Vec::with_capacity(depth + 1);
        for index in 0..depth {
            let stride = if stage > 0 && index == 0 { 2 } else { 1 };
            let prefix = format!("{name}.{index}");
            layers.push(Layer::Residual(Residual {
                drop_share: f64::from(done) / last as f64,
                ..residual(shape, &prefix, input, width, stride)
            }));
            done += 1;
            input = width * shape.block.expansion();
        }
        if stage + 1 == WIDTHS.len() {
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

fn stem(edges: Edges) -> Vec<Layer> {
    let relu = |layer: ConvNorm| ConvNorm {
        activation: Some(Activation::Relu),
        ..layer
    };
    let convolutions = match edges {
        Edges::Original => vec![conv_norm("conv1", "bn1", (3, 64), 7, 2)],
        Edges::Small => vec![conv_norm("conv1", "bn1", (3, 64), 3, 1)],
        Edges::Deep => vec![
            conv_norm("conv1.0", "conv1.1", (3, 32), 3, 2),
            conv_norm("conv1.3", "conv1.4", (32, 32), 3, 1),
            conv_norm("conv1.6", "bn1", (32, 64), 3, 1),
        ],
    };
    let convolutions = convolutions.into_iter().map(relu).map(Layer::ConvNorm);
    let pool = Layer::MaxPool {
        kernel: 3,
        stride: 2,
        padding: 1,
    };
    let pool = (edges != Edges::Small).then_some(pool);
    convolutions.chain(pool).collect()
}

fn residual(shape: Shape, prefix: &str, input: i64, width: i64, stride: i64) -> Residual {
    let output = width * shape.block.expansion();
    let convolutions = shape.block.convolutions();
    let inner = width * shape.widening;
    let mut channels = input;
    let mut path = Vec::with_capacity(convolutions.len() + 1);
    for (i, &(kernel, strided)) in convolutions.iter().enumerate() {
        let last = i + 1 == convolutions.len();
        let from = std::mem::replace(&mut channels, if last { output } else { inner });
        let (conv, norm) = (
            format!("{prefix}.conv{}", i + 1),
            format!("{prefix}.bn{}", i + 1),
        );
        let stride = if strided { stride } else { 1 };
        path.push(Layer::ConvNorm(ConvNorm {
            activation: (!last).then_some(Activation::Relu),
            groups: if strided { shape.groups } else { 1 },
            ..conv_norm(&conv, &norm, (from, channels), kernel, stride)
        }));
    }
    if shape.gated {
        path.push(Layer::SqueezeExcite(SqueezeExcite {
            name: format!("{prefix}.se"),
            convolutions: ["fc1", "fc2"],
            channels: output,
            reduced: output / REDUCTION,
            activation: Activation::Relu,
            gate: Gate::Sigmoid,
        }));
    }
    let shortcut = if stride == 1 && input == output {
        Shortcut::Identity
    } else {
        Shortcut::Projection(shape.edges.shortcut(prefix, (input, output), stride))
    };
    Residual {
        path,
        scale: None,
        shortcut,
        activation: Some(Activation::Relu),
        drop_share: 0.0,
    }
}

impl Edges {
    fn shortcut(self, prefix: &str, widths: (i64, i64), stride: i64) -> Vec<Layer> {
        let part = |index: usize| format!("{prefix}.downsample.{index}");
        match self {
            Self::Original | Self::Small => {
                let conv = conv_norm(&part(0), &part(1), widths, 1, stride);
                vec![Layer::ConvNorm(conv)]
            }
            Self::Deep => {
                let mut layers = Vec::with_capacity(2);
                if stride > 1 {
                    layers.push(Layer::AvgPool {
                        side: stride,
                        border: Border::Kept,
                    });
                }
                let conv = conv_norm(&part(1), &part(2), widths, 1, 1);
                layers.push(Layer::ConvNorm(conv));
                layers
            }
        }
    }
}

/// Without an activation.
fn conv_norm(
    conv: &str,
    norm: &str,
    (input, output): (i64, i64),
    kernel: i64,
    stride: i64,
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
        activation: None,
        kind: TensorKind::Weight,
    }
}
