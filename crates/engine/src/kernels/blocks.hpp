// What the layers of a network call: float32 images [N, C, H, W] on the CPU; images in another order are copied to channels-last.
// normalize and normalize_gated: differentiable; without gradients they may write their result into x, so do not use x afterwards.
// depthwise, convolve_by_product and convolve_by_winograd: differentiable, never write x. depthwise_normalized and convolve_activated: inference only.
#pragma once

#include <ATen/core/Tensor.h>

#include "kernels.hpp"

namespace warmstart {

// Batch normalization (Ioffe and Szegedy 2015); all tensors are [C].
struct BatchNorm {
  at::Tensor weight, bias, running_mean, running_var;
  bool batch_statistics;  // normalize by those of the batch and update the running ones
  double momentum, epsilon;
};

// Squeeze and excitation (Hu et al. 2018): `reduce` [S, C, 1, 1] and `expand` [C, S, 1, 1] make each channel's gate of all channels' means.
struct Gate {
  at::Tensor reduce, reduce_bias, expand, expand_bias;
  Activation activation;  // between the two: Relu or Silu
  bool hard;              // hard sigmoid instead of sigmoid
};

// How a convolution lies over the image: `top` rows and `left` columns of zeros come before it.
struct Geometry {
  int64_t stride, top, left, out_height, out_width;
};

// activation(normalized x + residual), without the residual where that is undefined; with it, only None, Relu and Relu6.
at::Tensor normalize(const at::Tensor &x, const BatchNorm &norm, const at::Tensor &residual, Activation activation);

// activation(normalized x) times the gate made of it.
at::Tensor normalize_gated(const at::Tensor &x, const BatchNorm &norm, const Gate &gate, Activation activation);

// Depthwise convolution with `weight` [C, 1, K, K], K of 3, 5 or 7.
at::Tensor depthwise(const at::Tensor &x, const at::Tensor &weight, const Geometry &geometry);

// The same, normalized by the running statistics, and activated. Never recorded.
at::Tensor depthwise_normalized(const at::Tensor &x, const at::Tensor &weight, const Geometry &geometry, const BatchNorm &norm,
                                Activation activation);

// Convolution with `weight` [O, C, K, K] as a product of matrices: differentiable without bias, never recorded with one.
at::Tensor convolve_by_product(const at::Tensor &x, const at::Tensor &weight, const at::Tensor &bias, const Geometry &geometry);

// Convolution of stride 1 with `weight` [O, C, 3, 3] by Winograd's algorithm: differentiable.
at::Tensor convolve_by_winograd(const at::Tensor &x, const at::Tensor &weight, const Geometry &geometry);

// Convolution with bias and activation in oneDNN's one pass. Never recorded.
at::Tensor convolve_activated(const at::Tensor &x, const at::Tensor &weight, const at::Tensor &bias, int64_t stride, int64_t padding,
                              int64_t groups, Activation activation);

}  // namespace warmstart
