#![expect(
    unsafe_code,
    reason = "the one place where the kernels' C functions are called"
)]
//! Layers of a network in few passes over memory, on the CPU: depthwise convolution, and batch normalization together with what
//! follows it. The C++ is in `kernels`; for everything that it does not do, the callers have libtorch's own operations.

use std::ffi::{c_char, c_int};
use std::ptr::null;

use anyhow::Result;
use tch::{Device, Kind, Tensor};
use torch_sys::C_tensor;
use warmstart_schema::architecture::{Activation, Gate};

use crate::ffi::new_tensor;

/// The sides of depthwise kernels that there is code for.
const KERNELS: [i64; 3] = [3, 5, 7];

/// The most channels that the kernels have room to sum.
const MOST_CHANNELS: i64 = 8192;

/// With fewer channels, Winograd's transformations take more time than they save in products.
const WINOGRAD_CHANNELS: i64 = 32;

#[repr(C)]
struct NormArguments {
    tensors: *const *const C_tensor,
    batch_statistics: c_int,
    momentum: f64,
    epsilon: f64,
}

unsafe extern "C" {
    fn ws_normalize(
        x: *const C_tensor,
        norm: *const NormArguments,
        residual: *const C_tensor,
        activation: c_int,
        out: *mut *mut C_tensor,
    ) -> *mut c_char;
    fn ws_normalize_gated(
        x: *const C_tensor,
        norm: *const NormArguments,
        gate: *const *const C_tensor,
        gate_activation: c_int,
        hard: c_int,
        activation: c_int,
        out: *mut *mut C_tensor,
    ) -> *mut c_char;
    fn ws_depthwise(
        x: *const C_tensor,
        weight: *const C_tensor,
        geometry: *const Geometry,
        norm: *const NormArguments,
        activation: c_int,
        out: *mut *mut C_tensor,
    ) -> *mut c_char;
    fn ws_convolve_by_product(
        x: *const C_tensor,
        weight: *const C_tensor,
        bias: *const C_tensor,
        geometry: *const Geometry,
        out: *mut *mut C_tensor,
    ) -> *mut c_char;
    fn ws_convolve_by_winograd(
        x: *const C_tensor,
        weight: *const C_tensor,
        geometry: *const Geometry,
        out: *mut *mut C_tensor,
    ) -> *mut c_char;
    fn ws_convolve_activated(
        x: *const C_tensor,
        weight: *const C_tensor,
        bias: *const C_tensor,
        stride: i64,
        padding: i64,
        groups: i64,
        activation: c_int,
        out: *mut *mut C_tensor,
    ) -> *mut c_char;
    fn ws_autocast_on_cpu() -> c_int;
    fn ws_keep_freed_memory();
}

/// Raise it when a kernel computes other bits than before: a resumed run then says that it is not exact.
pub(crate) const REVISION: u32 = 3;

/// Batch normalization; all tensors are `[C]`, float32.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Norm<'a> {
    pub(crate) weight: &'a Tensor,
    pub(crate) bias: &'a Tensor,
    pub(crate) mean: &'a Tensor,
    pub(crate) var: &'a Tensor,
    /// Normalize by the batch's own statistics and move the running ones.
    pub(crate) batch_statistics: bool,
    pub(crate) momentum: f64,
    pub(crate) epsilon: f64,
}

impl Norm<'_> {
    fn pass<T>(self, call: impl FnOnce(*const NormArguments) -> T) -> T {
        let tensors = [self.weight, self.bias, self.mean, self.var].map(Tensor::as_ptr);
        let arguments = NormArguments {
            tensors: tensors.as_ptr(),
            batch_statistics: c_int::from(self.batch_statistics),
            momentum: self.momentum,
            epsilon: self.epsilon,
        };
        call(&raw const arguments)
    }
}

