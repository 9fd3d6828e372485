// The kernels as differentiable functions on libtorch's tensors: a depthwise convolution; and batch normalization with what
// follows it, an activation, a residual or a gate, which keeps only the convolution's output for the backward pass.
#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "blocks.hpp"
#include "images.hpp"
#include "kernels.hpp"

namespace warmstart {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

namespace {

// Sums are split into at most so many pieces, or one for each image if there are more images. The count never depends on the number
// of threads, so the bits do not either.
constexpr int64_t PIECES = 32;
// Elements of a piece at least, so that starting it costs little.
constexpr int64_t MIN_PIECE_ELEMENTS = 16384;

// An output of at least so many bytes is written past the caches.
constexpr int64_t STREAMED_BYTES = int64_t{16} << 20;

struct RowRange {
  int64_t image, begin, end;
};

// Rows of pixels in pieces, none of which crosses from one image to the next if `by_image`.
std::vector<RowRange> pieces(int64_t images, int64_t area, int64_t channels, bool by_image) {
  const int64_t outer = by_image ? images : 1, rows = by_image ? area : images * area;
  int64_t count = std::max<int64_t>(1, std::min({by_image ? PIECES / std::max<int64_t>(images, 1) : PIECES, rows * channels / MIN_PIECE_ELEMENTS, rows}));
  std::vector<RowRange> out;
  for (int64_t i = 0; i < outer; i++) {
    for (int64_t k = 0; k < count; k++) out.push_back({i, i * area + rows * k / count, i * area + rows * (k + 1) / count});
  }
  return out;
}

// Sums that pieces add up on their own, each in its own row of `size` numbers.
class Sums {
 public:
  Sums(int64_t pieces, int64_t size) : pieces_(pieces), size_(size), numbers_(new double[pieces * size]) {}

  // The row of a piece, with zeros. Each piece asks once, on its own thread.
  double *begin(int64_t piece) {
    double *row = numbers_.get() + piece * size_;
    std::fill_n(row, size_, 0.0);
    return row;
  }

  const double *row(int64_t piece) const { return numbers_.get() + piece * size_; }

  // The sum of the rows, added in their order.
  std::vector<double> total() const {
    std::vector<double> out(size_, 0.0);
    parallel((size_ + COLUMNS - 1) / COLUMNS, [&](int64_t i) {
      const int64_t begin = i * COLUMNS, end = std::min(size_, begin + COLUMNS);
      for (int64_t piece = 0; piece < pieces_; piece++) {
        const double *from = row(piece);
        for (int64_t c = begin; c < end; c++) out[c] += from[c];
      }
    });
    return out;
  }

