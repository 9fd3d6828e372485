//! Inverted residuals (Sandler et al. 2018): narrow ends, a wide depthwise convolution between them.

use super::{
    Activation, ConvNorm, Gate, Layer, Padding, Residual, Shortcut, SqueezeExcite, TensorKind,
};

/// What all convolutions of a part of a network share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Style {
    pub activation: Activation,
    pub padding: Padding,
    pub epsilon: f64,
}

/// One block.
#[derive(Debug)]
pub(super) struct Inverted {
    pub kernel: i64,
    pub stride: i64,
    pub input: i64,
    /// Width between the ends; equal to `input` where there is no expansion.
    pub expanded: i64,
    pub output: i64,
    pub squeeze: Option<Squeeze>,
    /// Share of `model.drop_path` that is this block's rate: its place among all blocks, from 0 in the first.
    pub drop_share: f64,
}

/// Squeeze-and-excitation after the depthwise convolution.
#[derive(Debug, Clone, Copy)]
pub(super) struct Squeeze {
    pub reduced: i64,
    pub activation: Activation,
    pub gate: Gate,
}

impl Inverted {
    /// Expand, depthwise, squeeze-and-excite, project; without expansion timm numbers and names the rest from the start.
    fn path(&self, prefix: &str, style: Style) -> Vec<Layer> {
        let named =
            |conv: &str, norm: usize| (format!("{prefix}.{conv}"), format!("{prefix}.bn{norm}"));
        let mut layers = Vec::new();
        let expands = self.expanded != self.input;
        if expands {
            let (conv, norm) = named("conv_pw", 1);
            layers.push(Layer::ConvNorm(style.conv(
                &conv,
                &norm,
                (self.input, self.expanded),
                1,
                1,
            )));
        }
        let (conv, norm) = named("conv_dw", if expands { 2 } else { 1 });
        let depthwise = style.conv(
            &conv,
            &norm,
            (self.expanded, self.expanded),
            self.kernel,
            self.stride,
        );
        layers.push(Layer::ConvNorm(ConvNorm {
            groups: self.expanded,
            ..depthwise
        }));
        if let Some(Squeeze {
            reduced,
            activation,
            gate,
        }) = self.squeeze
        {
            let (name, channels) = (format!("{prefix}.se"), self.expanded);
            layers.push(Layer::SqueezeExcite(SqueezeExcite {
                name,
                convolutions: ["conv_reduce", "conv_expand"],
                channels,
                reduced,
                activation,
                gate,
            }));
        }
        let (conv, norm) = if expands {
            named("conv_pwl", 3)
        } else {
            named("conv_pw", 2)
        };
        let project = style.conv(&conv, &norm, (self.expanded, self.output), 1, 1);
        layers.push(Layer::ConvNorm(ConvNorm {
            activation: None,
            ..project
        }));
        layers
    }

    /// The path of a fused block: one convolution in the place of the first two (Tan and Le 2021).
    fn fused_path(&self, prefix: &str, style: Style) -> Vec<Layer> {
        let named = |part: &str| format!("{prefix}.{part}");
        let widths = (self.input, self.expanded);
        let expand = style.conv(
            &named("conv_exp"),
            &named("bn1"),
            widths,
            self.kernel,
            self.stride,
        );
        let widths = (self.expanded, self.output);
        let project = ConvNorm {
            activation: None,
            ..style.conv(&named("conv_pwl"), &named("bn2"), widths, 1, 1)
        };
        vec![Layer::ConvNorm(expand), Layer::ConvNorm(project)]
    }

    /// The block's layers, with a shortcut if input and output have the same shape.
    pub(super) fn layers(&self, prefix: &str, style: Style) -> Vec<Layer> {
        self.with_shortcut(self.path(prefix, style))
    }

    /// As [`Self::layers`], fused.
    pub(super) fn fused_layers(&self, prefix: &str, style: Style) -> Vec<Layer> {
        self.with_shortcut(self.fused_path(prefix, style))
    }

    /// A single convolution, activated before the shortcut joins it.
    pub(super) fn plain_layers(&self, prefix: &str, style: Style) -> Vec<Layer> {
        let (conv, norm) = (format!("{prefix}.conv"), format!("{prefix}.bn1"));
        let widths = (self.input, self.output);
        let conv = style.conv(&conv, &norm, widths, self.kernel, self.stride);
        self.with_shortcut(vec![Layer::ConvNorm(conv)])
    }

    fn with_shortcut(&self, path: Vec<Layer>) -> Vec<Layer> {
        if self.stride == 1 && self.input == self.output {
            let (scale, shortcut, activation) = (None, Shortcut::Identity, None);
            vec![Layer::Residual(Residual {
                path,
                scale,
                shortcut,
                activation,
                drop_share: self.drop_share,
            })]
        } else {
            path
        }
    }
}

impl Style {
    pub(super) fn conv(
        self,
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
            padding: self.padding,
            epsilon: self.epsilon,
            activation: Some(self.activation),
            kind: TensorKind::Weight,
        }
    }
}

/// The multiple of 8 nearest to `numerator / denominator`; if that is below nine tenths of it, the next multiple.
pub(super) fn round_channels(numerator: i64, denominator: i64) -> i64 {
    let nearest = ((numerator + 4 * denominator) / (8 * denominator) * 8).max(8);
    if 10 * nearest * denominator < 9 * numerator {
        nearest + 8
    } else {
        nearest
    }
}
