//! `EfficientNet`: inverted residuals (Sandler et al. 2018) with squeeze-and-excitation, and the Lite variant without.

use super::{Activation, Architecture, Backbone, Block, ConvNorm, Layer, Padding, Residual, Shortcut, SqueezeExcite};

/// What distinguishes the members of the family that share B0's widths and depths.
#[derive(Debug)]
pub(super) struct Variant {
    activation: Activation,
    padding: Padding,
    epsilon: f64,
    squeeze_excite: bool,
}

/// As trained in `PyTorch`.
pub(super) const PYTORCH: Variant =
    Variant { activation: Activation::Silu, padding: Padding::Symmetric, epsilon: 1e-5, squeeze_excite: true };

/// As trained in TensorFlow for mobile hardware.
pub(super) const TENSORFLOW_LITE: Variant =
    Variant { activation: Activation::Relu6, padding: Padding::Same, epsilon: 1e-3, squeeze_excite: false };

struct Stage {
    repeats: usize,
    kernel: i64,
    stride: i64,
    expansion: i64,
    channels: i64,
}

/// Table 1 of the `EfficientNet` paper.
const STAGES: [Stage; 7] = [
    Stage { repeats: 1, kernel: 3, stride: 1, expansion: 1, channels: 16 },
    Stage { repeats: 2, kernel: 3, stride: 2, expansion: 6, channels: 24 },
    Stage { repeats: 2, kernel: 5, stride: 2, expansion: 6, channels: 40 },
    Stage { repeats: 3, kernel: 3, stride: 2, expansion: 6, channels: 80 },
    Stage { repeats: 3, kernel: 5, stride: 1, expansion: 6, channels: 112 },
    Stage { repeats: 4, kernel: 5, stride: 2, expansion: 6, channels: 192 },
    Stage { repeats: 1, kernel: 3, stride: 1, expansion: 6, channels: 320 },
];
const STEM: i64 = 32;
const FEATURES: i64 = 1280;

pub(super) fn architecture(backbone: Backbone, variant: &Variant) -> Architecture {
    let stem = variant.conv("conv_stem", "bn1", (3, STEM), 3, 2);
    let mut blocks = vec![Block::new("stem", vec![Layer::ConvNorm(stem)])];
    let mut input = STEM;
    for (index, stage) in STAGES.iter().enumerate() {
        let name = format!("blocks.{index}");
        let mut layers = Vec::new();
        for repeat in 0..stage.repeats {
            let stride = if repeat == 0 { stage.stride } else { 1 };
            let path = variant.path(&format!("{name}.{repeat}"), stage, input, stride);
            if stride == 1 && input == stage.channels {
                layers.push(Layer::Residual(Residual { path, shortcut: Shortcut::Identity, activation: None }));
            } else {
                layers.extend(path);
            }
            input = stage.channels;
        }
        blocks.push(Block::new(name, layers));
    }
    let head = variant.conv("conv_head", "bn2", (input, FEATURES), 1, 1);
    blocks.push(Block::new("conv_head", vec![Layer::ConvNorm(head)]));
    Architecture { backbone, features: usize::try_from(FEATURES).unwrap_or_default(), blocks }
}

impl Variant {
    /// Expand, depthwise, squeeze-and-excite, project; without expansion timm numbers and names what is left anew.
    fn path(&self, prefix: &str, stage: &Stage, input: i64, stride: i64) -> Vec<Layer> {
        let width = input * stage.expansion;
        let named = |conv: &str, norm: usize| (format!("{prefix}.{conv}"), format!("{prefix}.bn{norm}"));
        let mut layers = Vec::new();
        let expands = stage.expansion > 1;
        if expands {
            let (conv, norm) = named("conv_pw", 1);
            layers.push(Layer::ConvNorm(self.conv(&conv, &norm, (input, width), 1, 1)));
        }
        let (conv, norm) = named("conv_dw", if expands { 2 } else { 1 });
        let depthwise = self.conv(&conv, &norm, (width, width), stage.kernel, stride);
        layers.push(Layer::ConvNorm(ConvNorm { groups: width, ..depthwise }));
        if self.squeeze_excite {
            // A quarter of the block's input, not of its expanded width.
            let reduced = input / 4;
            let (name, activation) = (format!("{prefix}.se"), self.activation);
            layers.push(Layer::SqueezeExcite(SqueezeExcite { name, channels: width, reduced, activation }));
        }
        let (conv, norm) = if expands { named("conv_pwl", 3) } else { named("conv_pw", 2) };
        let project = self.conv(&conv, &norm, (width, stage.channels), 1, 1);
        layers.push(Layer::ConvNorm(ConvNorm { activation: None, ..project }));
        layers
    }

    fn conv(&self, conv: &str, norm: &str, (input, output): (i64, i64), kernel: i64, stride: i64) -> ConvNorm {
        ConvNorm {
            conv: conv.to_owned(),
            norm: norm.to_owned(),
            input,
            output,
            kernel,
            stride,
            groups: 1,
            padding: self.padding,
            epsilon: self.epsilon,
            activation: Some(self.activation),
        }
    }
}
