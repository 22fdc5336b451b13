// Softmax attention over pages: a vector lane is a position while scores are
// computed (keys lie transposed) and a component while values are summed, so
// there is no horizontal sum in the loops. Milakov & Gimelshein 2018 (online
// softmax), Dao 2023 (FlashAttention-2).
#if defined(MALMOI_KERNELS_ATTENTION_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef MALMOI_KERNELS_ATTENTION_INL_H_
#undef MALMOI_KERNELS_ATTENTION_INL_H_
#else
#define MALMOI_KERNELS_ATTENTION_INL_H_
#endif

#include <algorithm>
#include <cmath>

#include "kernels/matmul-inl.h"
#include "kernels/rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace malmoi::kernels {
namespace HWY_NAMESPACE {

// scores[q][64] = Σ_d query[q][d]·keys[d][64], d ascending.
template <int kQueries>
void PageScores(const AttentionQuery* queries, const uint16_t* keys,
                int64_t head_dim, float (*scores)[kAttentionPage]) {
  const DF df;
  constexpr int kLanes = kF32Lanes;
  // Sums held in registers: kVectors·kQueries.
  constexpr int kVectors = kLanes == 16 ? 4 : 2;
  for (int first = 0; first < kAttentionPage; first += kVectors * kLanes) {
    VF sums[kQueries][kVectors];
    HWY_UNROLL(8)
    for (int q = 0; q < kQueries; ++q) {
      HWY_UNROLL(4)
      for (int v = 0; v < kVectors; ++v) sums[q][v] = hn::Zero(df);
    }
    for (int64_t d = 0; d < head_dim; ++d) {
      VF key[kVectors];
      HWY_UNROLL(4)
      for (int v = 0; v < kVectors; ++v) {
        key[v] = LoadHalves(keys + d * kAttentionPage + first + v * kLanes);
      }
      HWY_UNROLL(8)
      for (int q = 0; q < kQueries; ++q) {
        const VF query = hn::Set(df, queries[q].query[d]);
        HWY_UNROLL(4)
        for (int v = 0; v < kVectors; ++v) {
          sums[q][v] = hn::MulAdd(query, key[v], sums[q][v]);
        }
      }
    }
    HWY_UNROLL(8)
    for (int q = 0; q < kQueries; ++q) {
      HWY_UNROLL(4)
      for (int v = 0; v < kVectors; ++v) {
        hn::StoreU(sums[q][v], df, scores[q] + first + v * kLanes);
      }
    }
  }
}

// sums[q][head_dim] += Σ_j weights[q][j]·values[j][head_dim], j ascending.
template <int kQueries>
void PageValues(const float (*weights)[kAttentionPage], const uint16_t* values,
                int64_t positions, int64_t head_dim,
                float (*sums)[kMaxHeadDim]) {
  const DF df;
  constexpr int kLanes = kF32Lanes;
  const auto strip = [&](int64_t c, auto vectors) {
    constexpr int kVectors = decltype(vectors)::value;
    VF acc[kQueries][kVectors];
    HWY_UNROLL(8)
    for (int q = 0; q < kQueries; ++q) {
      HWY_UNROLL(4)
      for (int v = 0; v < kVectors; ++v) {
        acc[q][v] = hn::LoadU(df, sums[q] + c + v * kLanes);
      }
    }
    for (int64_t j = 0; j < positions; ++j) {
      VF value[kVectors];
      HWY_UNROLL(4)
      for (int v = 0; v < kVectors; ++v) {
        value[v] = LoadHalves(values + j * head_dim + c + v * kLanes);
      }
      HWY_UNROLL(8)
      for (int q = 0; q < kQueries; ++q) {
        const VF weight = hn::Set(df, weights[q][j]);
        HWY_UNROLL(4)
        for (int v = 0; v < kVectors; ++v) {
          acc[q][v] = hn::MulAdd(weight, value[v], acc[q][v]);
        }
      }
    }
    HWY_UNROLL(8)
    for (int q = 0; q < kQueries; ++q) {
      HWY_UNROLL(4)
      for (int v = 0; v < kVectors; ++v) {
        hn::StoreU(acc[q][v], df, sums[q] + c + v * kLanes);
      }
    }
  };
  int64_t c = 0;
  constexpr int kWide = kLanes == 16 ? 4 : 2;
  for (; c + kWide * kLanes <= head_dim; c += kWide * kLanes) {
    strip(c, std::integral_constant<int, kWide>());
  }
  for (; c < head_dim; c += kLanes) {
    strip(c, std::integral_constant<int, 1>());
  }
}

// A partial softmax: exp(score - largest) summed, and weighted values.
struct Partial {
  float largest[kMaxAttentionQueries];
  float total[kMaxAttentionQueries];
  float sums[kMaxAttentionQueries][kMaxHeadDim];
};

HWY_INLINE void Scale(float* values, float factor, int64_t count) {
  const DF df;
  constexpr int64_t kLanes = kF32Lanes;
  const VF by = hn::Set(df, factor);
  for (int64_t i = 0; i < count; i += kLanes) {
    hn::StoreU(hn::Mul(by, hn::LoadU(df, values + i)), df, values + i);
  }
}

// Scores become weights; rescales what was summed when the largest grows.
HWY_INLINE void PageSoftmax(float* scores, int64_t first, int64_t visible,
                            int q, int64_t head_dim, Partial& partial) {
  const DF df;
  constexpr int kLanes = kF32Lanes;
  if (visible <= std::max<int64_t>(first, 0) || first >= kAttentionPage) {
    std::fill(scores, scores + kAttentionPage, 0.0f);  // it sees nothing here
    return;
  }
  for (int64_t j = 0; j < first; ++j) scores[j] = -1e30f;
  for (int64_t j = visible; j < kAttentionPage; ++j) scores[j] = -1e30f;
  VF top = hn::Set(df, partial.largest[q]);
  for (int j = 0; j < kAttentionPage; j += kLanes) {
    top = hn::Max(top, hn::LoadU(df, scores + j));
  }
  const float largest = hn::GetLane(hn::MaxOfLanes(df, top));
  const VF base = hn::Set(df, largest);
  VF total = hn::Zero(df);
  for (int j = 0; j < kAttentionPage; j += kLanes) {
    const VF weight = hn::Exp(df, hn::Sub(hn::LoadU(df, scores + j), base));
    hn::StoreU(weight, df, scores + j);
    total = hn::Add(total, weight);
  }
  if (largest > partial.largest[q]) {
    const float shrink = hn::GetLane(
        hn::Exp(df, hn::Sub(hn::Set(df, partial.largest[q]), base)));
    partial.total[q] *= shrink;
    Scale(partial.sums[q], shrink, head_dim);
    partial.largest[q] = largest;
  }
  partial.total[q] += LanesInOrder(total);
}

template <int kQueries>
void AttendPage(const AttentionQuery* queries, int first_query,
                const uint16_t* keys, const uint16_t* values,
                int64_t page_start, int64_t head_dim, Partial& partial) {
  HWY_ALIGN float scores[kQueries][kAttentionPage];
  PageScores<kQueries>(queries + first_query, keys, head_dim, scores);
  int64_t positions = 0;
  for (int q = 0; q < kQueries; ++q) {
    const int64_t visible =
        std::min(queries[first_query + q].visible - page_start, kAttentionPage);
    positions = std::max(positions, visible);
    PageSoftmax(scores[q], queries[first_query + q].first - page_start, visible,
                first_query + q, head_dim, partial);
  }
  PageValues<kQueries>(scores, values, positions, head_dim,
                       partial.sums + first_query);
}

HWY_INLINE void Reset(Partial& partial, int count, int64_t head_dim) {
  for (int q = 0; q < count; ++q) {
    partial.largest[q] = -1e30f;
    partial.total[q] = 0;
    std::fill(partial.sums[q], partial.sums[q] + head_dim, 0.0f);
  }
}

// Adds `from` to `to`, the later chunk to the earlier ones.
HWY_INLINE void Merge(Partial& to, const Partial& from, int q,
                      int64_t head_dim) {
  if (from.total[q] == 0) return;
  const float largest = std::max(to.largest[q], from.largest[q]);
  const float old_factor = std::exp(to.largest[q] - largest);
  const float new_factor = std::exp(from.largest[q] - largest);
  to.total[q] = to.total[q] * old_factor + from.total[q] * new_factor;
  for (int64_t d = 0; d < head_dim; ++d) {
    to.sums[q][d] = to.sums[q][d] * old_factor + from.sums[q][d] * new_factor;
  }
  to.largest[q] = largest;
}

// Queries see more positions the later they come (callers order them so).
void Attention(const AttentionQuery* queries, int count,
               const uint16_t* const* keys, const uint16_t* const* values,
               int64_t head_dim) {
  alignas(64) Partial total;
  alignas(64) Partial chunk;
  Reset(total, count, head_dim);
  const int64_t visible = queries[count - 1].visible;
  constexpr int64_t kPages = kAttentionChunk / kAttentionPage;
  for (int64_t start = 0; start < visible; start += kAttentionChunk) {
    Partial& partial = start == 0 ? total : chunk;
    if (start > 0) Reset(chunk, count, head_dim);
    for (int64_t i = 0; i < kPages; ++i) {
      const int64_t page_start = start + i * kAttentionPage;
      if (page_start >= visible) break;
      if (page_start + kAttentionPage <= queries[0].first) continue;
      const int64_t page = page_start / kAttentionPage;
      int q = 0;
      while (queries[q].visible <= page_start) ++q;
      const auto attend = [&](auto n) {
        AttendPage<decltype(n)::value>(queries, q, keys[page], values[page],
                                       page_start, head_dim, partial);
        q += decltype(n)::value;
      };
      while (count - q >= 4) attend(std::integral_constant<int, 4>());
      if (count - q == 3) attend(std::integral_constant<int, 3>());
      if (count - q == 2) attend(std::integral_constant<int, 2>());
      if (count - q == 1) attend(std::integral_constant<int, 1>());
    }
    if (start > 0) {
      for (int q = 0; q < count; ++q) Merge(total, chunk, q, head_dim);
    }
  }
  for (int q = 0; q < count; ++q) {
    const float inverse = 1.0f / total.total[q];
    for (int64_t d = 0; d < head_dim; ++d) {
      queries[q].out[d] = total.sums[q][d] * inverse;
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace malmoi::kernels
HWY_AFTER_NAMESPACE();

#endif  // toggle
