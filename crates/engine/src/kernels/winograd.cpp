// Winograd's 3×3 convolution (Lavin and Gray 2016), differentiable: the image's gradient is such a convolution too, and the weight's is
// the gradient of the same 16 products.
#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <vector>

#include "blocks.hpp"
#include "images.hpp"

namespace warmstart {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

namespace {

constexpr int64_t PLANES = 16;
// What the planes of some images take at most, so that they stay in the cache between the steps.
constexpr int64_t CHUNK_BYTES = int64_t{4} << 20;
// Floats between two planes that keep them out of each other's lines in the cache.
constexpr int64_t GAP = 16;

// [16, rows, columns]
at::Tensor empty_planes(int64_t rows, int64_t columns) {
  const int64_t plane = rows * columns + GAP;
  return at::empty({PLANES * plane}, at::kFloat).as_strided({PLANES, rows, columns}, {plane, columns, 1});
}

// [16, O, C] of weight [O, C, 3, 3], whose kernels are turned by 180 degrees if `turned`.
at::Tensor transform_weight(const at::Tensor &weight, bool turned) {
  const auto kernels_first = channels_last(weight);
  const int64_t outputs = weight.size(0), inputs = weight.size(1);
  const auto out = empty_planes(outputs, inputs);
  const float *from = data(kernels_first);
  float *to = out.data_ptr<float>();
  parallel(outputs, [&](int64_t o) { kernels().winograd_weight(inputs, out.stride(0), from + 9 * o * inputs, turned, to + o * inputs); });
  return out;
}

// The gradient of the weight, of that of its planes.
at::Tensor weight_gradient(const at::Tensor &planes, const at::Tensor &weight) {
  const int64_t inputs = weight.size(1);
  const auto out = at::empty(weight.sizes(), weight.options().memory_format(at::MemoryFormat::ChannelsLast));
  const float *from = data(planes);
  float *to = out.data_ptr<float>();
  parallel(weight.size(0), [&](int64_t o) { kernels().winograd_weight_gradient(inputs, planes.stride(0), from + o * inputs, to + 9 * o * inputs); });
  // Autograd keeps a gradient in the order of its weight without a copy.
  return out.strides() == weight.strides() ? out : at::empty_like(weight).copy_(out);
}

// The grid of tiles of 2×2 output pixels, in chunks of images.
class Grid {
 public:
  Grid(int64_t images, int64_t height, int64_t width, int64_t channels)
      : rows_((height + 1) / 2), columns_((width + 1) / 2), images_(images) {
    const int64_t bytes = PLANES * rows_ * columns_ * channels * sizeof(float);
    chunk_ = std::clamp<int64_t>(CHUNK_BYTES / bytes, 1, images);
  }

  // Calls `body` with the first image and the number of images of each chunk.
  template <typename Body>
  void each_chunk(const Body &body) const {
    for (int64_t first = 0; first < images_; first += chunk_) body(first, std::min(chunk_, images_ - first));
  }

  // [16, tiles, channels] for a chunk.
  at::Tensor planes(int64_t images, int64_t channels) const {
    return empty_planes(images * rows_ * columns_, channels);
  }

  // Calls a kernel for each row of tiles of a chunk, with its image, its row, and its place in the planes.
  template <typename Body>
  void each_row(int64_t images, int64_t channels, const Body &body) const {
    const int64_t all = images * rows_, tasks = std::max<int64_t>(1, std::min(all, PLANES * all * columns_ * channels / TASK_FLOATS));
    parallel(tasks, [&](int64_t i) {
      for (int64_t row = all * i / tasks; row < all * (i + 1) / tasks; row++) body(row / rows_, row % rows_, row * columns_ * channels);
    });
  }

  int64_t columns() const { return columns_; }

