// What libtorch has and tch does not expose. A function that can fail is guarded: a C++ exception becomes a returned
// message, which the caller owns and gives back to `ws_free`; success is a null pointer. Tensors are tch's own `at::Tensor *`.

#include <ATen/Context.h>
#include <ATen/DeviceAccelerator.h>
#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <ATen/autocast_mode.h>
#include <c10/core/GradMode.h>
#include <dlfcn.h>
#include <torch/version.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <vector>

#include "kernels/blocks.hpp"

namespace {

template <typename Body>
char *guarded(Body body) {
  try {
    body();
    return nullptr;
  } catch (const c10::Error &error) {
    return strdup(error.what_without_backtrace());
  } catch (const std::exception &error) {
    return strdup(error.what());
  } catch (...) {
    return strdup("unknown C++ exception");
  }
}

std::vector<at::Tensor> list(at::Tensor *const *tensors, size_t count) {
  std::vector<at::Tensor> out;
  out.reserve(count);
  for (size_t i = 0; i < count; i++) out.push_back(*tensors[i]);
  return out;
}

// Whether two tensors of one shape have their numbers in the same order in memory.
bool same_order(const at::Tensor &a, const at::Tensor &b) {
  for (int64_t i = 0; i < a.dim(); i++) {
    if (a.size(i) > 1 && a.stride(i) != b.stride(i)) return false;
  }
  return true;
}

// Gradients of `params`. The fused kernels walk both through their memory order, so a gradient laid out otherwise
// than its parameter is brought into line first. A 1x1 convolution's differs in name only.
std::vector<at::Tensor> gradients(const std::vector<at::Tensor> &params) {
  std::vector<at::Tensor> out;
  out.reserve(params.size());
  for (const auto &param : params) {
    const auto &grad = param.grad();
    TORCH_CHECK(grad.defined(), "a trainable parameter of shape ", param.sizes(), " has no gradient");
    if (grad.strides() == param.strides()) {
      out.push_back(grad);
    } else if (same_order(grad, param)) {
      out.push_back(grad.as_strided(param.sizes(), param.strides()));
    } else {
      out.push_back(at::empty_like(param).copy_(grad));
    }
  }
  return out;
}

c10::DeviceType device_type(int cuda) { return cuda ? c10::DeviceType::CUDA : c10::DeviceType::CPU; }

// A batch normalization as it comes from Rust: weight, bias, running mean and running variance.
struct NormArguments {
  at::Tensor *const *tensors;
  int batch_statistics;
  double momentum, epsilon;
};

warmstart::BatchNorm norm(const NormArguments *from) {
  return {*from->tensors[0], *from->tensors[1], *from->tensors[2], *from->tensors[3], from->batch_statistics != 0, from->momentum,
          from->epsilon};
}

}  // namespace

