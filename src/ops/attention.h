// Causal grouped-query attention over a paged cache, for the packed rows of
// one or several sequences.
#ifndef MALMOI_OPS_ATTENTION_H_
#define MALMOI_OPS_ATTENTION_H_

#include <cstdint>
#include <span>

#include "ops/activations.h"
#include "ops/exec.h"

namespace malmoi::ops {

struct AttentionShape {
  int64_t heads = 0;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
  int64_t head_dim_padded = 0;  // to 16, as in the cache
  int64_t window = 0;  // last positions that a row sees, its own included;
                       // 0: all
};

// Rows [first_row, first_row + rows) of the batch belong to one sequence, at
// positions from first_position on. `keys` and `values` are its pages of this
// layer, each [kv_heads][...], f16 (kernels.h).
struct AttentionSlice {
  int64_t first_row = 0;
  int64_t rows = 0;
  int64_t first_position = 0;
  const uint16_t* const* keys = nullptr;
  const uint16_t* const* values = nullptr;
  int64_t pages = 0;
};

// queries: f32 [rows][heads][head_dim_padded], rotated and scaled.
// out: [rows, heads·head_dim].
void Attention(Exec& exec, const AttentionShape& shape, const float* queries,
               std::span<const AttentionSlice> slices, const Activations& out);

}  // namespace malmoi::ops

#endif  // MALMOI_OPS_ATTENTION_H_