 private:
  // Columns that one thread adds up.
  static constexpr int64_t COLUMNS = 4096;
  int64_t pieces_, size_;
  std::unique_ptr<double[]> numbers_;
};

// Of an output that large nothing is left in the caches when the next layer reads it.
bool larger_than_caches(const Shape &s) { return s.rows() * s.channels * static_cast<int64_t>(sizeof(float)) >= STREAMED_BYTES; }

at::Tensor floats(const std::vector<double> &values) {
  auto out = at::empty({static_cast<int64_t>(values.size())}, at::kFloat);
  std::copy(values.begin(), values.end(), out.data_ptr<float>());
  return out;
}

// Mean and one over the standard deviation of each channel, and the factor and offset that normalization comes to.
struct Statistics {
  at::Tensor mean, inverse, scale, shift;
};

Statistics finish(const std::vector<double> &mean, const std::vector<double> &variance, const BatchNorm &norm) {
  const int64_t channels = norm.weight.numel();
  Statistics out{floats(mean), at::empty({channels}, at::kFloat), at::empty({channels}, at::kFloat), at::empty({channels}, at::kFloat)};
  float *inverse = out.inverse.data_ptr<float>(), *scale = out.scale.data_ptr<float>(), *shift = out.shift.data_ptr<float>();
  for (int64_t c = 0; c < channels; c++) {
    const double one_over = 1.0 / std::sqrt(variance[c] + norm.epsilon);
    inverse[c] = one_over;
    scale[c] = data(norm.weight)[c] * one_over;
    shift[c] = data(norm.bias)[c] - mean[c] * data(norm.weight)[c] * one_over;
  }
  return out;
}

// Those of the batch, which also move the running ones.
Statistics of_batch(const at::Tensor &x, const BatchNorm &norm) {
  const Shape s(x);
  const auto parts = pieces(s.images, s.area(), s.channels, false);
  Sums sums(parts.size(), 2 * s.channels);
  const float *from = data(x);
  parallel(parts.size(), [&](int64_t i) {
    double *sum = sums.begin(i);
    kernels().moments(s.channels, from, from + parts[i].begin * s.channels, parts[i].end - parts[i].begin, sum, sum + s.channels);
  });
  const auto sum = sums.total();
  std::vector<double> mean(s.channels), variance(s.channels);
  const double count = s.rows();
  float *kept_mean = norm.running_mean.data_ptr<float>(), *kept_var = norm.running_var.data_ptr<float>();
  for (int64_t c = 0; c < s.channels; c++) {
    const double away = sum[c] / count;
    mean[c] = from[c] + away;
    variance[c] = std::max(0.0, sum[s.channels + c] / count - away * away);
    kept_mean[c] = (1 - norm.momentum) * kept_mean[c] + norm.momentum * mean[c];
    kept_var[c] = (1 - norm.momentum) * kept_var[c] + norm.momentum * variance[c] * count / (count - 1);
  }
  norm.running_mean.unsafeGetTensorImpl()->bump_version();
  norm.running_var.unsafeGetTensorImpl()->bump_version();
  return finish(mean, variance, norm);
}

Statistics stored(const BatchNorm &norm) {
  const float *mean = data(norm.running_mean), *variance = data(norm.running_var);
  const int64_t channels = norm.weight.numel();
  return finish({mean, mean + channels}, {variance, variance + channels}, norm);
}

Statistics statistics(const at::Tensor &x, const BatchNorm &norm) { return norm.batch_statistics ? of_batch(x, norm) : stored(norm); }

// The gradients of a batch normalization, given the sums of the gradient behind it and of its product with (x - mean).
// Behind the sums, the gradient of x is a * gradient + b * x + c; all are [C].
struct NormGradients {
  at::Tensor weight, bias, a, b, c;
};

NormGradients norm_gradients(const std::vector<double> &sums, const Statistics &stats, double count, bool batch_statistics) {
  const int64_t channels = stats.mean.numel();
  const auto make = [&] { return at::empty({channels}, at::kFloat); };
  NormGradients out{make(), make(), stats.scale, make(), make()};
  for (int64_t c = 0; c < channels; c++) {
    const double inverse = data(stats.inverse)[c], scale = data(stats.scale)[c], mean = data(stats.mean)[c];
    const double weight = sums[channels + c] * inverse;
    const double b = batch_statistics ? -scale * weight * inverse / count : 0.0;
    out.weight.data_ptr<float>()[c] = weight;
    out.bias.data_ptr<float>()[c] = sums[c];
    out.b.data_ptr<float>()[c] = b;
    out.c.data_ptr<float>()[c] = batch_statistics ? -scale * sums[c] / count - b * mean : 0.0;
  }
  return out;
}

// Writes activation(x * scale + shift + residual) to `y`, which may be `x` itself.
void write(const Statistics &stats, Activation activation, const at::Tensor &x, const at::Tensor &residual, const at::Tensor &y) {
  const Shape s(x);
  const Normalized n{activation, s.channels, data(stats.scale), data(stats.shift), nullptr, larger_than_caches(s)};
  const float *from = data(x), *other = data(residual);
  float *to = y.data_ptr<float>();
  const auto parts = pieces(s.images, s.area(), s.channels, false);
  parallel(parts.size(), [&](int64_t i) {
    const int64_t at = parts[i].begin * s.channels;
    kernels().forward(n, from + at, other ? other + at : nullptr, parts[i].end - parts[i].begin, to + at, nullptr);
  });
}

struct Norm : Function<Norm> {
  static at::Tensor forward(AutogradContext *context, const at::Tensor &x, const BatchNorm &norm, const at::Tensor &weight, const at::Tensor &bias,
                            const std::optional<at::Tensor> &added, Activation activation) {
    const auto residual = added.value_or(at::Tensor());
    const auto stats = statistics(x, norm);
    auto y = at::empty_like(x);
    write(stats, activation, x, residual, y);
    const bool needs_output = residual.defined() && activation != Activation::None;
    context->save_for_backward({x, needs_output ? y : at::Tensor(), stats.mean, stats.inverse, stats.scale, stats.shift});
    context->saved_data["activation"] = static_cast<int64_t>(activation);
    context->saved_data["batch_statistics"] = norm.batch_statistics;
    context->saved_data["residual"] = residual.defined();
    return y;
  }