 private:
  static constexpr int64_t TASK_FLOATS = 65536;
  int64_t rows_, columns_, images_, chunk_;
};

Tiles tiles(const Shape &s, const Grid &grid, const at::Tensor &planes, int64_t top, int64_t left) {
  return {s.channels, s.height, s.width, grid.columns(), top, left, planes.stride(0)};
}

// Planes of the input's tiles of some images.
at::Tensor transform_input(const Grid &grid, const at::Tensor &x, int64_t first, int64_t images, int64_t top, int64_t left) {
  const Shape s(x);
  const auto out = grid.planes(images, s.channels);
  const Tiles t = tiles(s, grid, out, top, left);
  float *to = out.data_ptr<float>();
  const float *from = data(x) + first * s.area() * s.channels;
  grid.each_row(images, s.channels, [&](int64_t image, int64_t row, int64_t at) {
    kernels().winograd_input(t, from + image * s.area() * s.channels, row, to + at);
  });
  return out;
}

at::Tensor transform_gradient(const Grid &grid, const at::Tensor &grad, int64_t first, int64_t images) {
  const Shape s(grad);
  const auto out = grid.planes(images, s.channels);
  const Tiles t = tiles(s, grid, out, 0, 0);
  float *to = out.data_ptr<float>();
  const float *from = data(grad) + first * s.area() * s.channels;
  grid.each_row(images, s.channels, [&](int64_t image, int64_t row, int64_t at) {
    kernels().winograd_gradient(t, from + image * s.area() * s.channels, row, to + at);
  });
  return out;
}

// The convolution of x [N, C, H, W] with `weights` [16, C, O].
at::Tensor convolve(const at::Tensor &x, const at::Tensor &weights, int64_t top, int64_t left, int64_t out_height, int64_t out_width) {
  const int64_t outputs = weights.size(2);
  auto y = at::empty({x.size(0), outputs, out_height, out_width}, x.options().memory_format(at::MemoryFormat::ChannelsLast));
  const Shape o(y);
  float *to = y.data_ptr<float>();
  const Grid grid(o.images, o.height, o.width, std::max(outputs, x.size(1)));
  grid.each_chunk([&](int64_t first, int64_t images) {
    const auto products = grid.planes(images, outputs);
    auto target = products;
    at::bmm_out(target, transform_input(grid, x, first, images, top, left), weights);
    const Tiles t = tiles(o, grid, products, 0, 0);
    grid.each_row(images, outputs, [&](int64_t image, int64_t row, int64_t at) {
      kernels().winograd_output(t, data(products) + at, row, to + (first + image) * o.area() * outputs);
    });
  });
  return y;
}

struct WinogradConvolution : Function<WinogradConvolution> {
  static at::Tensor forward(AutogradContext *context, const at::Tensor &x, const at::Tensor &weight, const Geometry &g) {
    context->save_for_backward({x, weight});
    context->saved_data["top"] = g.top;
    context->saved_data["left"] = g.left;
    return convolve_by_winograd(x, weight, g);
  }

  static variable_list backward(AutogradContext *context, variable_list grads) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1];
    const int64_t top = context->saved_data["top"].toInt(), left = context->saved_data["left"].toInt();
    const int64_t outputs = weight.size(0), inputs = weight.size(1);
    const auto grad = channels_last(grads[0]);
    at::Tensor grad_x, grad_weight;
    if (context->needs_input_grad(0)) {
      grad_x = convolve(grad, transform_weight(weight, true), 2 - top, 2 - left, x.size(2), x.size(3));
    }
    if (context->needs_input_grad(1)) {
      auto sum = empty_planes(outputs, inputs);
      const Shape o(grad);
      const Grid grid(o.images, o.height, o.width, std::max(outputs, inputs));
      grid.each_chunk([&](int64_t first, int64_t images) {
        const auto grads = transform_gradient(grid, grad, first, images).transpose(1, 2);
        const auto pixels = transform_input(grid, x, first, images, top, left);
        first == 0 ? at::bmm_out(sum, grads, pixels) : sum.baddbmm_(grads, pixels);
      });
      grad_weight = weight_gradient(sum, weight);
    }
    return {grad_x, grad_weight, {}};
  }
};

}  // namespace

at::Tensor convolve_by_winograd(const at::Tensor &x, const at::Tensor &weight, const Geometry &g) {
  const auto images = channels_last(x);
  if (at::GradMode::is_enabled()) return WinogradConvolution::apply(images, weight, g);
  return convolve(images, transform_weight(weight, false).transpose(1, 2), g.top, g.left, g.out_height, g.out_width);
}

}  // namespace warmstart