extern "C" {

void ws_free(char *message) { free(message); }

// Copies into channels-last memory order (or shares the tensor where it already is).
char *ws_channels_last(const at::Tensor *tensor, at::Tensor **out) {
  return guarded([&] { *out = new at::Tensor(tensor->contiguous(at::MemoryFormat::ChannelsLast)); });
}

// Switches autocast of one device type on or off and reports what it was. `dtype` is a c10::ScalarType.
char *ws_autocast(int cuda, int enabled, int dtype, int *was_enabled, int *was_dtype) {
  return guarded([&] {
    const auto type = device_type(cuda);
    *was_enabled = at::autocast::is_autocast_enabled(type);
    *was_dtype = static_cast<int>(at::autocast::get_autocast_dtype(type));
    // Leaving drops the casted copies of the weights: the optimizer is about to change the originals.
    if (!enabled) at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(type, enabled != 0);
    at::autocast::set_autocast_dtype(type, static_cast<at::ScalarType>(dtype));
  });
}

// Whether autocast is on for the CPU, in this thread.
int ws_autocast_on_cpu() { return at::autocast::is_autocast_enabled(c10::DeviceType::CPU); }

// Deterministic algorithms where there are any, a warning where there is none. The fast kernels of attention on a GPU are not
// deterministic when only warned of, so products and a softmax take their place.
char *ws_deterministic(int cuda, int on) {
  return guarded([&] {
    auto &context = at::globalContext();
    context.setDeterministicAlgorithms(on != 0, /*warn_only=*/true);
    context.setDeterministicFillUninitializedMemory(false);
    context.setDeterministicCuDNN(on != 0);
    const bool fast_attention = !(cuda && on);
    context.setSDPUseFlash(fast_attention);
    context.setSDPUseMemEfficient(fast_attention);
    context.setSDPUseCuDNN(fast_attention);
  });
}

char *ws_tf32(int on) {
  return guarded([&] {
    at::globalContext().setAllowTF32CuBLAS(on != 0);
    at::globalContext().setAllowTF32CuDNN(on != 0);
  });
}

// Whether oneDNN may round the float32 inputs of convolutions and products to bfloat16.
char *ws_cpu_bfloat16(int on) {
  return guarded([&] {
    const auto precision = on ? at::Float32Precision::BF16 : at::Float32Precision::IEEE;
    for (const auto operation : {at::Float32Op::CONV, at::Float32Op::MATMUL}) {
      at::globalContext().setFloat32Precision(at::Float32Backend::MKLDNN, operation, precision);
    }
  });
}

// Bytes of one CUDA device: free and total as the driver sees them, and the most this process ever held.
char *ws_cuda_memory(int device, uint64_t *free_bytes, uint64_t *total_bytes, uint64_t *peak_bytes) {
  return guarded([&] {
    TORCH_CHECK(at::hasCUDA(), "CUDA is not loaded");
    auto *allocator = at::getDeviceAllocator(c10::DeviceType::CUDA);
    const auto index = static_cast<c10::DeviceIndex>(device);
    const auto [available, total] = allocator->getMemoryInfo(index);
    *free_bytes = available;
    *total_bytes = total;
    *peak_bytes = allocator->getDeviceStats(index).reserved_bytes[0].peak;
  });
}

// One step of Adam (AdamW where `decoupled`) on all parameters at once. `steps` are float scalars that count the steps
// taken; the kernel expects this one to be included.
char *ws_adam(int decoupled, size_t count, at::Tensor *const *params, at::Tensor *const *exp_avgs,
              at::Tensor *const *exp_avg_sqs, at::Tensor *const *steps, double lr, double beta1, double beta2,
              double weight_decay, double eps) {
  return guarded([&] {
    const at::NoGradGuard no_grad;
    const auto p = list(params, count);
    const auto g = gradients(p);
    const auto m = list(exp_avgs, count), v = list(exp_avg_sqs, count), t = list(steps, count);
    if (decoupled) {
      at::_fused_adamw_(p, g, m, v, {}, t, lr, beta1, beta2, weight_decay, eps, /*amsgrad=*/false, /*maximize=*/false);
    } else {
      at::_fused_adam_(p, g, m, v, {}, t, lr, beta1, beta2, weight_decay, eps, /*amsgrad=*/false, /*maximize=*/false);
    }
  });
}

// One step of SGD on all parameters at once; `buffers` is empty where there is no momentum. Buffers start as zeros, so
// the first step needs no case of its own: momentum * 0 + gradient is what PyTorch starts from.
char *ws_sgd(size_t count, at::Tensor *const *params, at::Tensor *const *buffers, size_t buffer_count, double lr,
             double momentum, int nesterov, double weight_decay) {
  return guarded([&] {
    const at::NoGradGuard no_grad;
    const auto p = list(params, count);
    at::_fused_sgd_(p, gradients(p), list(buffers, buffer_count), weight_decay, momentum, lr, /*dampening=*/0.0,
                    nesterov != 0, /*maximize=*/false, /*is_first_step=*/false);
  });
}

// Removes all gradients of `params`, so that the next ones are kept as they come, instead of being added to zeros.
char *ws_remove_gradients(size_t count, at::Tensor *const *params) {
  return guarded([&] {
    for (const auto &param : list(params, count)) param.mutable_grad() = at::Tensor();
  });
}

// The L2 norm over all gradients of `params`; where it exceeds `clip` (> 0), the gradients are scaled down to it. Nothing is read from
// the device, so a GPU is not waited for.
char *ws_gradient_norm(size_t count, at::Tensor *const *params, double clip, at::Tensor **norm) {
  return guarded([&] {
    const at::NoGradGuard no_grad;
    std::vector<at::Tensor> grads;
    for (const auto &param : list(params, count)) {
      if (param.grad().defined()) grads.push_back(param.grad());
    }
    const auto found = grads.empty() ? at::zeros({}) : at::stack(at::_foreach_norm(grads, 2)).norm();
    // A factor of 1 keeps every bit.
    if (clip > 0 && !grads.empty()) at::_foreach_mul_(grads, at::clamp_max(clip / found, 1));
    *norm = new at::Tensor(found);
  });
}

char *ws_normalize(const at::Tensor *x, const NormArguments *arguments, const at::Tensor *residual, int activation, at::Tensor **out) {
  return guarded([&] {
    *out = new at::Tensor(warmstart::normalize(*x, norm(arguments), residual ? *residual : at::Tensor(),
                                               static_cast<warmstart::Activation>(activation)));
  });
}

// `gate` holds weight and bias of the two dense layers.
char *ws_normalize_gated(const at::Tensor *x, const NormArguments *arguments, at::Tensor *const *gate, int gate_activation, int hard,
                         int activation, at::Tensor **out) {
  return guarded([&] {
    const warmstart::Gate squeeze{*gate[0], *gate[1], *gate[2], *gate[3], static_cast<warmstart::Activation>(gate_activation), hard != 0};
    *out = new at::Tensor(
        warmstart::normalize_gated(*x, norm(arguments), squeeze, static_cast<warmstart::Activation>(activation)));
  });
}

// Normalizes by the running statistics and activates, unless `arguments` is null.
char *ws_depthwise(const at::Tensor *x, const at::Tensor *weight, const warmstart::Geometry *geometry, const NormArguments *arguments,
                   int activation, at::Tensor **out) {
  return guarded([&] {
    *out = new at::Tensor(arguments ? warmstart::depthwise_normalized(*x, *weight, *geometry, norm(arguments),
                                                                      static_cast<warmstart::Activation>(activation))
                                    : warmstart::depthwise(*x, *weight, *geometry));
  });
}

char *ws_convolve_by_product(const at::Tensor *x, const at::Tensor *weight, const at::Tensor *bias, const warmstart::Geometry *geometry,
                             at::Tensor **out) {
  return guarded([&] { *out = new at::Tensor(warmstart::convolve_by_product(*x, *weight, bias ? *bias : at::Tensor(), *geometry)); });
}

char *ws_convolve_by_winograd(const at::Tensor *x, const at::Tensor *weight, const warmstart::Geometry *geometry, at::Tensor **out) {
  return guarded([&] { *out = new at::Tensor(warmstart::convolve_by_winograd(*x, *weight, *geometry)); });
}

char *ws_convolve_activated(const at::Tensor *x, const at::Tensor *weight, const at::Tensor *bias, int64_t stride, int64_t padding,
                            int64_t groups, int activation, at::Tensor **out) {
  return guarded([&] {
    *out = new at::Tensor(warmstart::convolve_activated(*x, *weight, *bias, stride, padding, groups,
                                                        static_cast<warmstart::Activation>(activation)));
  });
}

// Loads a library for the whole process, all symbols bound at once.
char *ws_load_library(const char *path) {
  return guarded([&] { TORCH_CHECK(dlopen(path, RTLD_NOW | RTLD_GLOBAL), dlerror()); });
}

// The file that libtorch's CPU half was loaded from; the caller gives it back to `ws_free`.
char *ws_torch_library() {
  Dl_info info;
  const auto address = reinterpret_cast<const void *>(&at::globalContext);
  return dladdr(address, &info) && info.dli_fname ? strdup(info.dli_fname) : nullptr;
}

// The version of libtorch that this was compiled against; the caller gives it back to `ws_free`.
char *ws_torch_version() { return strdup(TORCH_VERSION); }

}  // extern "C"
