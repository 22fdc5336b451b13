// Steps of an encoder where the processor has tiles of bf16: attention within
// whole texts, without pages or masks, and what leaves bf16 for products.
#ifndef MALMOI_OPS_TILES_H_
#define MALMOI_OPS_TILES_H_

#include <cstdint>
#include <span>

#include "ops/activations.h"
#include "ops/exec.h"
#include "ops/matmul.h"

namespace malmoi::ops {

struct TextAttentionInput {
  int64_t heads = 0, head_dim = 0;
  // bf16 [rows][heads·head_dim], from NewTextRows(); queries times
  // TextQueryScale().
  const uint16_t* queries = nullptr;
  const uint16_t* keys = nullptr;
  const uint16_t* values = nullptr;
  // As AttentionShape::distance_bias, but times log2(e).
  const float* distance_bias = nullptr;
  int64_t reach = 0;
};

// Whether there are kernels for heads of this size.
bool HasTextAttention(int64_t head_dim);

// Scores are exponents of two.
float TextQueryScale(double scale);

// `count` biases as exponents of two.
float* TextBias(Arena& arena, const float* bias, int64_t count);

// Room for rows of all heads.
uint16_t* NewTextRows(Arena& arena, int64_t rows, int64_t columns);

// Whether bf16 is all that consumers read, of an even number of columns.
inline bool OnlyBF16(const Activations& x) {
  return x.bf16 != nullptr && x.values == nullptr && x.int8.codes == nullptr &&
         x.int8_wide.codes == nullptr && x.int8_super.codes == nullptr &&
         x.columns % 2 == 0;
}

// Rows of a batch, text by text; `lengths`: of each. out has bf16 and nothing
// else.
void AttendTexts(Exec& exec, const TextAttentionInput& in,
                 std::span<const int64_t> lengths, const Activations& out);

// out[row][column] = bf16(activation((tile + bias)·scale)), [rows][columns];
// the bias may be empty.
struct TileFinish {
  std::span<const float> bias;
  float scale = 1.0f;
  bool gelu = false;
};
void FinishTile(const Tile& tile, const TileFinish& how, int64_t columns,
                uint16_t* out);

struct TileNorm {
  std::span<const float> weight, bias;  // the bias may be empty
  double epsilon = 0;
};
// x = LayerNorm(x) of `rows` rows [weight.size()], and the same in bf16.
void NormInTiles(Exec& exec, int64_t rows, const TileNorm& norm, float* x,
                 uint16_t* out);
// The same of x + (tile + bias), of a tile of whole rows: the same bits as one
// after the other.
void AddNormedTile(const Tile& tile, std::span<const float> bias,
                   const TileNorm& norm, float* x, uint16_t* out);

}  // namespace malmoi::ops

#endif  // MALMOI_OPS_TILES_H_
