//! Initial values, distributed as in timm's models. Each tensor has a separate generator, so what happened before, or happens in
//! another thread, does not matter.
//!
//! These differ from timm 1.0:
//! - `DenseNet`'s convolutions count the fan-out. timm counts their fan-in.
//! - All biases except a patch projection's are 0. `PyTorch` draws those of the head and of `seresnet50`'s gates.
//! - The class token and the registers have a standard deviation of 0.02. timm takes 1e-6, but 0.02 in `DINOv3`.
//! - The factors of residual paths are 1e-6. timm takes 1e-5 in `DINOv2` and `DINOv3`.
//! - In `DINOv3`, timm divides what ends a residual path by √(2 · block).

use anyhow::{Result, bail};
use tch::{Kind, Tensor};
use warmstart_schema::architecture::{Architecture, Layer, TensorKind, TensorSpec};
use warmstart_schema::seed::{SplitMix64, derive};

use super::NamedTensor;

/// The first values of a tensor on the CPU, a function of `seed` and its name.
pub(super) fn draw(spec: &TensorSpec, seed: u64) -> Result<Tensor> {
    let mut random = SplitMix64::new(derive(seed, &spec.name, 0, 0));
    let count = usize::try_from(spec.len())?;
    let values = match (spec.kind, spec.shape.as_slice()) {
        (TensorKind::NormWeight | TensorKind::RunningVar, _) => vec![1.0; count],
        // A depthwise filter feeds one channel only.
        (TensorKind::Weight, &[output, input, height, width]) => {
            let channels = if input == 1 { 1 } else { output };
            he(&mut random, count, channels * height * width)
        }
        (TensorKind::GroupedWeight { groups }, &[output, _, height, width]) => {
            he(&mut random, count, output * height * width / groups)
        }
        (TensorKind::Weight, &[_, input]) => pytorch_default(&mut random, count, input),
        (TensorKind::PatchWeight, &[_, input, height, width]) => {
            pytorch_default(&mut random, count, input * height * width)
        }
        (TensorKind::PatchBias { fan_in }, _) => pytorch_default(&mut random, count, fan_in),
        (TensorKind::SmallWeight | TensorKind::Embedding, _) => normal(&mut random, count, 0.02),
        (TensorKind::Scale, _) => vec![1e-6; count],
        (
            TensorKind::Bias
            | TensorKind::NormBias
            | TensorKind::RunningMean
            | TensorKind::ResponseWeight,
            _,
        ) => vec![0.0; count],
        (
            TensorKind::Weight | TensorKind::GroupedWeight { .. } | TensorKind::PatchWeight,
            shape,
        ) => bail!("no weight has the shape {shape:?} of `{}`", spec.name),
    };
    Ok(Tensor::f_from_slice(&values)?
        .f_view(spec.shape.as_slice())?
        .f_to_kind(Kind::Float)?)
}

/// Keeps the variance of gradients from layer to layer (He et al. 2015).
fn he(random: &mut SplitMix64, count: usize, fan_out: i64) -> Vec<f64> {
    normal(random, count, (2.0 / fan_out as f64).sqrt())
}

/// `PyTorch`'s default for dense layers and convolutions: even between -1 / √fan-in and 1 / √fan-in.
fn pytorch_default(random: &mut SplitMix64, count: usize, fan_in: i64) -> Vec<f64> {
    let bound = 1.0 / (fan_in as f64).sqrt();
    (0..count)
        .map(|_| (2.0 * random.uniform() - 1.0) * bound)
        .collect()
}

/// Normal around zero, in pairs (Box and Muller 1958).
fn normal(random: &mut SplitMix64, count: usize, deviation: f64) -> Vec<f64> {
    let mut values = Vec::with_capacity(count + 1);
    while values.len() < count {
        // One minus a number below one is never zero, whose logarithm would be infinite.
        let radius = deviation * (-2.0 * (1.0 - random.uniform()).ln()).sqrt();
        let (sin, cos) = (std::f64::consts::TAU * random.uniform()).sin_cos();
        values.extend([radius * cos, radius * sin]);
    }
    values.truncate(count);
    values
}

/// Lets every residual block that ends in an activation start as its own shortcut, by a last normalization weight of
/// zero (Goyal et al. 2017).
pub(super) fn zero_residuals(
    architecture: &Architecture,
    tensors: &mut [NamedTensor],
) -> Result<()> {
    for layer in architecture.blocks.iter().flat_map(|block| &block.layers) {
        let Layer::Residual(residual) = layer else {
            continue;
        };
        // A gate may follow it.
        let last = residual.path.iter().rev().find_map(|layer| match layer {
            Layer::ConvNorm(conv) => Some(conv),
            _ => None,
        });
        let (Some(last), Some(_)) = (last, residual.activation) else {
            continue;
        };
        let name = format!("{}.weight", last.norm);
        if let Some(weight) = tensors.iter_mut().find(|tensor| tensor.name == name) {
            drop(tch::no_grad(|| weight.tensor.f_zero_())?);
        }
    }
    Ok(())
}