  static variable_list backward(AutogradContext *context, variable_list grads) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &y = saved[1];
    const Statistics stats{saved[2], saved[3], saved[4], saved[5]};
    const bool batch_statistics = context->saved_data["batch_statistics"].toBool(), residual = context->saved_data["residual"].toBool();
    const auto kind = static_cast<Activation>(context->saved_data["activation"].toInt());
    const Shape s(x);
    const auto grad = channels_last(grads[0]);
    const Normalized n{kind, s.channels, data(stats.scale), data(stats.shift), nullptr, larger_than_caches(s)};
    const auto parts = pieces(s.images, s.area(), s.channels, false);
    Sums sums(parts.size(), 2 * s.channels);
    const float *from = data(x), *output = data(y), *back = data(grad);
    parallel(parts.size(), [&](int64_t i) {
      const int64_t at = parts[i].begin * s.channels;
      double *sum = sums.begin(i);
      kernels().reduce(n, from + at, output ? output + at : nullptr, back + at, data(stats.mean), parts[i].end - parts[i].begin, sum,
                       sum + s.channels);
    });
    const auto f = norm_gradients(sums.total(), stats, s.rows(), batch_statistics);
    auto grad_x = at::empty_like(x);
    // Without an activation the residual's gradient is the very one that came.
    auto grad_residual = !residual ? at::Tensor() : output ? at::empty_like(x) : grad;
    float *to = grad_x.data_ptr<float>(), *other = output ? grad_residual.data_ptr<float>() : nullptr;
    parallel(parts.size(), [&](int64_t i) {
      const int64_t at = parts[i].begin * s.channels;
      kernels().backward(n, from + at, output ? output + at : nullptr, back + at, nullptr, data(f.a), data(f.b), data(f.c),
                         parts[i].end - parts[i].begin, to + at, other ? other + at : nullptr);
    });
    return {grad_x, {}, f.weight, f.bias, grad_residual, {}};
  }
};

at::Tensor activated(const at::Tensor &x, Activation kind) { return kind == Activation::Silu ? at::silu(x) : at::relu(x); }

// What the pieces of each image come to, times `factor`, as [N, C].
at::Tensor by_image(const std::vector<RowRange> &parts, const Sums &sums, const Shape &s, double factor) {
  std::vector<double> out(s.images * s.channels, 0.0);
  for (size_t i = 0; i < parts.size(); i++) {
    const double *from = sums.row(i);
    double *to = out.data() + parts[i].image * s.channels;
    for (int64_t c = 0; c < s.channels; c++) to[c] += from[c];
  }
  for (auto &value : out) value *= factor;
  return floats(out).view({s.images, s.channels});
}

// The sums of the gradient before the activation, and of that times (x - mean), of those that `reduce_gated` leaves. The gradient behind
// the activation is grad * gate + pooled, whose factors are the same in all pixels of an image.
std::vector<double> behind_gate(const std::vector<RowRange> &parts, const Sums &sums, const at::Tensor &gate, const at::Tensor &pooled) {
  const int64_t channels = gate.size(1);
  std::vector<double> out(2 * channels, 0.0);
  for (size_t i = 0; i < parts.size(); i++) {
    const double *from = sums.row(i);
    const float *factor = data(gate) + parts[i].image * channels, *offset = data(pooled) + parts[i].image * channels;
    for (int64_t c = 0; c < channels; c++) {
      out[c] += factor[c] * from[channels + c] + offset[c] * from[2 * channels + c];
      out[channels + c] += factor[c] * from[3 * channels + c] + offset[c] * from[4 * channels + c];
    }
  }
  return out;
}

// What the gate was made of, each [N, channels].
struct Gated {
  at::Tensor pooled, before, hidden, gate;
};

// Writes activation(x * scale + shift) times its gate to `y`, which may be `x` itself.
Gated write_gated(const Statistics &stats, Activation activation, const Gate &gate, const at::Tensor &x, const at::Tensor &y) {
  const Shape s(x);
  const Normalized n{activation, s.channels, data(stats.scale), data(stats.shift), nullptr, larger_than_caches(s)};
  const auto parts = pieces(s.images, s.area(), s.channels, true);
  Sums sums(parts.size(), s.channels);
  const float *from = data(x);
  parallel(parts.size(), [&](int64_t i) {
    kernels().forward(n, from + parts[i].begin * s.channels, nullptr, parts[i].end - parts[i].begin, nullptr, sums.begin(i));
  });
  Gated out;
  out.pooled = by_image(parts, sums, s, 1.0 / s.area());
  out.before = at::addmm(gate.reduce_bias, out.pooled, gate.reduce.flatten(1).t());
  out.hidden = activated(out.before, gate.activation);
  const auto logits = at::addmm(gate.expand_bias, out.hidden, gate.expand.flatten(1).t());
  out.gate = (gate.hard ? at::hardsigmoid(logits) : at::sigmoid(logits)).contiguous();
  float *to = y.data_ptr<float>();
  parallel(parts.size(), [&](int64_t i) {
    Normalized own = n;
    own.gate = data(out.gate) + parts[i].image * s.channels;
    const int64_t at = parts[i].begin * s.channels;
    kernels().forward(own, from + at, nullptr, parts[i].end - parts[i].begin, to + at, nullptr);
  });
  return out;
}

// Function::apply tracks only tensors that are passed directly, so the parameters within norm and gate are passed again.
struct GatedNorm : Function<GatedNorm> {
  static at::Tensor forward(AutogradContext *context, const at::Tensor &x, const BatchNorm &norm, const Gate &gate, const at::Tensor &weight,
                            const at::Tensor &bias, const at::Tensor &reduce, const at::Tensor &reduce_bias, const at::Tensor &expand,
                            const at::Tensor &expand_bias, Activation activation) {
    const auto stats = statistics(x, norm);
    auto y = at::empty_like(x);
    const auto [pooled, before, hidden, gates] = write_gated(stats, activation, gate, x, y);
    context->save_for_backward({x, stats.mean, stats.inverse, stats.scale, stats.shift, pooled, before, hidden, gates, reduce, expand});
    context->saved_data["activation"] = static_cast<int64_t>(activation);
    context->saved_data["hidden_activation"] = static_cast<int64_t>(gate.activation);
    context->saved_data["hard"] = gate.hard;
    context->saved_data["batch_statistics"] = norm.batch_statistics;
    return y;
  }

