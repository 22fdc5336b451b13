#include "kernels/attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/unpack.h"

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

void ReadKeys(const AttentionInput& in, int64_t page, float* keys) {
  const std::byte* bytes = in.keys[page];
  const int64_t count = in.head_dim * kAttentionPage;
  const auto* halves = reinterpret_cast<const uint16_t*>(bytes);
  switch (in.type) {
    case KvType::kF32:
      std::memcpy(keys, bytes, static_cast<size_t>(count) * sizeof(float));
      return;
    case KvType::kF16:
      for (int64_t i = 0; i < count; ++i) keys[i] = HalfToFloat(halves[i]);
      return;
    case KvType::kQ8:
      break;
  }
  const auto* codes = reinterpret_cast<const int8_t*>(bytes);
  const uint16_t* scales = halves + count / 2;
  for (int64_t d = 0; d < in.head_dim; ++d) {
    for (int64_t p = 0; p < kAttentionPage; ++p) {
      keys[d * kAttentionPage + p] =
          HalfToFloat(scales[d / 32 * kAttentionPage + p]) *
          static_cast<float>(codes[(d / 4 * kAttentionPage + p) * 4 + d % 4]);
    }
  }
}

void PageScores(const AttentionInput& in, const AttentionQuery& query,
                int64_t page, const float* keys, float* scores) {
  const int64_t start = page * kAttentionPage;
  const int64_t begin = std::max<int64_t>(query.first - start, 0);
  const int64_t end = std::min(query.visible - start, kAttentionPage);
  if (begin >= end) return;
  float sums[kAttentionPage] = {};
  for (int64_t d = 0; d < in.head_dim; ++d) {
    const float* row = keys + d * kAttentionPage;
    for (int64_t p = begin; p < end; ++p) sums[p] += query.query[d] * row[p];
  }
  std::copy(sums + begin, sums + end, scores + start + begin);
}

void Probabilities(const AttentionQuery& query, float* scores, int64_t count) {
  float largest = *std::max_element(scores, scores + count);
  if (query.sink != nullptr) largest = std::max(largest, *query.sink);
  double total = query.sink != nullptr
                     ? static_cast<double>(std::exp(*query.sink - largest))
                     : 0.0;
  for (int64_t i = 0; i < count; ++i) {
    scores[i] = std::exp(scores[i] - largest);
    total += static_cast<double>(scores[i]);
  }
  const float inverse = static_cast<float>(1.0 / total);
  for (int64_t i = 0; i < count; ++i) scores[i] *= inverse;
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
