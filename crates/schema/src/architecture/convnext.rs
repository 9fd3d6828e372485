//! `ConvNeXt`-Tiny: depthwise 7×7 convolutions and dense layers, normalized by position instead of by batch.

use super::backbone::Backbone;
use super::block::Architecture;
use super::block::Block;
use super::{Conv, Layer, LayerNorm, Mlp, Padding, Residual, Shortcut, TensorKind};

const EPSILON: f64 = 1e-6;
/// Width and number of blocks of each stage.
const STAGES: [(i64, usize); 4] = [(96, 3), (192, 3), (384, 9), (768, 3)];

pub(super) fn architecture(backbone: Backbone) -> Architecture {
    let (mut input, _) = STAGES[0];
    let stem = vec![
        Layer::Conv(patches("stem.0", (3, input), 4)),
        norm("stem.1", input),
    ];
    let mut blocks = vec![Block::new("stem", stem)];
    let last = STAGES.iter().map(|(_, depth)| depth).sum::<usize>() - 1;
    let mut done = 0;
    for (index, (width, depth)) in STAGES.into_iter().enumerate() {
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
            residual(&format!("{name}.blocks.{block}"), width, share)
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
        backbone,
        features: usize::try_from(input).unwrap_or_default(),
        blocks,
    }
}

fn residual(prefix: &str, channels: i64, drop_share: f64) -> Layer {
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
    };
    Layer::Residual(Residual {
        path: vec![
            Layer::Conv(depthwise),
            norm(&name("norm"), channels),
            Layer::Mlp(mlp),
        ],
        scale: Some((name("gamma"), channels)),
        shortcut: Shortcut::Identity,
        activation: None,
        drop_share,
    })
}

/// A convolution whose windows tile the input.
fn patches(name: &str, (input, output): (i64, i64), side: i64) -> Conv {
    Conv {
        name: name.to_owned(),
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
