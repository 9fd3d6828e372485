// Kernels for the CPU on float32 images in channels-last order: rows of pixels, `channels` numbers each, one after another.
// They know nothing of libtorch. Each instruction set has a table of its own; `kernels()` returns the best for this processor.
#pragma once

#include <cstdint>

namespace warmstart {

enum class Activation : int { None, Relu, Relu6, Silu, HardSwish };

// A batch normalization that is one multiplication and one addition a channel, then perhaps a residual and an activation, then
// perhaps a gate: y = activation(x * scale + shift + residual) * gate.
struct Normalized {
  Activation activation;
  int64_t channels;
  const float *scale, *shift;
  const float *gate;  // of this image, a channel each; null without a gate
  bool stream;        // whether the output is written past the caches, because it is larger than they are
};

struct Depthwise {
  int64_t channels, height, width, out_height, out_width, kernel, stride, top, left;
};

// A row of Winograd's tiles of 2×2 output pixels, and the image [height, width, channels] that the tiles are made of or are written to.
struct Tiles {
  int64_t channels, height, width;
  int64_t columns;    // tiles of a row
  int64_t top, left;  // zeros before the input; none for outputs and their gradients
  int64_t plane;      // floats from one of the 16 planes to the next
};

struct Kernels {
  // Adds each channel's sum and sum of squares of (x - origin) over the rows.
  void (*moments)(int64_t channels, const float *origin, const float *x, int64_t rows, double *sum, double *squares);
  // Writes y; `residual` may be null. Adds each channel's sum of y to `sum`, unless that is null.
  void (*forward)(const Normalized &, const float *x, const float *residual, int64_t rows, float *y, double *sum);
  // Adds each channel's sum of the gradient before the activation, and of that times (x - mean). Where a residual was added, `y` says
  // where the activation is flat, else it is null.
  void (*reduce)(const Normalized &, const float *x, const float *y, const float *grad, const float *mean, int64_t rows, double *sum,
                 double *product);
  // For rows of one image behind a gate, whose own gradient is not known yet. With d as the derivative of the activation, it adds each
  // channel's sums of grad * activation(x * scale + shift), grad * d, d, grad * d * (x - mean) and d * (x - mean) to `sums` [5, channels].
  void (*reduce_gated)(const Normalized &, const float *x, const float *grad, const float *mean, int64_t rows, double *sums);
  // Writes grad_x = a * gradient + b * x + c, and the gradient itself to `grad_residual`, unless that is null. With a gate the gradient
  // is that of grad * gate + pooled.
  void (*backward)(const Normalized &, const float *x, const float *y, const float *grad, const float *pooled, const float *a,
                   const float *b, const float *c, int64_t rows, float *grad_x, float *grad_residual);
  // One row of output pixels of a depthwise convolution; `weight` is [kernel, kernel, channels].
  void (*depthwise)(const Depthwise &, const float *image, const float *weight, int64_t row, float *out);
  // One row of input pixels' gradient.
  void (*depthwise_input)(const Depthwise &, const float *grad, const float *weight, int64_t row, float *grad_image);
  // Adds the weight's gradient, [kernel, kernel, channels], of the rows of output pixels from `begin` to `end`.
  void (*depthwise_weight)(const Depthwise &, const float *image, const float *grad, int64_t begin, int64_t end, float *sum);
  // Writes the 16 planes of a row of tiles of the input, and of the output's gradient; `planes` points to the row's first tile.
  void (*winograd_input)(const Tiles &, const float *image, int64_t row, float *planes);
  void (*winograd_gradient)(const Tiles &, const float *grad, int64_t row, float *planes);
  // Writes the output's pixels of a row of tiles.
  void (*winograd_output)(const Tiles &, const float *planes, int64_t row, float *image);
  // Writes the 16 planes, `plane` floats apart, of a kernel [3, 3, channels], turned by 180 degrees if `turned`; and the kernel's gradient
  // of that of its planes.
  void (*winograd_weight)(int64_t channels, int64_t plane, const float *kernel, bool turned, float *planes);
  void (*winograd_weight_gradient)(int64_t channels, int64_t plane, const float *planes, float *kernel);
};

const Kernels &kernels();

}  // namespace warmstart
