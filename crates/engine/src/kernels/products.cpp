// Convolutions of few pixels as matrix products. oneDNN brings the weights into an order of its own in each pass. Where there are many
// weights and few pixels, that takes longer than the convolution.
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

// The part of the image under the kernel, a row for each output pixel. It has no columns for the kernel's places that never meet a pixel
// but only padding.
class Patches {
 public:
  Patches(const at::Tensor &x, int64_t kernel, const Geometry &geometry) : in_(x), kernel_(kernel), g_(geometry) {
    for (int64_t y = 0; y < kernel; y++) {
      for (int64_t x = 0; x < kernel; x++) {
        if (meets(y, g_.top, in_.height, g_.out_height) && meets(x, g_.left, in_.width, g_.out_width)) places_.push_back(y * kernel + x);
      }
    }
  }

  // [rows, places * C]
  at::Tensor gather(const at::Tensor &x) const {
    if (is_the_image()) return x.permute({0, 2, 3, 1}).reshape({in_.rows(), in_.channels});
    auto out = at::empty({rows(), columns()}, x.options());
    const float *from = data(x);
    float *to = out.data_ptr<float>();
    each_place([&](int64_t pixel, int64_t patch) {
      float *target = to + patch * in_.channels;
      if (pixel < 0) {
        std::fill_n(target, in_.channels, 0.0f);
      } else {
        std::copy_n(from + pixel * in_.channels, in_.channels, target);
      }
    });
    return out;
  }

  // The gradient of the image, of that of its patches.
  at::Tensor scatter(const at::Tensor &patches) const {
    if (is_the_image()) return patches.view({in_.images, in_.height, in_.width, in_.channels}).permute({0, 3, 1, 2});
    auto out = at::zeros({in_.images, in_.height, in_.width, in_.channels}, patches.options());
    const float *from = data(patches);
    float *to = out.data_ptr<float>();
    each_place([&](int64_t pixel, int64_t patch) {
      if (pixel < 0) return;
      const float *source = from + patch * in_.channels;
      float *target = to + pixel * in_.channels;
      for (int64_t c = 0; c < in_.channels; c++) target[c] += source[c];
    });
    return out.permute({0, 3, 1, 2});
  }

  // [O, places * C], of [O, C, K, K]
  at::Tensor weights(const at::Tensor &weight) const {
    const auto all = weight.permute({0, 2, 3, 1}).reshape({weight.size(0), kernel_ * kernel_, in_.channels});
    return (has_all_places() ? all : all.index_select(1, indices())).flatten(1);
  }

  // The gradient of `weight`, of that of `weights`.
  at::Tensor weight_gradient(const at::Tensor &grad, const at::Tensor &weight) const {
    const int64_t outputs = weight.size(0);
    auto all = grad.view({outputs, static_cast<int64_t>(places_.size()), in_.channels});
    if (!has_all_places()) all = at::zeros({outputs, kernel_ * kernel_, in_.channels}, grad.options()).index_copy_(1, indices(), all);
    const auto out = all.view({outputs, kernel_, kernel_, in_.channels}).permute({0, 3, 1, 2});
    // Autograd keeps a gradient in the order of its weight without a copy.
    return out.strides() == weight.strides() ? out : at::empty_like(weight).copy_(out);
  }

  // [rows, O] as [N, O, H, W]
  at::Tensor image(const at::Tensor &y) const { return y.view({in_.images, g_.out_height, g_.out_width, y.size(1)}).permute({0, 3, 1, 2}); }

 private:
  bool meets(int64_t place, int64_t before, int64_t size, int64_t outputs) const {
    for (int64_t i = 0; i < outputs; i++) {
      const int64_t at = i * g_.stride + place - before;
      if (at >= 0 && at < size) return true;
    }
    return false;
  }

  // Calls `body` with each pixel and the number of its place in the patches, or with -1 where the place lies in the padding. Each thread
  // has images of its own.
  template <typename Body>
  void each_place(const Body &body) const {
    const int64_t places = places_.size();
    parallel(in_.images, [&](int64_t image) {
      int64_t patch = image * g_.out_height * g_.out_width * places;
      for (int64_t row = 0; row < g_.out_height; row++) {
        for (int64_t column = 0; column < g_.out_width; column++) {
          for (const int64_t place : places_) {
            const int64_t y = row * g_.stride + place / kernel_ - g_.top, x = column * g_.stride + place % kernel_ - g_.left;
            const bool inside = y >= 0 && y < in_.height && x >= 0 && x < in_.width;
            body(inside ? (image * in_.height + y) * in_.width + x : -1, patch++);
          }
        }
      }
    });
  }

  bool is_the_image() const { return kernel_ == 1 && g_.stride == 1 && g_.out_height == in_.height && g_.out_width == in_.width; }
  bool has_all_places() const { return static_cast<int64_t>(places_.size()) == kernel_ * kernel_; }
  int64_t rows() const { return in_.images * g_.out_height * g_.out_width; }
  int64_t columns() const { return static_cast<int64_t>(places_.size()) * in_.channels; }
  at::Tensor indices() const { return at::tensor(places_, at::kLong); }

  Shape in_;
  int64_t kernel_;
  Geometry g_;
  std::vector<int64_t> places_;
};

struct ProductConvolution : Function<ProductConvolution> {
  static at::Tensor forward(AutogradContext *context, const at::Tensor &x, const at::Tensor &weight, const Geometry &g) {
    context->save_for_backward({x, weight});
    const std::vector<int64_t> numbers{g.stride, g.top, g.left, g.out_height, g.out_width};
    context->saved_data["geometry"] = numbers;
    const Patches patches(x, weight.size(2), g);
    return patches.image(patches.gather(x).mm(patches.weights(weight).t()));
  }

  static variable_list backward(AutogradContext *context, variable_list grads) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1];
    const auto numbers = context->saved_data["geometry"].toIntVector();
    const Patches patches(x, weight.size(2), {numbers[0], numbers[1], numbers[2], numbers[3], numbers[4]});
    const auto grad = channels_last(grads[0]).permute({0, 2, 3, 1}).reshape({-1, weight.size(0)});
    at::Tensor grad_x, grad_weight;
    if (context->needs_input_grad(0)) grad_x = patches.scatter(grad.mm(patches.weights(weight)));
    if (context->needs_input_grad(1)) grad_weight = patches.weight_gradient(grad.t().mm(patches.gather(x)), weight);
    return {grad_x, grad_weight, {}};
  }
};

}  // namespace

at::Tensor convolve_by_product(const at::Tensor &x, const at::Tensor &weight, const at::Tensor &bias, const Geometry &geometry) {
  const auto images = channels_last(x);
  if (!bias.defined()) return ProductConvolution::apply(images, weight, geometry);
  const at::NoGradGuard no_grad;
  const Patches patches(images, weight.size(2), geometry);
  return patches.image(at::addmm(bias, patches.gather(images), patches.weights(weight).t()));
}

}  // namespace warmstart
