//! Initial values, as timm and `PyTorch` draw them.

use anyhow::Result;
use tch::{Device, Kind, Tensor};
use warmstart_schema::architecture::{Architecture, Layer, TensorKind, TensorSpec};
use warmstart_schema::seed::derive;

use super::NamedTensor;

/// The first values of a tensor on the CPU, a function of `seed` and its name.
pub(super) fn draw(spec: &TensorSpec, seed: u64) -> Result<Tensor> {
    tch::manual_seed(derive(seed, &spec.name, 0, 0).cast_signed());
    let mut tensor = Tensor::f_zeros(spec.shape.as_slice(), (Kind::Float, Device::Cpu))?;
    Ok(match (spec.kind, spec.shape.as_slice()) {
        (TensorKind::NormWeight | TensorKind::RunningVar, _) => tensor.f_fill_(1.0)?,
        // He et al. 2015, by the fan out; a depthwise filter feeds one channel only.
        (TensorKind::Weight, &[output, input, height, width]) => {
            let channels = if input == 1 { 1 } else { output };
            tensor.f_normal_(0.0, (2.0 / (channels * height * width) as f64).sqrt())?
        }
        // PyTorch's dense layer.
        (TensorKind::Weight, &[_, input]) => {
            let bound = 1.0 / (input as f64).sqrt();
            tensor.f_uniform_(-bound, bound)?
        }
        _ => tensor,
    })
}

/// Lets every residual block that ends in an activation start as its own shortcut, by a last normalization weight of
/// zero (Goyal et al. 2017).
pub(super) fn zero_residuals(architecture: &Architecture, tensors: &mut [NamedTensor]) -> Result<()> {
    for layer in architecture.blocks.iter().flat_map(|block| &block.layers) {
        let Layer::Residual(residual) = layer else { continue };
        let (Some(Layer::ConvNorm(last)), Some(_)) = (residual.path.last(), residual.activation) else { continue };
        let name = format!("{}.weight", last.norm);
        if let Some(weight) = tensors.iter_mut().find(|tensor| tensor.name == name) {
            drop(tch::no_grad(|| weight.tensor.f_zero_())?);
        }
    }
    Ok(())
}