  static variable_list backward(AutogradContext *context, variable_list grads) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &pooled = saved[5], &before = saved[6], &hidden = saved[7], &gate = saved[8],
                     &reduce = saved[9], &expand = saved[10];
    const Statistics stats{saved[1], saved[2], saved[3], saved[4]};
    const Shape s(x);
    const auto grad = channels_last(grads[0]);
    const float *from = data(x), *back = data(grad);
    const auto hidden_activation = static_cast<Activation>(context->saved_data["hidden_activation"].toInt());
    Normalized n{static_cast<Activation>(context->saved_data["activation"].toInt()), s.channels, data(stats.scale), data(stats.shift), nullptr, larger_than_caches(s)};
    const auto parts = pieces(s.images, s.area(), s.channels, true);
    Sums sums(parts.size(), 5 * s.channels);
    parallel(parts.size(), [&](int64_t i) {
      const int64_t at = parts[i].begin * s.channels;
      kernels().reduce_gated(n, from + at, back + at, data(stats.mean), parts[i].end - parts[i].begin, sums.begin(i));
    });
    const auto grad_gate = by_image(parts, sums, s, 1.0);
    const auto grad_logits = context->saved_data["hard"].toBool() ? grad_gate * gate.gt(0).logical_and(gate.lt(1)) / 6 : grad_gate * gate * (1 - gate);
    const auto grad_hidden = grad_logits.mm(expand.flatten(1));
    const auto grad_before = hidden_activation == Activation::Silu ? at::silu_backward(grad_hidden, before) : grad_hidden * before.gt(0);
    const auto grad_pooled = (grad_before.mm(reduce.flatten(1)) / s.area()).contiguous();

