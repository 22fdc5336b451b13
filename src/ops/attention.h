// Grouped-query attention over a paged cache, for the packed rows of
// one or several sequences.
#ifndef MALMOI_OPS_ATTENTION_H_
#define MALMOI_OPS_ATTENTION_H_

#include <cstdint>
#include <span>
#include <string_view>

#include "kernels/attention.h"
#include "ops/activations.h"
#include "ops/exec.h"

namespace malmoi::ops {

struct AttentionShape {
  kernels::KvType type = kernels::KvType::kF16;  // of the cache
  int64_t heads = 0;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
  int64_t window = 0;  // last positions that a row sees, its own included,
                       // or, not causal, so many each way; 0: all
  float softcap = 0;   // scores become cap·tanh(score/cap); 0: they stay
  bool causal = true;  // rows see only what is before them, and themselves
  // Added to the scores of head h at distance d = position - row's position:
  // [heads][2·reach - 1], d = 0 in the middle. Null: none.
  const float* distance_bias = nullptr;
  int64_t reach = 0;
  // Added to the scores of each row by position, [rows][heads][reach]. Null:
  // none.
  const float* row_bias = nullptr;
  // Added to the scores of head h by position, [heads][reach]. Null: none. One
  // of the three at most.
  const float* position_bias = nullptr;
  const float* sinks = nullptr;  // [heads]: see AttentionQuery; null: none
  // What the tap is shown the probabilities as, see Tap::attention; empty: it
  // is not.
  std::string_view shown{};
  int64_t padded() const { return kernels::PaddedHeadDim(type, head_dim); }
};

// Rows [first_row, first_row + rows) of the batch belong to one sequence, at
// positions from first_position on. `keys` and `values` are its pages of this
// layer, the kv heads one after another (kernels/attention.h).
struct AttentionSlice {
  int64_t first_row = 0;
  int64_t rows = 0;
  int64_t first_position = 0;
  const std::byte* const* keys = nullptr;
  const std::byte* const* values = nullptr;
  int64_t pages = 0;
  // Rows see all positions below, which are another text's (cross-attention);
  // 0: their own.
  int64_t visible = 0;
};

// queries: f32 [rows][heads][padded], rotated and scaled.
// out: [rows, heads·head_dim].
void Attention(Exec& exec, const AttentionShape& shape, const float* queries,
               std::span<const AttentionSlice> slices, const Activations& out);

}  // namespace malmoi::ops

#endif  // MALMOI_OPS_ATTENTION_H_
