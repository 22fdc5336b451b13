#include "kernels/attention.h"

#include <algorithm>
#include <cmath>

namespace malmoi::kernels {

namespace {
constexpr size_t kTile = 8;  // at least the queries of any target's tile
}

size_t AttentionScratch(int64_t head_dim, int count) {
  const size_t queries = static_cast<size_t>(count) + kTile;
  const size_t dim = static_cast<size_t>(head_dim);
  const size_t page = dim * static_cast<size_t>(kAttentionPage);
  const size_t scores = static_cast<size_t>(kAttentionPage) * queries;
  // Queries as floats or codes with scales and sums; scores; weights times
  // scales of a tile; a page of keys, then of values.
  return queries * dim + scores +
         kTile * (dim / 16) * static_cast<size_t>(kAttentionPage) + page + 64;
}

void AdjustScores(const AttentionInput& in, const AttentionQuery& query,
                  int64_t start, int64_t count, float* scores) {
  if (query.bias != nullptr) {
    for (int64_t i = 0; i < count; ++i) scores[i] += query.bias[start + i];
  }
  if (in.softcap > 0) {
    for (int64_t i = 0; i < count; ++i) {
      scores[i] = in.softcap * std::tanh(scores[i] / in.softcap);
    }
  }
}

size_t AttentionStateFloats(int64_t head_dim, int count) {
  const size_t floats =
      static_cast<size_t>(count) * static_cast<size_t>(head_dim + 2);
  return (floats + 15) / 16 * 16;
}

AttentionState StateAt(float* memory, int count) {
  return {memory, memory + count, memory + 2 * count};
}

void MergeStates(const AttentionState& to, const AttentionState& from,
                 int count, int64_t head_dim) {
  for (int q = 0; q < count; ++q) {
    if (from.total[q] == 0) continue;
    const float largest = std::max(to.largest[q], from.largest[q]);
    const float old_factor = std::exp(to.largest[q] - largest);
    const float new_factor = std::exp(from.largest[q] - largest);
    to.total[q] = to.total[q] * old_factor + from.total[q] * new_factor;
    float* sums = to.sums + q * head_dim;
    const float* more = from.sums + q * head_dim;
    for (int64_t d = 0; d < head_dim; ++d) {
      sums[d] = sums[d] * old_factor + more[d] * new_factor;
    }
    to.largest[q] = largest;
  }
}

void FinishState(const AttentionState& state, const AttentionQuery* queries,
                 int count, int64_t head_dim) {
  for (int q = 0; q < count; ++q) {
    float total = state.total[q], factor = 1.0f;
    if (queries[q].sink != nullptr) {
      const float largest = std::max(state.largest[q], *queries[q].sink);
      factor = std::exp(state.largest[q] - largest);
      total = total * factor + std::exp(*queries[q].sink - largest);
    }
    const float inverse = factor / total;
    for (int64_t d = 0; d < head_dim; ++d) {
      queries[q].out[d] = state.sums[q * head_dim + d] * inverse;
    }
  }
}

}  // namespace malmoi::kernels
