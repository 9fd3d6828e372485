//! VGG with batch normalization: 3×3 convolutions and pooling, then two wide layers.

use super::block::{Architecture, Block, Tail};
use super::{Activation, Conv, Layer, Norm, Padding, TensorKind};

const EPSILON: f64 = 1e-5;
/// Width and number of each stage's convolutions: configuration D of the paper. Each stage halves the image: the smallest that an
/// experiment may ask for, 32 pixels, ends as one.
const STAGES: [(i64, usize); 5] = [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)];
/// Side of the image that the wide layers were made for.
const SIDE: i64 = 7;
const FEATURES: u16 = 4096;

pub(super) fn architecture() -> Architecture {
    let mut blocks = Vec::with_capacity(STAGES.len() + 1);
    // timm numbers the steps of all stages: each convolution, normalization, activation and pooling is one.
    let (mut width, mut step) = (3, 0);
    for (index, (output, depth)) in STAGES.into_iter().enumerate() {
        let mut layers = Vec::with_capacity(2 * depth + 1);
        for _ in 0..depth {
            let name = format!("features.{step}");
            layers.push(Layer::Conv(conv(name, (width, output), 3)));
            layers.push(norm(format!("features.{}", step + 1), output));
            width = output;
            step += 3;
        }
        layers.push(Layer::MaxPool {
            kernel: 2,
            stride: 2,
            padding: 0,
        });
        step += 1;
        let name = if index == 0 {
            "stem".to_owned()
        } else {
            format!("stage{}", index + 1)
        };
        blocks.push(Block::new(name, layers));
    }
    let features = i64::from(FEATURES);
    blocks.push(Block::new(
        "pre_logits",
        vec![
            Layer::Enlarge { side: SIDE },
            wide("fc1", (width, features), SIDE),
            wide("fc2", (features, features), 1),
            Layer::Pool,
        ],
    ));
    Architecture {
        features: usize::from(FEATURES),
        blocks,
        tail: Tail::Head,
    }
}

/// A dense layer, which timm keeps as a convolution: of a larger image it gives several places.
fn wide(part: &str, widths: (i64, i64), kernel: i64) -> Layer {
    Layer::Conv(Conv {
        padding: Padding::Valid,
        activation: Some(Activation::Relu),
        ..conv(format!("pre_logits.{part}"), widths, kernel)
    })
}

fn conv(name: String, (input, output): (i64, i64), kernel: i64) -> Conv {
    Conv {
        name,
        bias: true,
        input,
        output,
        kernel,
        stride: 1,
        groups: 1,
        padding: Padding::Symmetric,
        activation: None,
        kind: TensorKind::Weight,
    }
}

fn norm(name: String, channels: i64) -> Layer {
    Layer::Norm(Norm {
        name,
        channels,
        epsilon: EPSILON,
        activation: Some(Activation::Relu),
    })
}