    const auto of_piece = [&](int64_t i) {
      Normalized own = n;
      own.gate = data(gate) + parts[i].image * s.channels;
      return own;
    };
    const auto total = behind_gate(parts, sums, gate, grad_pooled);
    const auto f = norm_gradients(total, stats, s.rows(), context->saved_data["batch_statistics"].toBool());
    auto grad_x = at::empty_like(x);
    float *to = grad_x.data_ptr<float>();
    parallel(parts.size(), [&](int64_t i) {
      const int64_t at = parts[i].begin * s.channels;
      kernels().backward(of_piece(i), from + at, nullptr, back + at, data(grad_pooled) + parts[i].image * s.channels, data(f.a), data(f.b),
                         data(f.c), parts[i].end - parts[i].begin, to + at, nullptr);
    });
    const auto like = [](const at::Tensor &grad, const at::Tensor &weight) { return grad.view_as(weight); };
    return {grad_x, {}, {}, f.weight, f.bias,
            like(grad_before.t().mm(pooled), saved[9]), grad_before.sum(0),
            like(grad_logits.t().mm(hidden), saved[10]), grad_logits.sum(0), {}};
  }
};

// Weight [C, 1, K, K] as [K, K, C].
at::Tensor by_place(const at::Tensor &weight) { return weight.squeeze(1).permute({1, 2, 0}).contiguous(); }

// The convolution, and, unless `stats` is null, normalization and activation of each row while it is in the cache.
at::Tensor convolve(const at::Tensor &x, const at::Tensor &weight, const Geometry &g, const Statistics *stats, Activation activation) {
  const Shape s(x);
  const Depthwise d{s.channels, s.height, s.width, g.out_height, g.out_width, weight.size(2), g.stride, g.top, g.left};
  const auto places = by_place(weight);
  auto y = at::empty({s.images, s.channels, g.out_height, g.out_width}, x.options().memory_format(at::MemoryFormat::ChannelsLast));
  float *to = y.data_ptr<float>();
  const int64_t rows = s.images * g.out_height, tasks = std::max<int64_t>(1, std::min(rows, rows * g.out_width * s.channels / MIN_PIECE_ELEMENTS));
  parallel(tasks, [&](int64_t i) {
    for (int64_t row = rows * i / tasks; row < rows * (i + 1) / tasks; row++) {
      const int64_t image = row / g.out_height;
      float *out = to + row * g.out_width * s.channels;
      kernels().depthwise(d, data(x) + image * s.area() * s.channels, data(places), row % g.out_height, out);
      if (stats) {
        const Normalized n{activation, s.channels, data(stats->scale), data(stats->shift), nullptr, false};
        kernels().forward(n, out, nullptr, g.out_width, out, nullptr);
      }
    }
  });
  return y;
}

struct DepthwiseConvolution : Function<DepthwiseConvolution> {
  static at::Tensor forward(AutogradContext *context, const at::Tensor &x, const at::Tensor &weight, const Geometry &g) {
    context->save_for_backward({x, weight});
    for (const auto &[name, value] : {std::pair{"stride", g.stride}, {"top", g.top}, {"left", g.left}}) context->saved_data[name] = value;
    return convolve(x, weight, g, nullptr, Activation::None);
  }

