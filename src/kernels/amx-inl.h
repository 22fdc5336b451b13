// Products of bf16 in AMX tiles, of 16 rows of 64 bytes. A panel is a column
// of such tiles as it lies: 16 pairs of columns, of 16 outputs each; 16 rows of
// activations are one too. Once in a program, with the target's attribute.
#include <immintrin.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "kernels/dot-inl.h"
#include "kernels/kernels.h"

HWY_BEFORE_NAMESPACE();
namespace malmoi::kernels {
namespace MALMOI_TARGET {
namespace amx {

constexpr int64_t kTileRows = 16;
constexpr int64_t kStep = 32;  // columns of a tile of bf16
constexpr int64_t kTileBytes = 1024;

// What the tiles are: sums 0 to 3, rows 4 and 5, panels 6 and 7.
void Configure(int64_t first_rows, int64_t second_rows, int64_t columns) {
  struct alignas(64) {
    uint8_t palette = 1, start_row = 0, reserved[14] = {};
    uint16_t row_bytes[16] = {};
    uint8_t rows[16] = {};
  } config;
  const auto set = [&](int tile, int64_t rows, int64_t bytes) {
    config.rows[tile] = static_cast<uint8_t>(rows);
    config.row_bytes[tile] = static_cast<uint16_t>(rows > 0 ? bytes : 0);
  };
  const int64_t rows[2] = {first_rows, second_rows};
  for (int i = 0; i < 2; ++i) {
    set(2 * i, rows[i], 64);
    set(2 * i + 1, rows[i], 64);
    set(4 + i, rows[i], columns * 2);
    set(6 + i, columns / 2, 64);
  }
  _tile_loadconfig(&config);
}

struct Operands {
  const std::byte* panels;
  size_t panel_bytes;
  const uint16_t* rows;
  int64_t stride;
  float* out;
  int64_t out_stride;
};

// Adds `steps` tiles of columns to one or two panels' sums of one or two tiles
// of rows, or begins with them.
template <bool kTwoRows, bool kTwoPanels>
HWY_INLINE void Block(const Operands& in, int64_t steps, bool begins) {
  const auto out_bytes = static_cast<size_t>(in.out_stride) * sizeof(float);
  float* below = in.out + kTileRows * in.out_stride;
  if (begins) {
    _tile_zero(0);
    if constexpr (kTwoPanels) _tile_zero(1);
    if constexpr (kTwoRows) _tile_zero(2);
    if constexpr (kTwoRows && kTwoPanels) _tile_zero(3);
  } else {
    _tile_loadd(0, in.out, out_bytes);
    if constexpr (kTwoPanels) _tile_loadd(1, in.out + 16, out_bytes);
    if constexpr (kTwoRows) _tile_loadd(2, below, out_bytes);
    if constexpr (kTwoRows && kTwoPanels) {
      _tile_loadd(3, below + 16, out_bytes);
    }
  }
  const auto row_bytes = static_cast<size_t>(in.stride) * sizeof(uint16_t);
  const uint16_t* rows = in.rows;
  const std::byte* panel = in.panels;
  const auto load_rows = [&] { _tile_loadd(4, rows, row_bytes); };
  const auto load_below = [&] {
    if constexpr (kTwoRows) {
      _tile_loadd(5, rows + kTileRows * in.stride, row_bytes);
    }
  };
  const auto load_panel = [&] { _tile_loadd(6, panel, 64); };
  const auto load_beside = [&] {
    if constexpr (kTwoPanels) _tile_loadd(7, panel + in.panel_bytes, 64);
  };
  // A tile is loaded again as soon as no product reads it any more: a tenth
  // faster than loads before products.
  load_panel();
  load_rows();
  load_beside();
  load_below();
  for (int64_t s = 1; s < steps; ++s) {
    rows += kStep;
    panel += kTileBytes;
    _tile_dpbf16ps(0, 4, 6);
    if constexpr (kTwoPanels) _tile_dpbf16ps(1, 4, 7);
    load_rows();
    if constexpr (kTwoRows) _tile_dpbf16ps(2, 5, 6);
    load_panel();
    if constexpr (kTwoRows && kTwoPanels) _tile_dpbf16ps(3, 5, 7);
    load_beside();
    load_below();
  }
  _tile_dpbf16ps(0, 4, 6);
  if constexpr (kTwoPanels) _tile_dpbf16ps(1, 4, 7);
  if constexpr (kTwoRows) _tile_dpbf16ps(2, 5, 6);
  if constexpr (kTwoRows && kTwoPanels) _tile_dpbf16ps(3, 5, 7);
  _tile_stored(0, in.out, out_bytes);
  if constexpr (kTwoPanels) _tile_stored(1, in.out + 16, out_bytes);
  if constexpr (kTwoRows) _tile_stored(2, below, out_bytes);
  if constexpr (kTwoRows && kTwoPanels) {
    _tile_stored(3, below + 16, out_bytes);
  }
}

// All panels with `tokens` rows, as configured: pairs of tiles, or what is left
// of them.
template <bool kTwoRows>
void Panels(const Operands& in, int64_t panel_count, int64_t tokens,
            int64_t steps, bool begins) {
  for (int64_t t = 0; t < tokens; t += 2 * kTileRows) {
    Operands at = in;
    at.rows += t * in.stride;
    at.out += t * in.out_stride;
    for (int64_t p = 0; p < panel_count; p += 2) {
      if (p + 2 <= panel_count) {
        Block<kTwoRows, true>(at, steps, begins);
      } else {
        Block<kTwoRows, false>(at, steps, begins);
      }
      at.panels += 2 * in.panel_bytes;
      at.out += 2 * kTileRows;
    }
  }
}

// Columns go by steps of 32: of each pair of tiles the products of even columns
// and those of odd ones are summed apart, by multiply-adds in ascending order;
// then sum += even + odd. Subnormals are zeros throughout (Intel SDM,
// TDPBF16PS). A row's sums depend on no other row.
void MatmulBF16(const std::byte* panels, int64_t panel_count,
                const uint16_t* rows, int64_t stride, int64_t columns,
                int64_t tokens, float* out, int64_t out_stride) {
  if (tokens == 0) return;
  // So many columns of two tiles of rows stay in the first-level cache while
  // panels pass.
  constexpr int64_t kMostSteps = 12;
  const size_t panel_bytes =
      PanelBytes({.codes = Codes::kBF16}, kF32Lanes, columns);
  const int64_t padded = PaddedBF16(columns);
  const int64_t whole_rows = tokens / (2 * kTileRows) * (2 * kTileRows);
  const int64_t left = tokens - whole_rows;
  const int64_t whole_steps = padded / kStep;
  const auto run = [&](int64_t first_step, int64_t steps, int64_t first_row,
                       int64_t count) {
    const Operands in = {panels + first_step * kTileBytes,
                         panel_bytes,
                         rows + first_row * stride + first_step * kStep,
                         stride,
                         out + first_row * out_stride,
                         out_stride};
    if (count > kTileRows) {
      Panels<true>(in, panel_count, count, steps, first_step == 0);
    } else {
      Panels<false>(in, panel_count, count, steps, first_step == 0);
    }
  };
  const auto run_rows = [&](int64_t first_row, int64_t count) {
    if (count == 0) return;
    const int64_t first = std::min(count, kTileRows);
    const int64_t second = std::min(count - first, kTileRows);
    if (whole_steps > 0) Configure(first, second, kStep);
    for (int64_t s = 0; s < whole_steps; s += kMostSteps) {
      run(s, std::min(kMostSteps, whole_steps - s), first_row, count);
    }
    if (whole_steps * kStep == padded) return;
    Configure(first, second, padded - whole_steps * kStep);
    run(whole_steps, 1, first_row, count);
  };
  run_rows(0, whole_rows);
  run_rows(whole_rows, left);
  _tile_release();
}

}  // namespace amx
}  // namespace MALMOI_TARGET
}  // namespace malmoi::kernels
HWY_AFTER_NAMESPACE();
