// Batch normalization with activation, residual and gate: each function is one pass over memory.
#pragma once

#include <type_traits>

#include "activation.hpp"

namespace {

using warmstart::Normalized;

// So many rows are summed in float32 before they enter a sum in float64.
constexpr int64_t BLOCK = 64;

// Room for two sums of every channel; deeper layers than this are refused by the caller.
constexpr int64_t MOST_CHANNELS = 8192;

struct Sums {
  float first[MOST_CHANNELS], second[MOST_CHANNELS];
  void clear(int64_t channels) {
    memset(first, 0, channels * sizeof(float));
    memset(second, 0, channels * sizeof(float));
  }
};

thread_local Sums sums;

INLINE void add_to(int64_t channels, const float *part, double *sum) {
  for (int64_t c = 0; c < channels; c++) sum[c] += part[c];
}

// Four rows at a time, so that a sum is loaded and stored once for four.
template <typename Row>
INLINE void over_rows(int64_t rows, Row row) {
  int64_t r = 0;
  for (; r + 4 <= rows; r += 4) row(r, std::integral_constant<int, 4>{});
  for (; r < rows; r++) row(r, std::integral_constant<int, 1>{});
}

// Whether rows from `to` on can be written past the caches; a null pointer can.
bool can_stream(int64_t channels, const float *to) { return channels % WIDTH == 0 && reinterpret_cast<uintptr_t>(to) % sizeof(V) == 0; }

template <typename Body>
INLINE void with_stream(bool stream, Body body) {
  if (stream) {
    body(std::true_type{});
    finish_streams();
  } else {
    body(std::false_type{});
  }
}

template <bool STREAM, typename Width>
INLINE void put(Width width, float *to, V v) {
  if constexpr (STREAM) {
    width.stream(to, v);
  } else {
    width.store(to, v);
  }
}

void moments(int64_t channels, const float *origin, const float *x, int64_t rows, double *sum, double *squares) {
  for (int64_t begin = 0; begin < rows; begin += BLOCK) {
    const int64_t here = rows - begin < BLOCK ? rows - begin : BLOCK;
    sums.clear(channels);
    over_rows(here, [&](int64_t r, auto count) __attribute__((always_inline)) {
      const float *from = x + (begin + r) * channels;
      over_channels(channels, [&](int64_t c, auto width) __attribute__((always_inline)) {
        V first = width.load(sums.first + c), second = width.load(sums.second + c);
        const V zero = width.load(origin + c);
        for (int k = 0; k < count; k++) {
          const V d = width.load(from + k * channels + c) - zero;
          first += d;
          second += d * d;
        }
        width.store(sums.first + c, first);
        width.store(sums.second + c, second);
      });
    });
    add_to(channels, sums.first, sum);
    add_to(channels, sums.second, squares);
  }
}

template <Activation KIND, bool RESIDUAL, bool GATE, bool SUM, bool STREAM>
INLINE void forward_rows(const Normalized &n, const float *x, const float *residual, int64_t rows, float *y, double *sum) {
  const int64_t channels = n.channels;
  for (int64_t begin = 0; begin < rows; begin += BLOCK) {
    const int64_t here = rows - begin < BLOCK ? rows - begin : BLOCK;
    if (SUM) sums.clear(channels);
    for (int64_t r = begin; r < begin + here; r++) {
      const float *from = x + r * channels, *other = residual + r * channels;
      float *to = y + r * channels;
      over_channels(channels, [&](int64_t c, auto width) __attribute__((always_inline)) {
        V z = width.load(from + c) * width.load(n.scale + c) + width.load(n.shift + c);
        if (RESIDUAL) z += width.load(other + c);
        V out = activate<KIND>(z);
        if (GATE) out *= width.load(n.gate + c);
        if (SUM) width.store(sums.first + c, width.load(sums.first + c) + out);
        if (!SUM) put<STREAM>(width, to + c, out);
      });
    }
    if (SUM) add_to(channels, sums.first, sum);
  }
}

// Either writes y, or, where `sum` is given, only sums it.
void forward(const Normalized &n, const float *x, const float *residual, int64_t rows, float *y, double *sum) {
  with_activation(n.activation, [&](auto kind) __attribute__((always_inline)) {
    if (sum) return forward_rows<kind, false, false, true, false>(n, x, residual, rows, y, sum);
    with_stream(n.stream && x != y && can_stream(n.channels, y), [&](auto stream) __attribute__((always_inline)) {
      if (n.gate) return forward_rows<kind, false, true, false, stream>(n, x, residual, rows, y, sum);
      if (residual) return forward_rows<kind, true, false, false, stream>(n, x, residual, rows, y, sum);
      forward_rows<kind, false, false, false, stream>(n, x, residual, rows, y, sum);
    });
  });
}

// The gradient before the activation.
template <Activation KIND, bool OUTPUT, bool GATE, typename Width>
INLINE V before(const Normalized &n, const float *x, const float *y, const float *grad, const float *pooled, int64_t c, Width width) {
  V back = width.load(grad + c);
  if (GATE) back = back * width.load(n.gate + c) + width.load(pooled + c);
  if (KIND == Activation::None) return back;
  const V z = OUTPUT ? width.load(y + c) : width.load(x + c) * width.load(n.scale + c) + width.load(n.shift + c);
  return derive<KIND>(back, z);
}

template <Activation KIND, bool OUTPUT>
INLINE void reduce_rows(const Normalized &n, const float *x, const float *y, const float *grad, const float *mean, int64_t rows, double *sum,
                        double *product) {
  const int64_t channels = n.channels;
  for (int64_t begin = 0; begin < rows; begin += BLOCK) {
    const int64_t here = rows - begin < BLOCK ? rows - begin : BLOCK;
    sums.clear(channels);
    over_rows(here, [&](int64_t r, auto count) __attribute__((always_inline)) {
      const int64_t at = (begin + r) * channels;
      over_channels(channels, [&](int64_t c, auto width) __attribute__((always_inline)) {
        V first = width.load(sums.first + c), second = width.load(sums.second + c);
        const V middle = width.load(mean + c);
        for (int k = 0; k < count; k++) {
          const int64_t here = at + k * channels;
          const V g = before<KIND, OUTPUT, false>(n, x + here, y + here, grad + here, nullptr, c, width);
          first += g;
          second += g * (width.load(x + here + c) - middle);
        }
        width.store(sums.first + c, first);
        width.store(sums.second + c, second);
      });
    });
    add_to(channels, sums.first, sum);
    add_to(channels, sums.second, product);
  }
}

void reduce(const Normalized &n, const float *x, const float *y, const float *grad, const float *mean, int64_t rows, double *sum,
            double *product) {
  with_activation(n.activation, [&](auto kind) __attribute__((always_inline)) {
    if (y) return reduce_rows<kind, true>(n, x, y, grad, mean, rows, sum, product);
    reduce_rows<kind, false>(n, x, y, grad, mean, rows, sum, product);
  });
}

constexpr int GATED_SUMS = 5;

thread_local float gated_sums[GATED_SUMS][MOST_CHANNELS];

void reduce_gated(const Normalized &n, const float *x, const float *grad, const float *mean, int64_t rows, double *sums) {
  const int64_t channels = n.channels;
  with_activation(n.activation, [&](auto kind) __attribute__((always_inline)) {
    for (int64_t begin = 0; begin < rows; begin += BLOCK) {
      const int64_t here = rows - begin < BLOCK ? rows - begin : BLOCK;
      for (auto &sum : gated_sums) memset(sum, 0, channels * sizeof(float));
      over_rows(here, [&](int64_t r, auto count) __attribute__((always_inline)) {
        const int64_t at = (begin + r) * channels;
        over_channels(channels, [&](int64_t c, auto width) __attribute__((always_inline)) {
          const V scale = width.load(n.scale + c), shift = width.load(n.shift + c), middle = width.load(mean + c);
          V sum[GATED_SUMS];
          for (int i = 0; i < GATED_SUMS; i++) sum[i] = width.load(gated_sums[i] + c);
          for (int k = 0; k < count; k++) {
            const V value = width.load(x + at + k * channels + c), back = width.load(grad + at + k * channels + c);
            const V z = value * scale + shift, slope = derive<kind>(all(1.0f), z), through = back * slope, away = value - middle;
            sum[0] += back * activate<kind>(z);
            sum[1] += through;
            sum[2] += slope;
            sum[3] += through * away;
            sum[4] += slope * away;
          }
          for (int i = 0; i < GATED_SUMS; i++) width.store(gated_sums[i] + c, sum[i]);
        });
      });
      for (int i = 0; i < GATED_SUMS; i++) add_to(channels, gated_sums[i], sums + i * channels);
    }
  });
}

template <Activation KIND, bool OUTPUT, bool GATE, bool RESIDUAL, bool STREAM>
INLINE void backward_rows(const Normalized &n, const float *x, const float *y, const float *grad, const float *pooled, const float *a,
                          const float *b, const float *c0, int64_t rows, float *grad_x, float *grad_residual) {
  const int64_t channels = n.channels;
  for (int64_t r = 0; r < rows; r++) {
    const int64_t at = r * channels;
    over_channels(channels, [&](int64_t c, auto width) __attribute__((always_inline)) {
      const V g = before<KIND, OUTPUT, GATE>(n, x + at, y + at, grad + at, pooled, c, width);
      if (RESIDUAL) put<STREAM>(width, grad_residual + at + c, g);
      put<STREAM>(width, grad_x + at + c, width.load(a + c) * g + (width.load(b + c) * width.load(x + at + c) + width.load(c0 + c)));
    });
  }
}

void backward(const Normalized &n, const float *x, const float *y, const float *grad, const float *pooled, const float *a, const float *b,
              const float *c, int64_t rows, float *grad_x, float *grad_residual) {
  with_activation(n.activation, [&](auto kind) __attribute__((always_inline)) {
    with_stream(n.stream && can_stream(n.channels, grad_x) && can_stream(n.channels, grad_residual), [&](auto stream) __attribute__((always_inline)) {
      if (n.gate) return backward_rows<kind, false, true, false, stream>(n, x, y, grad, pooled, a, b, c, rows, grad_x, grad_residual);
      if (grad_residual) return backward_rows<kind, true, false, true, stream>(n, x, y, grad, pooled, a, b, c, rows, grad_x, grad_residual);
      if (y) return backward_rows<kind, true, false, false, stream>(n, x, y, grad, pooled, a, b, c, rows, grad_x, grad_residual);
      backward_rows<kind, false, false, false, stream>(n, x, y, grad, pooled, a, b, c, rows, grad_x, grad_residual);
    });
  });
}

}  // namespace
