// The compute kernels: raw pointers in, raw pointers out; no allocation, no
// exceptions, no threads. One table per instruction set, chosen at run time;
// the scalar table is the plain twin that tests compare the others against.
#ifndef MALMOI_KERNELS_KERNELS_H_
#define MALMOI_KERNELS_KERNELS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "kernels/attention.h"
#include "kernels/panel.h"
#include "kernels/state_space.h"
#include "kernels/tiles.h"

namespace malmoi::kernels {

// Rows of activations quantized to int8 with a scale per `block` columns: 32
// for simple weight formats, 64 for the wide one, 256 for super formats, whose
// group sums stay integers. Four rows are a quad whose words of four columns
// are interleaved, so that a tile of four rows reads one stream; the last rows
// % 4 are plain:
//   codes   quads [columns/4][4][4], then rows [columns]; block 64: plus 128
//           where the target's KernelTable::moved_bytes says so
//   scales  quads [columns/block][4], then rows [columns/block]
//   sums    block 32: scale·Σcodes, f32, as scales
//   pairs   block 256: Σcodes of groups of 16 or of 32 columns, int16, two
//           neighbours together: quads [pairs][4][2], then rows [pairs][2]
struct Int8Rows {
  int64_t rows = 0;
  int64_t columns = 0;
  int64_t block = 32;
  int8_t* codes = nullptr;
  float* scales = nullptr;
  float* sums = nullptr;       // block 32
  int16_t* pairs16 = nullptr;  // block 256
  int16_t* pairs32 = nullptr;

  // Where row r begins in an array of `per_row` elements a row, and how far
  // apart its units of `unit` elements lie.
  struct Place {
    int64_t first, step;
  };
  Place Find(int64_t row, int64_t per_row, int64_t unit) const {
    const int64_t quad = row / 4 * 4;
    if (quad + 4 > rows) return {row * per_row, unit};
    return {quad * per_row + row % 4 * unit, 4 * unit};
  }
};

struct KernelTable {
  std::string_view name;     // "AVX2"
  int lanes = 4;             // rows of a panel
  bool fused = true;         // multiply-adds round once
  bool bf16_dot = false;     // matmul_bf16 is faster than matmul_float
  bool moved_bytes = false;  // codes of Int8Rows with block 64
  const TileKernels* tiles = nullptr;  // where there are tiles of bf16

  // out[t·out_stride + p·lanes + r] = Σ_k weight[p][r][k]·row[first+t][k] for
  // `panels` panels and `tokens` rows. Integer formats only; columns are the
  // rows', rows.block the format's. Per output, blocks are summed in ascending
  // order. Simple formats:
  //   sum = fma(float(Σ code·code), scale_w·scale_a, sum), then
  //   sum = fma(min_w, sum_a, sum), where the format has mins.
  // Super formats, with exact integers for a block of 256 columns:
  //   dots = Σ_groups scale·Σ code·code, mins = Σ_groups m·Σ code_a
  //   without stored mins m is the scale, and
  //     sum = fma(float(dots - zero·mins), d·scale_a, sum), else
  //     sum = fma(float(dots), d·scale_a, sum), then
  //     sum = fma(float(mins), -dmin·scale_a, sum).
  void (*matmul_int8)(const PanelFormat& format, const std::byte* panels,
                      int64_t panel_count, const Int8Rows& rows, int64_t first,
                      int64_t tokens, float* out, int64_t out_stride);

  // The same for float formats and f32 rows [tokens][columns], `stride`
  // apart. Columns k ≡ j (mod 4) are summed in accumulator j; the result is
  // (s0 + s1) + (s2 + s3).
  void (*matmul_float)(const PanelFormat& format, const std::byte* panels,
                       int64_t panel_count, const float* rows, int64_t stride,
                       int64_t columns, int64_t tokens, float* out,
                       int64_t out_stride);

