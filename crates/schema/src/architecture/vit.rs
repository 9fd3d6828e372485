//! The vision transformer, small, on patches of 16 × 16 pixels.

use super::backbone::{Backbone, VIT_PIXELS as PIXELS};
use super::block::Architecture;
use super::block::Block;
use super::{
    Attention, Conv, Layer, LayerNorm, Mlp, Padding, Patches, Residual, Shortcut, TensorKind,
};

const PATCH: i64 = 16;
const CHANNELS: i64 = 384;
const HEADS: i64 = 6;
const DEPTH: usize = 12;
const EPSILON: f64 = 1e-6;

pub(super) fn architecture(backbone: Backbone) -> Architecture {
    let projection = Conv {
        name: "patch_embed.proj".to_owned(),
        input: 3,
        output: CHANNELS,
        kernel: PATCH,
        stride: PATCH,
        groups: 1,
        padding: Padding::Valid,
        activation: None,
        kind: TensorKind::Weight,
    };
    let patches = Layer::Patches(Patches {
        projection,
        pixels: i64::from(PIXELS),
    });
    let mut blocks = vec![Block::new("stem", vec![patches])];
    for index in 0..DEPTH {
        let name = format!("blocks.{index}");
        let part = |part: &str| format!("{name}.{part}");
        let attention = Attention {
            name: part("attn"),
            channels: CHANNELS,
            heads: HEADS,
        };
        let mlp = Mlp {
            name: part("mlp"),
            channels: CHANNELS,
            hidden: 4 * CHANNELS,
        };
        let layers = vec![
            residual(norm(part("norm1")), Layer::Attention(attention), index),
            residual(norm(part("norm2")), Layer::Mlp(mlp), index),
        ];
        blocks.push(Block::new(name, layers));
    }
    blocks.push(Block::new(
        "norm",
        vec![norm("norm".to_owned()), Layer::ClassToken],
    ));
    Architecture {
        backbone,
        features: usize::try_from(CHANNELS).unwrap_or_default(),
        blocks,
    }
}

fn residual(norm: Layer, layer: Layer, index: usize) -> Layer {
    let path = vec![norm, layer];
    Layer::Residual(Residual {
        path,
        scale: None,
        shortcut: Shortcut::Identity,
        activation: None,
        drop_share: index as f64 / (DEPTH - 1) as f64,
    })
}

fn norm(name: String) -> Layer {
    Layer::LayerNorm(LayerNorm {
        name,
        channels: CHANNELS,
        epsilon: EPSILON,
    })
}
