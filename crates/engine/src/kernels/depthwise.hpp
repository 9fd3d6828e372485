// Depthwise convolution in channels-last order. Each output pixel is a sum over the kernel of vectors of channels; several
// neighbours are worked out together, so that weights and pixels are loaded once for all of them.
#pragma once

#include "kernels.hpp"
#include "vector.hpp"

namespace {

using warmstart::Depthwise;

// How many neighbours are worked out together.
constexpr int TILE = 4;

struct Span {
  int64_t begin, end;
};

// Which of the kernel's places touch the image, for the output at `at`.
INLINE Span inside(int64_t at, int64_t stride, int64_t before, int64_t kernel, int64_t size) {
  const int64_t first = at * stride - before;
  const int64_t begin = first < 0 ? -first : 0, end = first + kernel > size ? size - first : kernel;
  return {begin, end < begin ? begin : end};
}

// The outputs of a row for which the whole kernel lies within the image's width.
INLINE Span uncut(const Depthwise &d, int64_t kernel, int64_t stride) {
  const int64_t last = d.width - kernel + d.left;
  int64_t begin = (d.left + stride - 1) / stride, end = last < 0 ? 0 : last / stride + 1;
  if (begin > d.out_width) begin = d.out_width;
  if (end > d.out_width) end = d.out_width;
  return {begin, end < begin ? begin : end};
}

// Zeros for KERNEL and STRIDE leave them to the geometry.
template <int KERNEL, int STRIDE>
INLINE void depthwise_row(const Depthwise &d, const float *image, const float *weight, int64_t row, float *out) {
  const int64_t channels = d.channels, kernel = KERNEL ? KERNEL : d.kernel, stride = STRIDE ? STRIDE : d.stride;
  const Span down = inside(row, stride, d.top, kernel, d.height);
  const float *first = image + (row * stride - d.top) * d.width * channels;
  const auto [begin, end] = uncut(d, kernel, stride);
  const auto one = [&](int64_t at) __attribute__((always_inline)) {
    const Span across = inside(at, stride, d.left, kernel, d.width);
    const float *corner = first + (at * stride - d.left) * channels;
    over_channels(channels, [&](int64_t c, auto width) __attribute__((always_inline)) {
      V sum = {};
      for (int64_t i = down.begin; i < down.end; i++) {
        for (int64_t j = across.begin; j < across.end; j++) {
          sum += width.load(corner + (i * d.width + j) * channels + c) * width.load(weight + (i * kernel + j) * channels + c);
        }
      }
      width.store(out + at * channels + c, sum);
    });
  };
  int64_t at = 0;
  for (; at < begin; at++) one(at);
  for (; at + TILE <= end; at += TILE) {
    const float *corner = first + (at * stride - d.left) * channels;
    over_channels(channels, [&](int64_t c, auto width) __attribute__((always_inline)) {
      V sum[TILE] = {};
      for (int64_t i = down.begin; i < down.end; i++) {
        const float *line = corner + i * d.width * channels + c;
        const float *factors = weight + i * kernel * channels + c;
#pragma GCC unroll 7
        for (int64_t j = 0; j < kernel; j++) {
          const V w = width.load(factors + j * channels);
          for (int k = 0; k < TILE; k++) sum[k] += width.load(line + (j + k * stride) * channels) * w;
        }
      }
      for (int k = 0; k < TILE; k++) width.store(out + (at + k) * channels + c, sum[k]);
    });
  }
  for (; at < d.out_width; at++) one(at);
}

void depthwise(const Depthwise &d, const float *image, const float *weight, int64_t row, float *out) {
  if (d.kernel == 3 && d.stride == 1) return depthwise_row<3, 1>(d, image, weight, row, out);
  if (d.kernel == 3 && d.stride == 2) return depthwise_row<3, 2>(d, image, weight, row, out);
  if (d.kernel == 5 && d.stride == 1) return depthwise_row<5, 1>(d, image, weight, row, out);
  if (d.kernel == 5 && d.stride == 2) return depthwise_row<5, 2>(d, image, weight, row, out);
  if (d.kernel == 7 && d.stride == 1) return depthwise_row<7, 1>(d, image, weight, row, out);
  depthwise_row<0, 0>(d, image, weight, row, out);
}

// The outputs that an input pixel at `at` reached: output `begin + k` by the kernel's place `first - k * stride`.
struct Reached {
  int64_t begin, end, first;
};

INLINE Reached reached(int64_t at, int64_t stride, int64_t before, int64_t kernel, int64_t outputs) {
  const int64_t low = at + before - kernel + 1;
  int64_t begin = low <= 0 ? 0 : (low + stride - 1) / stride, end = (at + before) / stride + 1;
  if (end > outputs) end = outputs;
  if (begin > end) begin = end;
  return {begin, end, at + before - begin * stride};
}

template <int KERNEL>
INLINE void input_row_of_stride_one(const Depthwise &d, const float *grad, const float *weight, int64_t row, float *to) {
  const int64_t channels = d.channels;
  const Reached down = reached(row, 1, d.top, KERNEL, d.out_height);
  int64_t at = 0;
  const auto one = [&](int64_t at) __attribute__((always_inline)) {
    const Reached across = reached(at, 1, d.left, KERNEL, d.out_width);
    over_channels(channels, [&](int64_t c, auto width) __attribute__((always_inline)) {
      V sum = {};
      for (int64_t o = down.begin; o < down.end; o++) {
        const float *factors = weight + (down.first - (o - down.begin)) * KERNEL * channels + c;
        for (int64_t p = across.begin; p < across.end; p++) {
          sum += width.load(grad + (o * d.out_width + p) * channels + c) * width.load(factors + (across.first - (p - across.begin)) * channels);
        }
      }
      width.store(to + at * channels + c, sum);
    });
  };
  // All of the kernel's places reach outputs from here to there.
  int64_t begin = KERNEL - 1 - d.left, end = d.out_width - d.left;
  if (begin < 0) begin = 0;
  if (begin > d.width) begin = d.width;
  if (end > d.width) end = d.width;
  for (; at < begin; at++) one(at);
  for (; at + TILE <= end; at += TILE) {
    const int64_t p = at + d.left - KERNEL + 1;
    over_channels(channels, [&](int64_t c, auto width) __attribute__((always_inline)) {
      V sum[TILE] = {};
      for (int64_t o = down.begin; o < down.end; o++) {
        const float *line = grad + (o * d.out_width + p) * channels + c;
        const float *factors = weight + (down.first - (o - down.begin)) * KERNEL * channels + c;
#pragma GCC unroll 7
        for (int64_t j = 0; j < KERNEL; j++) {
          const V w = width.load(factors + (KERNEL - 1 - j) * channels);
          for (int k = 0; k < TILE; k++) sum[k] += width.load(line + (j + k) * channels) * w;
        }
      }
      for (int k = 0; k < TILE; k++) width.store(to + (at + k) * channels + c, sum[k]);
    });
  }
  for (; at < d.width; at++) one(at);
}

INLINE void input_row(const Depthwise &d, const float *grad, const float *weight, int64_t row, float *to) {
  const int64_t channels = d.channels;
  const Reached down = reached(row, d.stride, d.top, d.kernel, d.out_height);
  for (int64_t at = 0; at < d.width; at++) {
    const Reached across = reached(at, d.stride, d.left, d.kernel, d.out_width);
    over_channels(channels, [&](int64_t c, auto width) __attribute__((always_inline)) {
      V sum = {};
      for (int64_t o = down.begin; o < down.end; o++) {
        const float *factors = weight + (down.first - (o - down.begin) * d.stride) * d.kernel * channels + c;
        for (int64_t p = across.begin; p < across.end; p++) {
          sum += width.load(grad + (o * d.out_width + p) * channels + c) *
                 width.load(factors + (across.first - (p - across.begin) * d.stride) * channels);
        }
      }
      width.store(to + at * channels + c, sum);
    });
  }
}

void depthwise_input(const Depthwise &d, const float *grad, const float *weight, int64_t row, float *to) {
  if (d.stride == 1 && d.kernel == 3) return input_row_of_stride_one<3>(d, grad, weight, row, to);
  if (d.stride == 1 && d.kernel == 5) return input_row_of_stride_one<5>(d, grad, weight, row, to);
  if (d.stride == 1 && d.kernel == 7) return input_row_of_stride_one<7>(d, grad, weight, row, to);
  input_row(d, grad, weight, row, to);
}

template <int KERNEL>
INLINE void weight_rows(const Depthwise &d, const float *image, const float *grad, int64_t begin, int64_t end, float *sum) {
  const int64_t channels = d.channels, kernel = KERNEL, stride = d.stride;
  const auto [from, to] = uncut(d, kernel, stride);
  over_channels(channels, [&](int64_t c, auto width) __attribute__((always_inline)) {
    for (int64_t i = 0; i < kernel; i++) {
      V part[KERNEL] = {};
      for (int64_t o = begin; o < end; o++) {
        const int64_t line = o * stride - d.top + i;
        if (line < 0 || line >= d.height) continue;
        const float *pixels = image + (line * d.width - d.left) * channels + c, *back = grad + o * d.out_width * channels + c;
        const auto edge = [&](int64_t p) __attribute__((always_inline)) {
          const Span across = inside(p, stride, d.left, kernel, d.width);
          const V g = width.load(back + p * channels);
#pragma GCC unroll 7
          for (int64_t j = 0; j < kernel; j++) {
            if (j >= across.begin && j < across.end) part[j] += g * width.load(pixels + (p * stride + j) * channels);
          }
        };
        for (int64_t p = 0; p < from; p++) edge(p);
        for (int64_t p = from; p < to; p++) {
          const V g = width.load(back + p * channels);
#pragma GCC unroll 7
          for (int64_t j = 0; j < kernel; j++) part[j] += g * width.load(pixels + (p * stride + j) * channels);
        }
        for (int64_t p = to; p < d.out_width; p++) edge(p);
      }
#pragma GCC unroll 7
      for (int64_t j = 0; j < kernel; j++) {
        float *place = sum + (i * kernel + j) * channels + c;
        width.store(place, width.load(place) + part[j]);
      }
    }
  });
}

void depthwise_weight(const Depthwise &d, const float *image, const float *grad, int64_t begin, int64_t end, float *sum) {
  if (d.kernel == 3) return weight_rows<3>(d, image, grad, begin, end, sum);
  if (d.kernel == 5) return weight_rows<5>(d, image, grad, begin, end, sum);
  weight_rows<7>(d, image, grad, begin, end, sum);
}

}  // namespace