  // The same for bf16 weights and rows rounded to bf16, [tokens][stride], the
  // stride PaddedBF16(columns) or more and what is behind the columns zero.
  // Pairs of columns in ascending order: sum = fma(odd, odd, sum), then
  // sum = fma(even, even, sum). vdpbf16ps takes subnormals for zeros. With
  // tiles, of 32 columns after the other: even and odd ones are summed
  // apart, by multiply-adds from 0 on, then sum = sum + (even + odd); every
  // subnormal is zero.
  void (*matmul_bf16)(const std::byte* panels, int64_t panel_count,
                      const uint16_t* rows, int64_t stride, int64_t columns,
                      int64_t tokens, float* out, int64_t out_stride);
  // out = values rounded to the nearest bf16, ties to even; with tiles,
  // subnormals are zeros.
  void (*round_bf16)(const float* values, int64_t count, uint16_t* out);

  // Quantizes columns [first, first + count) of rows [index, index + rows) of
  // `out`, which are `stride` apart in `values`; columns are multiples of its
  // block. scale = max|x|/127, code = round-to-even(x·(127/max|x|)). Whole
  // quads of block 64 are fastest.
  void (*quantize)(const float* values, int64_t stride, int64_t rows,
                   const Int8Rows& out, int64_t index, int64_t first,
                   int64_t count);

  // out = (x - mean(x))/sqrt(variance(x)+epsilon)·weight + bias (Ba et al.
  // 2016); `bias` may be null, `out` may be `x`.
  void (*layer_norm)(const float* x, const float* weight, const float* bias,
                     int64_t columns, float epsilon, float* out);
  // out = x/sqrt(mean(x²)+epsilon)·weight (Zhang & Sennrich 2019); `out` may
  // be `x`.
  void (*rms_norm)(const float* x, const float* weight, int64_t columns,
                   float epsilon, float* out);

  // gate = activation(gate)·up, elementwise, or activation(gate) where `up` is
  // null. silu: x/(1+exp(-x)); gelu:
  // x·(1+erf(x/√2))/2 (Hendrycks & Gimpel 2016); gelu_tanh, their
  // approximation: x·(1+tanh(√(2/π)·(x+0.044715x³)))/2.
  void (*silu_mul)(float* gate, const float* up, int64_t count);
  void (*gelu_mul)(float* gate, const float* up, int64_t count);
  void (*gelu_tanh_mul)(float* gate, const float* up, int64_t count);
  void (*add)(float* to, const float* from, int64_t count);
  // to += from + more.
  void (*add_two)(float* to, const float* from, const float* more,
                  int64_t count);

  // Of state spaces, see kernels/state_space.h.
  void (*convolve)(const Convolution& in);
  void (*scan_channels)(const Scan& in);
  void (*scan_head)(const Scan& in);
  // values = log(1+exp(values)).
  void (*softplus)(float* values, int64_t count);

  // Softmax attention over the positions of one chunk of 512. Queries are
  // rounded to 8 bits, a scale per 32, where keys are; the dot products of 32
  // are then integers.
  void (*attend_chunk)(const AttentionInput& in, int64_t chunk,
                       const AttentionState& state);

  // Stores a head's keys, or values, [rows][head_dim], `stride` apart, from
  // `position` of a page on; they end within the page.
  void (*store_kv)(KvType type, bool key, const float* values, int64_t stride,
                   int64_t rows, int64_t head_dim, std::byte* page,
                   int64_t position);

  // Arithmetic roofs: runs about `iterations` inner steps on registers and
  // returns the operations done (multiply and add counted apart).
  double (*int8_roof)(int64_t iterations);
  double (*f32_roof)(int64_t iterations);
  uint64_t (*read_sum)(const std::byte* data, size_t bytes);
};

// The table for this machine: the best, or the one MALMOI_TARGET names.
const KernelTable& Kernels();
// Every table this machine can run, best first, the scalar one last.
std::span<const KernelTable* const> AllKernels();
// Makes Kernels() return another table; for tests. Panels packed for a table
// with other lanes cannot be used with it.
void UseKernels(const KernelTable& table);

const KernelTable& ScalarKernels();

}  // namespace malmoi::kernels

#endif  // MALMOI_KERNELS_KERNELS_H_
