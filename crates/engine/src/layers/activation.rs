//! Activations, and sums with a residual before them.

use anyhow::Result;
use tch::Tensor;
use warmstart_schema::architecture::Activation;

use super::pass::Pass;

/// Applies the activation, in place where the backward pass does not need the input. The backward passes of `ReLU` and `ReLU6`
/// read their output, so in place is always safe.
pub(super) fn activate(
    mut x: Tensor,
    activation: Option<Activation>,
    pass: Pass,
) -> Result<Tensor> {
    Ok(match activation {
        None => x,
        Some(Activation::Relu) => x.f_relu_()?,
        Some(Activation::Relu6) => x.f_relu6_()?,
        Some(Activation::Silu) if pass.is_recorded() => x.f_silu()?,
        Some(Activation::Silu) => x.f_silu_()?,
        Some(Activation::HardSwish) if pass.is_recorded() => x.f_hardswish()?,
        Some(Activation::HardSwish) => x.f_hardswish_()?,
    })
}

/// activation(path + shortcut). It may write the sum into `path`, so `path` must come from a normalization, a dense layer or a
/// product: their backward passes do not need their output.
pub(super) fn add_residual(
    mut path: Tensor,
    shortcut: &Tensor,
    activation: Option<Activation>,
    pass: Pass,
) -> Result<Tensor> {
    // Under autocast the path may have a lower precision, which must not become the sum's.
    let sum = if path.kind() == shortcut.kind() {
        path.f_add_(shortcut)?
    } else {
        path.f_add(shortcut)?
    };
    activate(sum, activation, pass)
}
