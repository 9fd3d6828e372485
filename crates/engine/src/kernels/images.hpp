// What the functions on libtorch's tensors share: images [N, C, H, W] in channels-last order, and libtorch's threads.
#pragma once

#include <ATen/Functions.h>
#include <ATen/TensorIterator.h>
#include <ATen/core/Tensor.h>

namespace warmstart {

// Calls `body` with each number below `tasks`, on libtorch's threads. The inline at::parallel_for would need our own OpenMP, whose second
// pool of threads would compete for the cores; the loop of a TensorIterator is compiled within libtorch.
template <typename Body>
void parallel(int64_t tasks, const Body &body) {
  if (tasks == 1) return body(0);
  auto index_bytes = at::empty({tasks}, at::kByte);
  const char *first = static_cast<const char *>(index_bytes.data_ptr());
  auto iterator = at::TensorIteratorConfig().check_all_same_dtype(false).resize_outputs(false).declare_static_shape({tasks}).add_output(index_bytes).build();
  iterator.for_each(
      [&](char **pointers, const int64_t *strides, int64_t inner, int64_t outer) {
        for (int64_t j = 0; j < outer; j++) {
          for (int64_t i = 0; i < inner; i++) body(pointers[0] + j * strides[1] + i * strides[0] - first);
        }
      },
      /*grain_size=*/1);
}

struct Shape {
  int64_t images, channels, height, width;
  explicit Shape(const at::Tensor &x) : images(x.size(0)), channels(x.size(1)), height(x.size(2)), width(x.size(3)) {}
  int64_t area() const { return height * width; }
  int64_t rows() const { return images * area(); }
};

inline at::Tensor channels_last(const at::Tensor &x) { return x.contiguous(at::MemoryFormat::ChannelsLast); }

inline const float *data(const at::Tensor &x) { return x.defined() ? x.const_data_ptr<float>() : nullptr; }

}  // namespace warmstart
