// As many floats as a vector of the instruction set has. Everything is local to the file that includes it: the same code is compiled once
// for each instruction set. A wider vector would be compiled too, but GCC 12 keeps its halves in memory and compares them one by one.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#ifdef __AVX2__
#include <immintrin.h>
#endif

#define INLINE inline __attribute__((always_inline))

namespace {

#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#elif defined(__AVX2__)
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16
#endif
typedef float V __attribute__((vector_size(VECTOR_BYTES)));
typedef int32_t I __attribute__((vector_size(VECTOR_BYTES)));
constexpr int64_t WIDTH = sizeof(V) / sizeof(float);

// A full vector of channels.
struct Full {
  INLINE V load(const float *from) const {
    V v;
    memcpy(&v, from, sizeof v);
    return v;
  }
  INLINE void store(float *to, V v) const { memcpy(to, &v, sizeof v); }
  // Past the caches, to an address that the size of a vector divides.
  INLINE void stream(float *to, V v) const {
#if defined(__AVX512F__)
    _mm512_stream_ps(to, (__m512)v);
#elif defined(__AVX2__)
    _mm256_stream_ps(to, (__m256)v);
#else
    store(to, v);
#endif
  }
  INLINE int64_t count() const { return WIDTH; }
};

// The last channels, fewer than a vector has; the others are zero.
struct Part {
  int64_t n;
  INLINE V load(const float *from) const {
    V v = {};
    memcpy(&v, from, n * sizeof(float));
    return v;
  }
  INLINE void store(float *to, V v) const { memcpy(to, &v, n * sizeof(float)); }
  INLINE void stream(float *to, V v) const { store(to, v); }
  INLINE int64_t count() const { return n; }
};

template <typename Body>
INLINE void over_channels(int64_t channels, Body body) {
  int64_t c = 0;
  for (; c + WIDTH <= channels; c += WIDTH) body(c, Full{});
  if (c < channels) body(c, Part{channels - c});
}

// Other threads see what was streamed before this.
INLINE void finish_streams() {
#ifdef __AVX2__
  _mm_sfence();
#endif
}

INLINE V all(float value) { return value - V{}; }

// Where one is not a number, both return `b`.
#if defined(__AVX512F__)
INLINE V larger(V a, V b) { return (V)_mm512_max_ps((__m512)a, (__m512)b); }
INLINE V smaller(V a, V b) { return (V)_mm512_min_ps((__m512)a, (__m512)b); }
#elif defined(__AVX2__)
INLINE V larger(V a, V b) { return (V)_mm256_max_ps((__m256)a, (__m256)b); }
INLINE V smaller(V a, V b) { return (V)_mm256_min_ps((__m256)a, (__m256)b); }
#else
INLINE V larger(V a, V b) { return a > b ? a : b; }
INLINE V smaller(V a, V b) { return a < b ? a : b; }
#endif

// 1 / x. A division of sixteen floats takes longer than the exponential, so where there is an estimate it is refined once.
INLINE V reciprocal(V x) {
#if defined(__AVX512F__)
  const V estimate = (V)_mm512_rcp14_ps((__m512)x);
  return estimate * (2.0f - x * estimate);
#elif defined(__AVX2__)
  const V estimate = (V)_mm256_rcp_ps((__m256)x);
  return estimate * (2.0f - x * estimate);
#else
  return 1.0f / x;
#endif
}

// 1 / (1 + e^-x), to 1e-6 of itself: e^-x is 2^n, by the exponent's bits, times 2^f, by a polynomial for f in -0.5..0.5.
INLINE V sigmoid(V x) {
  const V power = smaller(all(126.0f), larger(all(-126.0f), x * -1.44269504088896341f));
  const V magic = all(12582912.0f);  // adding it rounds to a whole number, which stays in the low bits
  const V shifted = power + magic;
  const V f = power - (shifted - magic);
  V p = all(1.339887440e-3f);
  p = p * f + 9.618437357e-3f;
  p = p * f + 5.550332471e-2f;
  p = p * f + 2.402264791e-1f;
  p = p * f + 6.931472028e-1f;
  p = p * f + 1.0f;
  const V e = (V)((I)p + ((I)shifted << 23));  // the bits of `magic` leave the word
  return reciprocal(1.0f + e);
}

}  // namespace