/// Squeeze and excitation: weights `[S, C, 1, 1]` and `[C, S, 1, 1]`, each with its bias.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SqueezeExcite<'a> {
    pub(crate) reduce: (&'a Tensor, &'a Tensor),
    pub(crate) expand: (&'a Tensor, &'a Tensor),
    pub(crate) activation: Activation,
    pub(crate) gate: Gate,
}

/// How a convolution lies over the image; `top` rows and `left` columns of zeros come before it.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(crate) struct Geometry {
    pub(crate) stride: i64,
    pub(crate) top: i64,
    pub(crate) left: i64,
    pub(crate) out_height: i64,
    pub(crate) out_width: i64,
}

/// Whether the kernels work on these images `[N, C, H, W]`: float32 on the CPU, and not to be cast to another precision.
pub(crate) fn supports(x: &Tensor) -> bool {
    x.device() == Device::Cpu
        && x.kind() == Kind::Float
        && x.dim() == 4
        && x.size()[1] <= MOST_CHANNELS
        && x.numel() > 0
        && !is_autocast()
}

fn is_autocast() -> bool {
    // SAFETY: takes no pointers and only reads a setting of the thread.
    unsafe { ws_autocast_on_cpu() != 0 }
}

/// Whether the kernels do this depthwise convolution.
pub(crate) fn supports_depthwise(x: &Tensor, weight: &Tensor, groups: i64) -> bool {
    let [outputs, inputs, height, width] = weight.size()[..] else {
        return false;
    };
    supports(x)
        && weight.kind() == Kind::Float
        && inputs == 1
        && outputs == groups
        && x.size()[1] == groups
        && height == width
        && KERNELS.contains(&height)
}

/// Whether a convolution is faster as a product of matrices, because it has few output pixels for its weights.
pub(crate) fn supports_product(
    x: &Tensor,
    weight: &Tensor,
    groups: i64,
    geometry: Geometry,
) -> bool {
    let [_, _, height, width] = weight.size()[..] else {
        return false;
    };
    let most_pixels = match (height, width) {
        (1, 1) => 1024,
        (3, 3) => 128,
        _ => return false,
    };
    groups == 1
        && supports(x)
        && weight.kind() == Kind::Float
        && x.size()[0] * geometry.out_height * geometry.out_width <= most_pixels
}

/// Whether a convolution is faster by Winograd's algorithm: it has many channels, and more output pixels than a product takes.
pub(crate) fn supports_winograd(
    x: &Tensor,
    weight: &Tensor,
    groups: i64,
    geometry: Geometry,
) -> bool {
    let [outputs, inputs, 3, 3] = weight.size()[..] else {
        return false;
    };
    groups == 1
        && geometry.stride == 1
        && inputs.min(outputs) >= WINOGRAD_CHANNELS
        && supports(x)
        && weight.kind() == Kind::Float
}

/// Whether a sum with this activation can be differentiated by what comes out of it.
pub(crate) fn supports_sum(activation: Option<Activation>) -> bool {
    matches!(
        activation,
        None | Some(Activation::Relu | Activation::Relu6)
    )
}

/// The numbers of C++'s `warmstart::Activation`.
fn number(activation: Option<Activation>) -> c_int {
    match activation {
        None => 0,
        Some(Activation::Relu) => 1,
        Some(Activation::Relu6) => 2,
        Some(Activation::Silu) => 3,
        Some(Activation::HardSwish) => 4,
    }
}

/// Normalizes, adds `residual`, activates. Where autograd does not record, `x` is overwritten.
pub(crate) fn normalize(
    x: &Tensor,
    norm: Norm,
    residual: Option<&Tensor>,
    activation: Option<Activation>,
) -> Result<Tensor> {
    let residual = residual.map_or(null(), Tensor::as_ptr);
    // SAFETY: all tensors outlive the call.
    norm.pass(|norm| {
        new_tensor(|out| unsafe {
            ws_normalize(x.as_ptr(), norm, residual, number(activation), out)
        })
    })
}

