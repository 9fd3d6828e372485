//! Convolutions, alone and together with batch normalization.

use anyhow::Result;
use tch::Tensor;
use warmstart_schema::architecture::{self as spec, Activation, Padding};

use super::activation::{activate, add_residual};
use super::folded::FoldedWeights;
use super::normalization::BatchNorm;
use super::pass::Pass;
use super::squeeze_excite::SqueezeExcite;
use super::tensors::{Tensors, named};
use crate::{blocks, ffi};

/// Up to this many images, a depthwise convolution on a GPU uses libtorch's own kernel, which needs channels-first memory. cuDNN
/// would first choose an algorithm for each layer and shape (5 seconds for an `EfficientNet`), and with so few images the CPU is
/// the limit, not the kernel.
const FEW_IMAGES: i64 = 32;

/// How a convolution moves over an image.
#[derive(Debug)]
struct Geometry {
    kernel: i64,
    stride: i64,
    groups: i64,
    padding: Padding,
}

impl Geometry {
    fn convolve(&self, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        if bias.is_none() {
            let geometry = self.kernel_geometry(x)?;
            if blocks::supports_depthwise(x, weight, self.groups) {
                return blocks::depthwise(x, weight, geometry);
            }
            if blocks::supports_product(x, weight, self.groups, geometry) {
                return blocks::convolve_by_product(x, weight, None, geometry);
            }
            if blocks::supports_winograd(x, weight, self.groups, geometry) {
                return blocks::convolve_by_winograd(x, weight, geometry);
            }
        }
        let [(top, bottom), (left, right)] = self.paddings(x)?;
        let (x, padding) = if top == bottom && left == right {
            (x.shallow_clone(), [top, left])
        } else {
            // Convolutions pad both ends alike, so uneven padding is added beforehand.
            (x.f_constant_pad_nd([left, right, top, bottom])?, [0, 0])
        };
        let (stride, dilation) = ([self.stride; 2], [1, 1]);
        if self.is_depthwise_of_few(&x) {
            let (x, weight) = (x.f_contiguous()?, channels_first(weight)?);
            let x = x.f_conv2d(&weight, bias, stride, padding, dilation, self.groups)?;
            return ffi::channels_last(&x);
        }
        Ok(x.f_conv2d(weight, bias, stride, padding, dilation, self.groups)?)
    }

    /// Zeros before and after the rows, and before and after the columns.
    fn paddings(&self, x: &Tensor) -> Result<[(i64, i64); 2]> {
        let (_, _, height, width) = x.size4()?;
        Ok([height, width].map(|size| self.padding.amounts(size, self.kernel, self.stride)))
    }

    /// The padding where it is the same on all sides.
    fn uniform_padding(&self, x: &Tensor) -> Result<Option<i64>> {
        let [(top, bottom), sides] = self.paddings(x)?;
        Ok((top == bottom && sides == (top, bottom)).then_some(top))
    }

    /// Stride, padding and output size for the CPU's kernels.
    fn kernel_geometry(&self, x: &Tensor) -> Result<blocks::Geometry> {
        let (_, _, height, width) = x.size4()?;
        let [(top, bottom), (left, right)] = self.paddings(x)?;
        Ok(blocks::Geometry {
            stride: self.stride,
            top,
            left,
            out_height: (height + top + bottom - self.kernel) / self.stride + 1,
            out_width: (width + left + right - self.kernel) / self.stride + 1,
        })
    }

    fn is_depthwise_of_few(&self, x: &Tensor) -> bool {
        let size = x.size();
        x.device().is_cuda() && self.groups > 1 && size[1] == self.groups && size[0] <= FEW_IMAGES
    }
}

/// The weight `[C, 1, K, K]` of a depthwise convolution with strides that libtorch takes for channels-first.
fn channels_first(weight: &Tensor) -> Result<Tensor> {
    let size = weight.size();
    Ok(weight.f_reshape([size[0], -1])?.f_view(size.as_slice())?)
}

/// A convolution without bias, batch normalization, and an activation.
#[derive(Debug)]
pub(crate) struct ConvNorm {
    weight: Tensor,
    norm: BatchNorm,
    folded: FoldedWeights,
    geometry: Geometry,
    pub(super) activation: Option<Activation>,
}

impl ConvNorm {
    pub(super) fn new(spec: &spec::ConvNorm, tensors: &Tensors) -> Result<Self> {
        let &spec::ConvNorm {
            kernel,
            stride,
            groups,
            padding,
            activation,
            ..
        } = spec;
        Ok(Self {
            weight: named(tensors, &format!("{}.weight", spec.conv))?,
            norm: BatchNorm::new(&spec.norm, spec.epsilon, tensors)?,
            folded: FoldedWeights::default(),
            geometry: Geometry {
                kernel,
                stride,
                groups,
                padding,
            },
            activation,
        })
    }

