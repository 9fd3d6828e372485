//! A backbone on tensors: the schema's blocks, run in order.

use anyhow::Result;
use tch::Tensor;
use warmstart_schema::architecture::Architecture;

use crate::layers::{Layer, Pass, Tensors, run};

/// The blocks of a backbone, holding handles on the model's tensors.
#[derive(Debug)]
pub(crate) struct Backbone {
    /// The layers of the first blocks, whose parameters and statistics do not change.
    frozen: Vec<Vec<Layer>>,
    /// The layers of the other blocks, which train.
    moving: Vec<Vec<Layer>>,
}

impl Backbone {
    /// Takes from `tensors` what the structure names; an error where one is missing. The first `frozen` blocks must not be
    /// trained: their tensors may only be overwritten as a whole, by loading. `drop_path` is the rate of the last residual path.
    pub(crate) fn new(
        architecture: &Architecture,
        tensors: &Tensors,
        frozen: usize,
        drop_path: f64,
    ) -> Result<Self> {
        let mut paths = 0;
        let mut block = |layers: &[_]| {
            let mut layers = layers
                .iter()
                .map(|layer| Layer::new(layer, tensors))
                .collect::<Result<Vec<_>>>()?;
            for layer in &mut layers {
                if let Layer::Residual(residual) = layer {
                    residual.drop_at(drop_path, paths);
                    paths += 1;
                }
            }
            Ok::<_, anyhow::Error>(layers)
        };
        let mut blocks: Vec<_> = architecture
            .blocks
            .iter()
            .map(|b| block(&b.layers))
            .collect::<Result<_>>()?;
        let moving = blocks.split_off(frozen.min(blocks.len()));
        Ok(Self {
            frozen: blocks,
            moving,
        })
    }

    /// Lets every block after the first `frozen` train.
    pub(crate) fn unfreeze(&mut self, frozen: usize) {
        let freed = self.frozen.split_off(frozen.min(self.frozen.len()));
        self.moving.splice(0..0, freed);
    }

    /// Normalized images `[N, 3, H, W]` to pooled features `[N, F]`, in float32. Frozen blocks run in
    /// inference mode and leave no trace for autograd, whatever `pass` says of the others.
    pub(crate) fn forward(&self, images: &Tensor, pass: Pass) -> Result<Tensor> {
        let x = tch::no_grad(|| forward_blocks(&self.frozen, images, Pass::Frozen))?;
        let moving = || -> Result<Tensor> {
            let x = forward_blocks(&self.moving, &x, pass)?;
            Ok(x.f_flatten(1, -1)?.f_to_kind(tch::Kind::Float)?)
        };
        if pass.is_recorded() {
            moving()
        } else {
            tch::no_grad(moving)
        }
    }
}

fn forward_blocks(blocks: &[Vec<Layer>], x: &Tensor, pass: Pass) -> Result<Tensor> {
    blocks
        .iter()
        .try_fold(x.shallow_clone(), |x, layers| run(layers, &x, pass))
}