  static variable_list backward(AutogradContext *context, variable_list grads) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1];
    const auto grad = channels_last(grads[0]);
    const auto number = [&](const char *name) { return context->saved_data[name].toInt(); };
    const Shape s(x), o(grad);
    const Depthwise d{s.channels, s.height, s.width, o.height, o.width, weight.size(2), number("stride"), number("top"), number("left")};
    const auto places = by_place(weight);
    const bool wants_input = context->needs_input_grad(0), wants_weight = context->needs_input_grad(1);
    auto grad_x = wants_input ? at::empty_like(x) : at::Tensor();
    float *to = wants_input ? grad_x.data_ptr<float>() : nullptr;
    // Groups of lines that fit into the cache: the weight's gradient walks over one for each of the kernel's rows.
    const int64_t lines = std::max<int64_t>(1, std::min(o.height, 65536 / (o.width * s.channels)));
    const int64_t groups = (o.height + lines - 1) / lines, all = s.images * groups, tasks = std::min(PIECES, all);
    const int64_t size = d.kernel * d.kernel * s.channels;
    Sums sums(wants_weight ? tasks : 0, size);
    parallel(tasks, [&](int64_t i) {
      std::vector<float> part(wants_weight ? size : 0);
      double *sum = wants_weight ? sums.begin(i) : nullptr;
      for (int64_t task = all * i / tasks; task < all * (i + 1) / tasks; task++) {
        const int64_t image = task / groups, group = task % groups, begin = group * lines, end = std::min(o.height, begin + lines);
        const float *pixels = data(x) + image * s.area() * s.channels, *back = data(grad) + image * o.area() * s.channels;
        if (wants_weight) {
          std::fill(part.begin(), part.end(), 0.0f);
          kernels().depthwise_weight(d, pixels, back, begin, end, part.data());
          for (int64_t k = 0; k < size; k++) sum[k] += part[k];
        }
        if (wants_input) {
          for (int64_t row = s.height * group / groups; row < s.height * (group + 1) / groups; row++) {
            kernels().depthwise_input(d, back, data(places), row, to + (image * s.area() + row * s.width) * s.channels);
          }
        }
      }
    });
    at::Tensor grad_weight;
    if (wants_weight) {
      grad_weight = floats(sums.total()).view({d.kernel, d.kernel, s.channels}).permute({2, 0, 1}).unsqueeze(1);
      grad_weight = at::empty_like(weight).copy_(grad_weight);
    }
    return {grad_x, grad_weight, {}};
  }
};

}  // namespace

at::Tensor normalize(const at::Tensor &x, const BatchNorm &norm, const at::Tensor &residual, Activation activation) {
  TORCH_CHECK(!residual.defined() || activation == Activation::None || activation == Activation::Relu || activation == Activation::Relu6,
              "a sum's activation must show in what comes out whether it was flat");
  const auto added = residual.defined() ? std::optional(channels_last(residual)) : std::nullopt;
  if (at::GradMode::is_enabled()) return Norm::apply(channels_last(x), norm, norm.weight, norm.bias, added, activation);
  const auto y = channels_last(x);
  write(statistics(y, norm), activation, y, added.value_or(at::Tensor()), y);
  return y;
}

at::Tensor normalize_gated(const at::Tensor &x, const BatchNorm &norm, const Gate &gate, Activation activation) {
  TORCH_CHECK(gate.activation == Activation::Relu || gate.activation == Activation::Silu, "squeeze and excitation takes ReLU or SiLU");
  if (at::GradMode::is_enabled()) {
    return GatedNorm::apply(channels_last(x), norm, gate, norm.weight, norm.bias, gate.reduce, gate.reduce_bias, gate.expand, gate.expand_bias,
                            activation);
  }
  const auto y = channels_last(x);
  write_gated(statistics(y, norm), activation, gate, y, y);
  return y;
}

at::Tensor depthwise(const at::Tensor &x, const at::Tensor &weight, const Geometry &geometry) {
  return DepthwiseConvolution::apply(channels_last(x), weight, geometry);
}

at::Tensor depthwise_normalized(const at::Tensor &x, const at::Tensor &weight, const Geometry &geometry, const BatchNorm &norm,
                                Activation activation) {
  const auto stats = stored(norm);
  return convolve(channels_last(x), weight, geometry, &stats, activation);
}

at::Tensor convolve_activated(const at::Tensor &x, const at::Tensor &weight, const at::Tensor &bias, int64_t stride, int64_t padding,
                              int64_t groups, Activation activation) {
  static const auto operation = c10::Dispatcher::singleton().findSchemaOrThrow("mkldnn::_convolution_pointwise", "");
  static const char *const names[] = {"none", "relu", "hardtanh", "swish", "hardswish"};
  c10::List<std::optional<at::Scalar>> limits;
  if (activation == Activation::Relu6) limits = {std::optional<at::Scalar>(0.0), std::optional<at::Scalar>(6.0)};
  torch::jit::Stack stack;
  for (c10::IValue value : {c10::IValue(x), c10::IValue(weight), c10::IValue(bias), c10::IValue(std::vector<int64_t>{padding, padding}),
                            c10::IValue(std::vector<int64_t>{stride, stride}), c10::IValue(std::vector<int64_t>{1, 1}), c10::IValue(groups),
                            c10::IValue(names[static_cast<int>(activation)]), c10::IValue(limits), c10::IValue()}) {
    stack.push_back(std::move(value));
  }
  operation.callBoxed(stack);
  return stack.at(0).toTensor();
}

}  // namespace warmstart
