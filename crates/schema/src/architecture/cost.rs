//! How much a forward pass computes.

use super::block::Architecture;
use super::layer::Layer;
use super::{Attention, Border, Conv, ConvNorm, Mlp, Padding, Residual, Shortcut};

impl Architecture {
    /// Multiplications with their additions for one square image of `side` pixels: those of convolutions, dense layers and attention,
    /// as papers count them. Normalization, activations, means and rotations compute little for each number, and are left out.
    pub fn multiply_adds(&self, side: u32) -> u64 {
        let mut cost = Cost {
            grid: Grid::Image(i64::from(side)),
            total: 0,
        };
        for block in &self.blocks {
            cost.add(&block.layers);
        }
        cost.total.unsigned_abs()
    }
}

/// The positions that a layer treats alike.
#[derive(Debug, Clone, Copy)]
enum Grid {
    /// Pixels of a square of this side.
    Image(i64),
    Tokens(i64),
}

impl Grid {
    fn positions(self) -> i64 {
        match self {
            Self::Image(side) => side.pow(2),
            Self::Tokens(count) => count,
        }
    }

    /// Changes the side of an image; tokens stay.
    fn resized(self, side: impl FnOnce(i64) -> i64) -> Self {
        match self {
            Self::Image(before) => Self::Image(side(before)),
            Self::Tokens(count) => Self::Tokens(count),
        }
    }
}

/// What the layers so far cost, and the shape of what they give.
struct Cost {
    grid: Grid,
    total: i64,
}

impl Cost {
    fn add(&mut self, layers: &[Layer]) {
        for layer in layers {
            self.layer(layer);
        }
    }

    fn layer(&mut self, layer: &Layer) {
        match layer {
            Layer::ConvNorm(conv) => self.conv_norm(conv),
            Layer::Conv(conv) => self.conv(conv),
            Layer::SqueezeExcite(gate) => self.total += 2 * gate.channels * gate.reduced,
            &Layer::MaxPool {
                kernel,
                stride,
                padding,
            } => self.resize(|side| (side + 2 * padding - kernel) / stride + 1),
            &Layer::AvgPool {
                side: window,
                border,
            } => self.resize(|side| match border {
                Border::Kept => (side + window - 1) / window,
                Border::Dropped => side / window,
            }),
            Layer::Pool => self.resize(|_| 1),
            &Layer::Enlarge { side: least } => self.resize(|side| side.max(least)),
            Layer::Norm(_) | Layer::LayerNorm(_) | Layer::Scale { .. } => {}
            Layer::Mlp(mlp) => self.mlp(mlp),
            Layer::Patches(patches) => {
                self.conv(&patches.projection);
                self.grid = Grid::Tokens(self.grid.positions() + patches.prefix_tokens());
            }
            Layer::Attention(attention) => self.attention(attention),
            Layer::ClassToken | Layer::TokenMean { .. } => self.grid = Grid::Tokens(1),
            Layer::Residual(residual) => self.residual(residual),
            Layer::Grow(path) => self.add(path),
        }
    }

    fn residual(&mut self, residual: &Residual) {
        let before = self.grid;
        if let Shortcut::Projection(layers) = &residual.shortcut {
            self.add(layers);
        }
        self.grid = before;
        self.add(&residual.path);
    }

    fn conv_norm(&mut self, conv: &ConvNorm) {
        let &ConvNorm {
            kernel,
            stride,
            padding,
            ..
        } = conv;
        let weights = conv.output * conv.input / conv.groups * kernel * kernel;
        self.convolve(weights, (kernel, stride, padding));
    }

    fn conv(&mut self, conv: &Conv) {
        let &Conv {
            kernel,
            stride,
            padding,
            ..
        } = conv;
        let weights = conv.output * conv.input / conv.groups * kernel * kernel;
        self.convolve(weights, (kernel, stride, padding));
    }

    fn convolve(&mut self, weights: i64, (kernel, stride, padding): (i64, i64, Padding)) {
        self.resize(|side| {
            let (before, after) = padding.amounts(side, kernel, stride);
            (side + before + after - kernel) / stride + 1
        });
        self.total += weights * self.grid.positions();
    }

    fn mlp(&mut self, mlp: &Mlp) {
        self.total += 2 * mlp.channels * mlp.hidden * self.grid.positions();
    }

    /// Queries, keys, values and the projection; then scores and sums, both between all pairs of tokens.
    fn attention(&mut self, attention: &Attention) {
        let (tokens, channels) = (self.grid.positions(), attention.channels);
        self.total += 4 * tokens * channels.pow(2) + 2 * tokens.pow(2) * channels;
    }

    fn resize(&mut self, side: impl FnOnce(i64) -> i64) {
        self.grid = self.grid.resized(side);
    }
}
