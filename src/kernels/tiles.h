// What processors with tiles of bf16 have beside the table of kernels.h: steps
// of an encoder that read and leave bf16.
#ifndef MALMOI_KERNELS_TILES_H_
#define MALMOI_KERNELS_TILES_H_

#include <cstddef>
#include <cstdint>

namespace malmoi::kernels {

// out = bf16(activation((values + bias)·scale)), [rows][count].
struct Finishing {
  const float* values = nullptr;
  int64_t stride = 0;
  int64_t rows = 0, count = 0;
  const float* bias = nullptr;  // [count]; null: none
  float scale = 1.0f;
  bool gelu = false;  // or no activation
  uint16_t* out = nullptr;
  int64_t out_stride = 0;
};

inline constexpr int64_t kTextHeadUnit = 32;  // of head_dim
inline constexpr int64_t kMostTextHeadDim = 128;

// Softmax attention of `heads` heads over one text, whose rows see each other
// all: bf16 [rows][heads·head_dim], `stride` apart. Weights are rounded to
// bf16, and the sums of values divided by theirs.
struct TextAttention {
  const uint16_t* queries = nullptr;  // scaled, and times log2(e)
  const uint16_t* keys = nullptr;
  const uint16_t* values = nullptr;
  int64_t stride = 0;
  int64_t rows = 0;  // up to 31 behind them are read
  int64_t heads = 0, head_dim = 0;
  // Added to scores, times log2(e), at distance d = key - query:
  // bias[head·bias_stride + d]; null: none.
  const float* bias = nullptr;
  int64_t bias_stride = 0;
  uint16_t* out = nullptr;
  int64_t out_stride = 0;
  std::byte* scratch = nullptr;  // TextAttentionScratch() bytes, at a line
};

constexpr size_t TextAttentionScratch(int64_t rows, int64_t head_dim) {
  const auto padded = static_cast<size_t>((rows + 31) / 32 * 32);
  const auto dim = static_cast<size_t>(head_dim);
  // Keys and values; scores, weights, results and sums of 32 queries.
  return 2 * padded * dim * 2 + 32 * (padded * 6 + dim * 4) + 128;
}

// x = (x - mean(x))/sqrt(variance(x)+epsilon)·weight + bias in place, and
// out = bf16(x), both [rows][columns]; of x + (add + add_bias) where there is
// something to add.
struct Norming {
  float* x = nullptr;
  int64_t rows = 0, columns = 0;
  const float* weight = nullptr;
  const float* bias = nullptr;  // null: none
  float epsilon = 0;
  uint16_t* out = nullptr;
  const float* add = nullptr;  // [rows][columns], add_stride apart
  int64_t add_stride = 0;
  const float* add_bias = nullptr;  // null: none
};

struct TileKernels {
  void (*finish)(const Finishing& in) = nullptr;
  void (*attend)(const TextAttention& in) = nullptr;
  void (*norm)(const Norming& in) = nullptr;
};

}  // namespace malmoi::kernels

#endif  // MALMOI_KERNELS_TILES_H_
