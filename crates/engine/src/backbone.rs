//! A backbone on tensors: the schema's blocks, run in order.

use anyhow::Result;
use tch::Tensor;
use warmstart_schema::architecture::Architecture;

use crate::layers::{Layer, Pass, Tensors, run};

/// The blocks of a backbone, holding handles on the model's tensors.
#[derive(Debug)]
pub struct Backbone {
    blocks: Vec<Vec<Layer>>,
}

impl Backbone {
    /// Takes from `tensors` what the structure names; an error where one is missing.
    pub fn new(architecture: &Architecture, tensors: &Tensors) -> Result<Self> {
        let block = |layers: &[_]| layers.iter().map(|layer| Layer::new(layer, tensors)).collect::<Result<Vec<_>>>();
        Ok(Self { blocks: architecture.blocks.iter().map(|b| block(&b.layers)).collect::<Result<_>>()? })
    }

    /// Normalized images `[N, 3, H, W]` to globally average-pooled features `[N, F]`, in float32. The first `frozen`
    /// blocks run in inference mode and leave no trace for autograd, whatever `pass` says of the others.
    pub fn forward(&self, images: &Tensor, frozen: usize, pass: Pass) -> Result<Tensor> {
        let (still, moving) = self.blocks.split_at(frozen.min(self.blocks.len()));
        let x = tch::no_grad(|| forward_blocks(still, images, Pass::INFERENCE))?;
        let pool = |x: Tensor| x.f_mean_dim([2_i64, 3].as_slice(), false, tch::Kind::Float);
        if moving.is_empty() {
            return Ok(tch::no_grad(|| pool(x))?);
        }
        Ok(pool(forward_blocks(moving, &x, pass)?)?)
    }
}

fn forward_blocks(blocks: &[Vec<Layer>], x: &Tensor, pass: Pass) -> Result<Tensor> {
    blocks.iter().try_fold(x.shallow_clone(), |x, layers| run(layers, &x, pass))
}