/// Normalizes, activates, and multiplies by the gate made of the result. Where autograd does not record, `x` is overwritten.
pub(crate) fn normalize_gated(
    x: &Tensor,
    norm: Norm,
    squeeze: SqueezeExcite,
    activation: Option<Activation>,
) -> Result<Tensor> {
    let (reduce, expand) = (squeeze.reduce, squeeze.expand);
    let gate = [reduce.0, reduce.1, expand.0, expand.1].map(Tensor::as_ptr);
    let hard = c_int::from(squeeze.gate == Gate::HardSigmoid);
    let hidden = number(Some(squeeze.activation));
    // SAFETY: all tensors outlive the call; `gate` is the list of four that is expected.
    norm.pass(|norm| {
        new_tensor(|out| unsafe {
            ws_normalize_gated(
                x.as_ptr(),
                norm,
                gate.as_ptr(),
                hidden,
                hard,
                number(activation),
                out,
            )
        })
    })
}

/// Depthwise convolution with `weight` `[C, 1, K, K]`.
pub(crate) fn depthwise(x: &Tensor, weight: &Tensor, geometry: Geometry) -> Result<Tensor> {
    // SAFETY: both tensors and the geometry outlive the call.
    new_tensor(|out| unsafe {
        ws_depthwise(
            x.as_ptr(),
            weight.as_ptr(),
            &raw const geometry,
            null(),
            0,
            out,
        )
    })
}

/// The same, normalized by the running statistics and activated. Autograd does not record it.
pub(crate) fn depthwise_normalized(
    x: &Tensor,
    weight: &Tensor,
    geometry: Geometry,
    norm: Norm,
    activation: Option<Activation>,
) -> Result<Tensor> {
    // SAFETY: all tensors and the geometry outlive the call.
    norm.pass(|norm| {
        new_tensor(|out| unsafe {
            ws_depthwise(
                x.as_ptr(),
                weight.as_ptr(),
                &raw const geometry,
                norm,
                number(activation),
                out,
            )
        })
    })
}

/// Convolution with `weight` `[O, C, K, K]`, as a product of matrices. Autograd does not record it with a bias.
pub(crate) fn convolve_by_product(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    geometry: Geometry,
) -> Result<Tensor> {
    let bias = bias.map_or(null(), Tensor::as_ptr);
    // SAFETY: all tensors and the geometry outlive the call.
    new_tensor(|out| unsafe {
        ws_convolve_by_product(x.as_ptr(), weight.as_ptr(), bias, &raw const geometry, out)
    })
}

/// Convolution of stride 1 with `weight` `[O, C, 3, 3]`, by Winograd's algorithm with tiles of 2×2 outputs (Lavin and Gray 2016).
pub(crate) fn convolve_by_winograd(
    x: &Tensor,
    weight: &Tensor,
    geometry: Geometry,
) -> Result<Tensor> {
    // SAFETY: both tensors and the geometry outlive the call.
    new_tensor(|out| unsafe {
        ws_convolve_by_winograd(x.as_ptr(), weight.as_ptr(), &raw const geometry, out)
    })
}

/// Convolution with bias and activation in one pass of `oneDNN`. Autograd does not record it.
pub(crate) fn convolve_activated(
    x: &Tensor,
    (weight, bias): (&Tensor, &Tensor),
    (stride, padding, groups): (i64, i64, i64),
    activation: Option<Activation>,
) -> Result<Tensor> {
    // SAFETY: all tensors outlive the call.
    new_tensor(|out| unsafe {
        ws_convolve_activated(
            x.as_ptr(),
            weight.as_ptr(),
            bias.as_ptr(),
            stride,
            padding,
            groups,
            number(activation),
            out,
        )
    })
}

/// Keeps memory that tensors free in the process instead of giving it back to the system. Call it before the first tensor.
pub fn keep_freed_memory() {
    // SAFETY: takes no pointers and only replaces libtorch's allocator; tensors made before keep theirs.
    unsafe { ws_keep_freed_memory() }
}

#[cfg(test)]
mod tests;