    pub(super) fn forward(&self, x: &Tensor, pass: Pass) -> Result<Tensor> {
        if pass == Pass::Frozen {
            return self.forward_folded(x, pass);
        }
        let x = self.geometry.convolve(x, &self.weight, None)?;
        if blocks::supports(&x) {
            let norm = self.norm.for_kernels(pass);
            return blocks::normalize(&x, norm, None, self.activation);
        }
        activate(self.norm.forward(&x, pass)?, self.activation, pass)
    }

    /// Uses weights with batch normalization folded in; `self.weight` does not change. The CPU's depthwise kernel normalizes in
    /// the same pass instead.
    fn forward_folded(&self, x: &Tensor, pass: Pass) -> Result<Tensor> {
        if blocks::supports_depthwise(x, &self.weight, self.geometry.groups) {
            let (geometry, norm) = (
                self.geometry.kernel_geometry(x)?,
                self.norm.for_kernels(pass),
            );
            return blocks::depthwise_normalized(x, &self.weight, geometry, norm, self.activation);
        }
        let (weight, bias) = self.folded.get(&self.weight, &self.norm)?;
        let geometry = self.geometry.kernel_geometry(x)?;
        if blocks::supports_product(x, &weight, self.geometry.groups, geometry) {
            let x = blocks::convolve_by_product(x, &weight, Some(&bias), geometry)?;
            return activate(x, self.activation, pass);
        }
        if blocks::supports_winograd(x, &self.weight, self.geometry.groups, geometry) {
            let x = blocks::convolve_by_winograd(x, &self.weight, geometry)?;
            let norm = self.norm.for_kernels(pass);
            return blocks::normalize(&x, norm, None, self.activation);
        }
        if let Some(padding) = self.geometry.uniform_padding(x)?
            && blocks::supports(x)
        {
            let shape = (self.geometry.stride, padding, self.geometry.groups);
            return blocks::convolve_activated(x, (&weight, &bias), shape, self.activation);
        }
        let x = self.geometry.convolve(x, &weight, Some(&bias))?;
        activate(x, self.activation, pass)
    }

    /// [`Self::forward`], then adds `residual` and applies `activation`. `self.activation` must be none.
    pub(super) fn forward_added(
        &self,
        x: &Tensor,
        residual: &Tensor,
        activation: Option<Activation>,
        pass: Pass,
    ) -> Result<Tensor> {
        if pass != Pass::Frozen && blocks::supports_sum(activation) {
            let x = self.geometry.convolve(x, &self.weight, None)?;
            if blocks::supports(&x) && residual.kind() == x.kind() {
                let norm = self.norm.for_kernels(pass);
                return blocks::normalize(&x, norm, Some(residual), activation);
            }
            return add_residual(self.norm.forward(&x, pass)?, residual, activation, pass);
        }
        add_residual(self.forward(x, pass)?, residual, activation, pass)
    }

    /// [`Self::forward`], then squeeze and excitation.
    pub(super) fn forward_gated(
        &self,
        x: &Tensor,
        gate: &SqueezeExcite,
        pass: Pass,
    ) -> Result<Tensor> {
        let x = self.geometry.convolve(x, &self.weight, None)?;
        if blocks::supports(&x) {
            let norm = self.norm.for_kernels(pass);
            return blocks::normalize_gated(&x, norm, gate.for_kernels(), self.activation);
        }
        let x = activate(self.norm.forward(&x, pass)?, self.activation, pass)?;
        gate.forward(&x, pass)
    }
}

/// A convolution and an activation.
#[derive(Debug)]
pub(crate) struct Conv {
    weight: Tensor,
    bias: Option<Tensor>,
    geometry: Geometry,
    activation: Option<Activation>,
}

impl Conv {
    pub(super) fn new(spec: &spec::Conv, tensors: &Tensors) -> Result<Self> {
        let &spec::Conv {
            kernel,
            stride,
            groups,
            padding,
            activation,
            ..
        } = spec;
        let geometry = Geometry {
            kernel,
            stride,
            groups,
            padding,
        };
        let bias = spec
            .bias
            .then(|| named(tensors, &format!("{}.bias", spec.name)));
        Ok(Self {
            weight: named(tensors, &format!("{}.weight", spec.name))?,
            bias: bias.transpose()?,
            geometry,
            activation,
        })
    }

    pub(super) fn forward(&self, x: &Tensor, pass: Pass) -> Result<Tensor> {
        let Self { weight, bias, .. } = self;
        activate(
            self.geometry.convolve(x, weight, bias.as_ref())?,
            self.activation,
            pass,
        )
    }
}
