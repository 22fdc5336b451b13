#include "ops/attention.h"

#include <algorithm>
#include <vector>

#include "base/check.h"
#include "kernels/kernels.h"
#include "ops/rows.h"

namespace malmoi::ops {

namespace {

// Consecutive rows of one slice that one task works on.
struct Unit {
  const AttentionSlice* slice;
  int64_t first, rows;  // within the slice
};

}  // namespace

void Attention(Exec& exec, const AttentionShape& shape, const float* queries,
               std::span<const AttentionSlice> slices, const Activations& out) {
  MALMOI_CHECK(shape.head_dim_padded <= kernels::kMaxHeadDim);
  const int64_t group = shape.heads / shape.kv_heads;
  // Rows per unit: a few tiles of queries, so that a page is read from the
  // first-level cache for the later ones.
  constexpr int64_t kRowsPerUnit = 8;
  std::vector<Unit> units;
  size_t max_pages = 0;
  for (const AttentionSlice& slice : slices) {
    max_pages = std::max(max_pages, static_cast<size_t>(slice.pages));
    for (int64_t r = 0; r < slice.rows; r += kRowsPerUnit) {
      units.push_back({&slice, r, std::min(kRowsPerUnit, slice.rows - r)});
    }
  }
  // The last rows of a prompt see the most: hand them out first.
  std::reverse(units.begin(), units.end());
  Arena::Scope scope(exec.arena);
  const int64_t columns = shape.heads * shape.head_dim;
  float* results = exec.arena.New<float>(
      static_cast<size_t>(out.rows * shape.heads * shape.head_dim_padded));
  const size_t threads = static_cast<size_t>(exec.pool.threads());
  auto** pages = exec.arena.New<const uint16_t*>(threads * 2 * max_pages);
  const int tasks =
      static_cast<int>(static_cast<int64_t>(units.size()) * shape.kv_heads);
  const size_t head_page =
      static_cast<size_t>(shape.head_dim_padded * kernels::kAttentionPage);

  exec.pool.Run(tasks, [&](int task, int thread) {
    const Unit& unit = units[static_cast<size_t>(task / shape.kv_heads)];
    const int64_t kv_head = task % shape.kv_heads;
    const AttentionSlice& slice = *unit.slice;
    const uint16_t** keys = pages + static_cast<size_t>(thread) * 2 * max_pages;
    const uint16_t** values = keys + max_pages;
    for (int64_t p = 0; p < slice.pages; ++p) {
      keys[p] = slice.keys[p] + static_cast<size_t>(kv_head) * head_page;
      values[p] = slice.values[p] + static_cast<size_t>(kv_head) * head_page;
    }
    kernels::AttentionQuery tile[kernels::kMaxAttentionQueries];
    int count = 0;
    const auto flush = [&] {
      if (count == 0) return;
      kernels::Kernels().attention(tile, count, keys, values,
                                   shape.head_dim_padded);
      count = 0;
    };
    for (int64_t r = 0; r < unit.rows; ++r) {
      const int64_t row = slice.first_row + unit.first + r;
      for (int64_t h = 0; h < group; ++h) {
        const int64_t head = row * shape.heads + kv_head * group + h;
        const int64_t visible = slice.first_position + unit.first + r + 1;
        tile[count++] = {
            queries + head * shape.head_dim_padded,
            shape.window > 0 ? std::max<int64_t>(0, visible - shape.window) : 0,
            visible, results + head * shape.head_dim_padded};
        if (count == kernels::kMaxAttentionQueries) flush();
      }
    }
    flush();
  });

  // Padded heads close up; then the rows take the forms of their consumer.
  for (int64_t row = 0; row < out.rows; ++row) {
    if (shape.head_dim == shape.head_dim_padded) break;
    for (int64_t h = 0; h < shape.heads; ++h) {
      std::copy_n(results + (row * shape.heads + h) * shape.head_dim_padded,
                  shape.head_dim, results + row * columns + h * shape.head_dim);
    }
  }
  PutRows(exec, results, out);
}

}  // namespace malmoi::ops
