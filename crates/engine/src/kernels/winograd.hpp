// Winograd's 3×3 convolution of stride 1 in tiles of 2×2 outputs (Lavin and Gray 2016, F(2×2, 3×3)): images, outputs and their gradients
// as 16 planes each, in which the convolution is 16 products of matrices with 16 instead of 36 multiplications a tile.
#pragma once

#include "kernels.hpp"
#include "vector.hpp"

namespace {

using warmstart::Tiles;

// The pixels that a tile covers, zeros outside of the image.
template <int SIDE, typename Width>
INLINE void load_tile(const Tiles &t, const float *image, int64_t top, int64_t left, int64_t c, Width width, V (&tile)[SIDE][SIDE]) {
  for (int i = 0; i < SIDE; i++) {
    const int64_t y = top + i;
    for (int j = 0; j < SIDE; j++) {
      const int64_t x = left + j;
      const bool inside = y >= 0 && y < t.height && x >= 0 && x < t.width;
      tile[i][j] = inside ? width.load(image + (y * t.width + x) * t.channels + c) : V{};
    }
  }
}

// B^T d B for each tile d of 4×4 pixels in a row of tiles.
void winograd_input(const Tiles &t, const float *image, int64_t row, float *planes) {
  for (int64_t tile = 0; tile < t.columns; tile++) {
    over_channels(t.channels, [&](int64_t c, auto width) __attribute__((always_inline)) {
      V d[4][4];
      load_tile(t, image, 2 * row - t.top, 2 * tile - t.left, c, width, d);
      V half[4][4];
      for (int j = 0; j < 4; j++) {
        half[0][j] = d[0][j] - d[2][j];
        half[1][j] = d[1][j] + d[2][j];
        half[2][j] = d[2][j] - d[1][j];
        half[3][j] = d[1][j] - d[3][j];
      }
      float *to = planes + tile * t.channels + c;
      for (int i = 0; i < 4; i++) {
        width.store(to + (4 * i) * t.plane, half[i][0] - half[i][2]);
        width.store(to + (4 * i + 1) * t.plane, half[i][1] + half[i][2]);
        width.store(to + (4 * i + 2) * t.plane, half[i][2] - half[i][1]);
        width.store(to + (4 * i + 3) * t.plane, half[i][1] - half[i][3]);
      }
    });
  }
}

// A g A^T for each tile g of 2×2 pixels of the output's gradient in a row of tiles.
void winograd_gradient(const Tiles &t, const float *grad, int64_t row, float *planes) {
  for (int64_t tile = 0; tile < t.columns; tile++) {
    over_channels(t.channels, [&](int64_t c, auto width) __attribute__((always_inline)) {
      V g[2][2];
      load_tile(t, grad, 2 * row, 2 * tile, c, width, g);
      V half[4][2];
      for (int j = 0; j < 2; j++) {
        half[0][j] = g[0][j];
        half[1][j] = g[0][j] + g[1][j];
        half[2][j] = g[0][j] - g[1][j];
        half[3][j] = -g[1][j];
      }
      float *to = planes + tile * t.channels + c;
      for (int i = 0; i < 4; i++) {
        width.store(to + (4 * i) * t.plane, half[i][0]);
        width.store(to + (4 * i + 1) * t.plane, half[i][0] + half[i][1]);
        width.store(to + (4 * i + 2) * t.plane, half[i][0] - half[i][1]);
        width.store(to + (4 * i + 3) * t.plane, -half[i][1]);
      }
    });
  }
}

// A^T m A for each tile m of 4×4 in a row of tiles: 2×2 pixels of the output.
void winograd_output(const Tiles &t, const float *planes, int64_t row, float *image) {
  for (int64_t tile = 0; tile < t.columns; tile++) {
    over_channels(t.channels, [&](int64_t c, auto width) __attribute__((always_inline)) {
      const float *from = planes + tile * t.channels + c;
      V half[2][4];
      for (int j = 0; j < 4; j++) {
        const V a = width.load(from + j * t.plane), b = width.load(from + (4 + j) * t.plane), d = width.load(from + (8 + j) * t.plane),
                e = width.load(from + (12 + j) * t.plane);
        half[0][j] = a + b + d;
        half[1][j] = b - d - e;
      }
      for (int i = 0; i < 2; i++) {
        const int64_t y = 2 * row + i, x = 2 * tile;
        if (y >= t.height) break;
        float *to = image + (y * t.width + x) * t.channels + c;
        width.store(to, half[i][0] + half[i][1] + half[i][2]);
        if (x + 1 < t.width) width.store(to + t.channels, half[i][1] - half[i][2] - half[i][3]);
      }
    });
  }
}

// G g G^T of a kernel g [3, 3, channels], or of the kernel turned by 180 degrees, which only swaps the outer rows of the result and its
// outer columns.
void winograd_weight(int64_t channels, int64_t plane, const float *kernel, bool turned, float *planes) {
  const int64_t order[2][4] = {{0, 1, 2, 3}, {3, 1, 2, 0}};
  const int64_t *place = order[turned];
  over_channels(channels, [&](int64_t c, auto width) __attribute__((always_inline)) {
    V half[4][3];
    for (int j = 0; j < 3; j++) {
      const V a = width.load(kernel + j * channels + c), b = width.load(kernel + (3 + j) * channels + c),
              d = width.load(kernel + (6 + j) * channels + c);
      half[0][j] = a;
      half[1][j] = 0.5f * (a + d + b);
      half[2][j] = 0.5f * (a + d - b);
      half[3][j] = d;
    }
    for (int i = 0; i < 4; i++) {
      float *to = planes + 4 * place[i] * plane + c;
      const V ends = half[i][0] + half[i][2];
      width.store(to + place[0] * plane, half[i][0]);
      width.store(to + plane, 0.5f * (ends + half[i][1]));
      width.store(to + 2 * plane, 0.5f * (ends - half[i][1]));
      width.store(to + place[3] * plane, half[i][2]);
    }
  });
}

// G^T m G: the gradient of a kernel [3, 3, channels], of that of its 16 planes.
void winograd_weight_gradient(int64_t channels, int64_t plane, const float *planes, float *kernel) {
  over_channels(channels, [&](int64_t c, auto width) __attribute__((always_inline)) {
    V half[3][4];
    for (int j = 0; j < 4; j++) {
      const float *from = planes + j * plane + c;
      const V a = width.load(from), b = width.load(from + 4 * plane), d = width.load(from + 8 * plane), e = width.load(from + 12 * plane);
      half[0][j] = a + 0.5f * (b + d);
      half[1][j] = 0.5f * (b - d);
      half[2][j] = 0.5f * (b + d) + e;
    }
    for (int i = 0; i < 3; i++) {
      float *to = kernel + 3 * i * channels + c;
      const V inner = 0.5f * (half[i][1] + half[i][2]);
      width.store(to, half[i][0] + inner);
      width.store(to + channels, 0.5f * (half[i][1] - half[i][2]));
      width.store(to + 2 * channels, inner + half[i][3]);
    }
  });
}

}  // namespace
