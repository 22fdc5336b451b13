// Softmax attention over the pages of one kv head: a vector lane is a position
// while scores are computed and a component while values are summed, so there
// is no horizontal sum in the loops. Many queries convert a page to floats
// once; few read it as it lies and ask for the next one meanwhile. Milakov &
// Gimelshein 2018 (online softmax), Dao 2023 (FlashAttention-2).
#if defined(MALMOI_KERNELS_ATTENTION_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef MALMOI_KERNELS_ATTENTION_INL_H_
#undef MALMOI_KERNELS_ATTENTION_INL_H_
#else
#define MALMOI_KERNELS_ATTENTION_INL_H_
#endif

#include <algorithm>
#include <utility>

#include "kernels/attention.h"
#include "kernels/decode-inl.h"
#include "kernels/dot-inl.h"
#include "kernels/rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace malmoi::kernels {
namespace MALMOI_TARGET {

// Queries that share every load of a key or value.
constexpr int kTileQueries = 6;
// Vectors of keys or values beside a tile of so many queries: sums stay in
// registers (16, or 32), and hide the latency of a multiply-add.
constexpr int TileVectors(int queries) {
  constexpr int kSums =
      HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_SSE4 ? 12 : 24;
  return queries == 1 ? 8 : queries <= kSums / 4 ? 4 : 2;
}
constexpr float kUnseen = -1e30f;

// Elements of a page as floats; bytes are codes, whose scales come apart.
HWY_INLINE VF LoadElements(const float* at) { return hn::LoadU(DF(), at); }
HWY_INLINE VF LoadElements(const hwy::float16_t* at) { return LoadHalves(at); }
HWY_INLINE VF LoadElements(const int8_t* at) {
  const hn::Rebind<int8_t, DF> d8;
  return hn::ConvertTo(DF(), hn::PromoteTo(DI(), hn::LoadU(d8, at)));
}

// Asks for the lines of what is read next, some at every step.
class Prefetcher {
 public:
  Prefetcher(const std::byte* at, size_t bytes, int64_t steps)
      : at_(at),
        end_(at == nullptr ? at : at + bytes),
        step_((bytes / 64 + static_cast<size_t>(steps) - 1) /
              static_cast<size_t>(steps) * 64) {}
  HWY_INLINE void Step() {
    if (at_ >= end_) return;
    for (size_t i = 0; i < step_; i += 64) __builtin_prefetch(at_ + i);
    at_ += step_;
  }

 private:
  const std::byte* at_;
  const std::byte* end_;
  size_t step_;
};

// scores[q][j] = Σ_d query[d][q]·keys[d][j], d ascending, for kVectors vectors
// of positions at once, until there are `positions`.
template <int kQueries, int kVectors, typename T>
HWY_NOINLINE void PageScores(const float* HWY_RESTRICT queries,
                             const T* HWY_RESTRICT keys, int64_t head_dim,
                             int64_t positions, Prefetcher ahead,
                             float* HWY_RESTRICT scores) {
  const DF df;
  constexpr int kLanes = kF32Lanes;
  for (int first = 0; first < positions; first += kVectors * kLanes) {
    VF sums[kQueries][kVectors];
    HWY_UNROLL(8)
    for (int q = 0; q < kQueries; ++q) {
      HWY_UNROLL(8)
      for (int v = 0; v < kVectors; ++v) sums[q][v] = hn::Zero(df);
    }
    for (int64_t d = 0; d < head_dim; ++d) {
      if constexpr (kQueries < kTileQueries) ahead.Step();
      VF key[kVectors];
      HWY_UNROLL(8)
      for (int v = 0; v < kVectors; ++v) {
        key[v] = LoadElements(keys + d * kAttentionPage + first + v * kLanes);
      }
      HWY_UNROLL(8)
      for (int q = 0; q < kQueries; ++q) {
        const VF query = hn::Set(df, queries[d * kQueries + q]);
        HWY_UNROLL(8)
        for (int v = 0; v < kVectors; ++v) {
          sums[q][v] = hn::MulAdd(query, key[v], sums[q][v]);
        }
      }
    }
    HWY_UNROLL(8)
    for (int q = 0; q < kQueries; ++q) {
      HWY_UNROLL(8)
      for (int v = 0; v < kVectors; ++v) {
        hn::StoreU(sums[q][v], df,
                   scores + q * kAttentionPage + first + v * kLanes);
      }
    }
  }
}

// The queries of a tile in 8 bits: codes [q][head_dim], a scale per 32.
struct QueryCodes {
  const int8_t* codes;
  const float* scales;
};

// The same of codes: integers within 32 components, then
// score = fma(float(Σ code·code), scale_k·scale_q, score), blocks ascending.
template <int kQueries>
HWY_NOINLINE void CodeScores(const QueryCodes& queries, const std::byte* page,
                             int64_t head_dim, Prefetcher ahead,
                             float* HWY_RESTRICT scores) {
  const DF df;
  constexpr int kLanes = kF32Lanes;
  constexpr int kVectors = kQueries == 1 ? 2 : 1;
  const int64_t blocks = head_dim / 32;
  const std::byte* scales = page + head_dim * kAttentionPage;
  for (int first = 0; first < kAttentionPage; first += kVectors * kLanes) {
    VF sums[kQueries][kVectors];
    HWY_UNROLL(8)
    for (int q = 0; q < kQueries; ++q) {
      HWY_UNROLL(2)
      for (int v = 0; v < kVectors; ++v) sums[q][v] = hn::Zero(df);
    }
    for (int64_t b = 0; b < blocks; ++b) {
      VI dots[kQueries][kVectors];
      HWY_UNROLL(8)
      for (int q = 0; q < kQueries; ++q) {
        HWY_UNROLL(2)
        for (int v = 0; v < kVectors; ++v) dots[q][v] = hn::Zero(DI());
      }
      const std::byte* codes = page + (b * 8 * kAttentionPage + first) * 4;
      HWY_UNROLL(8)
      for (int w = 0; w < 8; ++w) {
        HWY_UNROLL(2)
        for (int v = 0; v < kVectors; ++v) {
          const ByteWeights key(
              LoadCodes(codes + (w * kAttentionPage + v * kLanes) * 4));
          HWY_UNROLL(8)
          for (int q = 0; q < kQueries; ++q) {
            const VI four =
                BroadcastFour(queries.codes + q * head_dim + b * 32 + w * 4);
            dots[q][v] = DotBytes(dots[q][v], key, four, One());
          }
        }
      }
      if constexpr (kQueries < kTileQueries) ahead.Step();
      HWY_UNROLL(2)
      for (int v = 0; v < kVectors; ++v) {
        const VF scale =
            LoadHalves(scales + (b * kAttentionPage + first + v * kLanes) * 2);
        HWY_UNROLL(8)
        for (int q = 0; q < kQueries; ++q) {
          const VF both =
              hn::Mul(scale, hn::Set(df, queries.scales[q * blocks + b]));
          sums[q][v] =
              hn::MulAdd(hn::ConvertTo(df, dots[q][v]), both, sums[q][v]);
        }
      }
    }
    HWY_UNROLL(8)
    for (int q = 0; q < kQueries; ++q) {
      HWY_UNROLL(2)
      for (int v = 0; v < kVectors; ++v) {
        hn::StoreU(sums[q][v], df,
                   scores + q * kAttentionPage + first + v * kLanes);
      }
    }
  }
}

// sums[q][c..] += Σ_j weights[q][j]·values[j][c..], j ascending, for kVectors
// vectors of components.
template <int kQueries, int kVectors, typename T>
HWY_INLINE void ValueStrip(const float* HWY_RESTRICT weights,
                           int64_t weight_step, const T* HWY_RESTRICT values,
                           int64_t positions, int64_t head_dim,
                           Prefetcher& ahead, float* HWY_RESTRICT sums) {
  const DF df;
  constexpr int kLanes = kF32Lanes;
  VF acc[kQueries][kVectors];
  HWY_UNROLL(8)
  for (int q = 0; q < kQueries; ++q) {
    HWY_UNROLL(12)
    for (int v = 0; v < kVectors; ++v) {
      acc[q][v] = hn::LoadU(df, sums + q * head_dim + v * kLanes);
    }
  }
  for (int64_t j = 0; j < positions; ++j) {
    if constexpr (kQueries < kTileQueries) ahead.Step();
    VF value[kVectors];
    HWY_UNROLL(12)
    for (int v = 0; v < kVectors; ++v) {
      value[v] = LoadElements(values + j * head_dim + v * kLanes);
    }
    HWY_UNROLL(8)
    for (int q = 0; q < kQueries; ++q) {
      const VF weight = hn::Set(df, weights[q * weight_step + j]);
      HWY_UNROLL(12)
      for (int v = 0; v < kVectors; ++v) {
        acc[q][v] = hn::MulAdd(weight, value[v], acc[q][v]);
      }
    }
  }
  HWY_UNROLL(8)
  for (int q = 0; q < kQueries; ++q) {
    HWY_UNROLL(12)
    for (int v = 0; v < kVectors; ++v) {
      hn::StoreU(acc[q][v], df, sums + q * head_dim + v * kLanes);
    }
  }
}

// All components. `block_step`: from the weights of 32 components to those of
// the next 32, which differ where values have scales; else 0.
template <int kQueries, typename T>
HWY_NOINLINE void PageValues(const float* HWY_RESTRICT weights,
                             int64_t weight_step, int64_t block_step,
                             const T* HWY_RESTRICT values, int64_t positions,
                             int64_t head_dim, Prefetcher ahead,
                             float* HWY_RESTRICT sums) {
  constexpr int kLanes = kF32Lanes;
  // A block of scales is 32 components: strips do not cross it.
  constexpr int kMost = 32 / kLanes;
  constexpr int kWide = std::min(kMost, TileVectors(kQueries));
  const auto strip = [&](int64_t c, auto vectors) {
    ValueStrip<kQueries, decltype(vectors)::value>(
        weights + c / 32 * block_step, weight_step, values + c, positions,
        head_dim, ahead, sums + c);
  };
  int64_t c = 0;
  for (; c + kWide * kLanes <= head_dim; c += kWide * kLanes) {
    strip(c, std::integral_constant<int, kWide>());
  }
  for (; c < head_dim; c += kLanes) {
    strip(c, std::integral_constant<int, 1>());
  }
}

// exp(x) of x <= 0 to about 2 ulp; exactly 0 below -87.
HWY_INLINE VF ExpOfNegative(VF x) {
  const DF df;
  // Added to 1.5·2^23 a number is rounded to an integer in the low bits.
  const VF magic = hn::Set(df, 12582912.0f);
  const VF moved = hn::MulAdd(x, hn::Set(df, 1.44269504088896341f), magic);
  const VF n = hn::Sub(moved, magic);
  VF r = hn::NegMulAdd(n, hn::Set(df, 0.693359375f), x);
  r = hn::NegMulAdd(n, hn::Set(df, -2.12194440e-4f), r);
  VF p = hn::Set(df, 1.0f / 720);
  p = hn::MulAdd(p, r, hn::Set(df, 1.0f / 120));
  p = hn::MulAdd(p, r, hn::Set(df, 1.0f / 24));
  p = hn::MulAdd(p, r, hn::Set(df, 1.0f / 6));
  p = hn::MulAdd(p, r, hn::Set(df, 0.5f));
  p = hn::MulAdd(p, r, hn::Set(df, 1.0f));
  p = hn::MulAdd(p, r, hn::Set(df, 1.0f));
  const VI exponent = hn::ShiftLeft<23>(hn::BitCast(DI(), moved));
  const VF result = hn::BitCast(df, hn::Add(hn::BitCast(DI(), p), exponent));
  return hn::IfThenZeroElse(hn::Lt(x, hn::Set(df, -87.0f)), result);
}

HWY_INLINE void Scale(float* values, float factor, int64_t count) {
  const DF df;
  constexpr int64_t kLanes = kF32Lanes;
  const VF by = hn::Set(df, factor);
  for (int64_t i = 0; i < count; i += kLanes) {
    hn::StoreU(hn::Mul(by, hn::LoadU(df, values + i)), df, values + i);
  }
}

// How many lanes of a vector, of a count that may be less than none or more
// than all.
HWY_INLINE size_t Lanes(int64_t count) {
  return static_cast<size_t>(std::clamp<int64_t>(count, 0, kF32Lanes));
}

// Scores become weights; rescales what was summed when the largest grows. Of
// the `positions` that some query sees, whole vectors.
HWY_INLINE void PageSoftmax(float* scores, int64_t first, int64_t visible,
                            int64_t positions, int q, int64_t head_dim,
                            const AttentionState& state) {
  const DF df;
  constexpr int kLanes = kF32Lanes;
  if (visible <= std::max<int64_t>(first, 0) || first >= kAttentionPage) {
    std::fill(scores, scores + positions, 0.0f);  // it sees nothing here
    return;
  }
  if (first > 0 || visible < positions) {
    const VF unseen = hn::Set(df, kUnseen);
    for (int64_t j = 0; j < positions; j += kLanes) {
      if (j >= first && j + kLanes <= visible) continue;
      const auto before = hn::FirstN(df, Lanes(visible - j));
      const auto behind = hn::FirstN(df, Lanes(first - j));
      const VF seen = hn::IfThenElse(before, hn::LoadU(df, scores + j), unseen);
      hn::StoreU(hn::IfThenElse(behind, unseen, seen), df, scores + j);
    }
  }
  VF top = hn::Set(df, state.largest[q]);
  for (int64_t j = 0; j < positions; j += kLanes) {
    top = hn::Max(top, hn::LoadU(df, scores + j));
  }
  const float largest = hn::GetLane(hn::MaxOfLanes(df, top));
  const VF base = hn::Set(df, largest);
  VF total = hn::Zero(df);
  for (int64_t j = 0; j < positions; j += kLanes) {
    const VF weight = ExpOfNegative(hn::Sub(hn::LoadU(df, scores + j), base));
    hn::StoreU(weight, df, scores + j);
    total = hn::Add(total, weight);
  }
  if (largest > state.largest[q]) {
    const float shrink = hn::GetLane(
        ExpOfNegative(hn::Sub(hn::Set(df, state.largest[q]), base)));
    state.total[q] *= shrink;
    Scale(state.sums + q * head_dim, shrink, head_dim);
    state.largest[q] = largest;
  }
  state.total[q] += hn::GetLane(hn::SumOfLanes(df, total));
}

template <typename T>
void ToFloats(const std::byte* from, int64_t count, float* to) {
  const T* elements = reinterpret_cast<const T*>(from);
  for (int64_t i = 0; i < count; i += kF32Lanes) {
    hn::StoreU(LoadElements(elements + i), DF(), to + i);
  }
}

// Calls function with the width of a tile as a constant.
template <typename F>
HWY_INLINE void WithQueries(int count, F&& function) {
  switch (count) {
    case 1:
      return function(std::integral_constant<int, 1>());
    case 2:
      return function(std::integral_constant<int, 2>());
    case 3:
      return function(std::integral_constant<int, 3>());
    case 4:
      return function(std::integral_constant<int, 4>());
    case 5:
      return function(std::integral_constant<int, 5>());
    default:
      return function(std::integral_constant<int, kTileQueries>());
  }
}

// One chunk: the queries in tiles, and scratch cut into its parts.
class ChunkWorker {
 public:
  ChunkWorker(const AttentionInput& in, const AttentionState& state)
      : in_(in), state_(state), dim_(in.head_dim), blocks_(in.head_dim / 32) {
    const int64_t rounded =
        (in.count + kTileQueries - 1) / kTileQueries * kTileQueries;
    queries_ = in.scratch;
    scores_ = queries_ + rounded * dim_;
    weights_ = scores_ + rounded * kAttentionPage;
    page_ = weights_ + kTileQueries * blocks_ * kAttentionPage;
    if (in.type == KvType::kQ8) {
      QuantizeQueries();
    } else {
      PackQueries();
    }
    for (int q = 0; q < in.count; ++q) {
      state.largest[q] = kUnseen;
      state.total[q] = 0;
    }
    std::fill(state.sums, state.sums + in.count * dim_, 0.0f);
  }

  void Page(int64_t page, const std::byte* next) {
    const int64_t start = page * kAttentionPage;
    const AttentionQuery* queries = in_.queries;
    int begin = 0, end = in_.count;  // who sees something of it
    while (begin < end && queries[begin].visible <= start) ++begin;
    while (end > begin && queries[end - 1].first >= start + kAttentionPage) {
      --end;
    }
    if (begin == end) return;
    begin = begin / kTileQueries * kTileQueries;
    const bool many = end - begin > kTileQueries;
    const int last = std::min(in_.count, TileEnd(end));
    int64_t positions = 0;  // which some query sees
    for (int q = begin; q < last; ++q) {
      positions = std::max(positions, queries[q].visible - start);
    }
    positions = std::min(positions, kAttentionPage);
    const int64_t whole = (positions + kF32Lanes - 1) / kF32Lanes * kF32Lanes;
    Scores(page, begin, end, many, whole);
    for (int q = begin; q < last; ++q) {
      const int64_t visible =
          std::min(queries[q].visible - start, kAttentionPage);
      if (visible > 0 && (in_.softcap > 0 || queries[q].bias != nullptr)) {
        AdjustScores(in_, queries[q], start, visible,
                     scores_ + q * kAttentionPage);
      }
      PageSoftmax(scores_ + q * kAttentionPage, queries[q].first - start,
                  visible, whole, q, dim_, state_);
    }
    Values(page, begin, end, many, positions, next);
  }

 private:
  static int TileEnd(int query) {
    return (query + kTileQueries - 1) / kTileQueries * kTileQueries;
  }

  // [tile][head_dim][queries of the tile]
  void PackQueries() {
    for (int first = 0; first < in_.count; first += kTileQueries) {
      const int count = std::min(kTileQueries, in_.count - first);
      float* to = queries_ + first * dim_;
      for (int64_t d = 0; d < dim_; ++d) {
        for (int q = 0; q < count; ++q) {
          *to++ = in_.queries[first + q].query[d];
        }
      }
    }
  }
  // Codes [query][head_dim], then the scales [query][blocks].
  void QuantizeQueries() {
    codes_ = reinterpret_cast<int8_t*>(queries_);
    scales_ = queries_ + in_.count * (dim_ / 4);
    float* unused = scales_ + in_.count * blocks_;
    for (int q = 0; q < in_.count; ++q) {
      Int8Rows row;
      row.rows = 1;
      row.columns = dim_;
      row.codes = codes_ + q * dim_;
      row.scales = scales_ + q * blocks_;
      row.sums = unused;
      QuantizeRow(in_.queries[q].query, row, 0, 0, dim_);
    }
  }

  template <typename F>
  void ForTiles(int begin, int end, F&& function) const {
    for (int first = begin; first < end; first += kTileQueries) {
      WithQueries(std::min(kTileQueries, in_.count - first),
                  [&](auto count) { function(first, count); });
    }
  }

  void Scores(int64_t page, int begin, int end, bool many, int64_t positions) {
    const std::byte* keys = in_.keys[page];
    const size_t bytes = KvPageBytes(in_.type, dim_);
    const auto scores = [&](const auto* elements, Prefetcher ahead) {
      ForTiles(begin, end, [&](int first, auto count) {
        constexpr int kCount = decltype(count)::value;
        constexpr int kAll = static_cast<int>(kAttentionPage) / kF32Lanes;
        constexpr int kWide = std::min(kAll, TileVectors(kCount));
        const auto run = [&](auto vectors) {
          PageScores<kCount, decltype(vectors)::value>(
              queries_ + first * dim_, elements, dim_, positions, ahead,
              scores_ + first * kAttentionPage);
        };
        if (positions > kF32Lanes) {
          run(std::integral_constant<int, kWide>());
        } else {
          run(std::integral_constant<int, 1>());
        }
      });
    };
    const Prefetcher values(in_.values[page], bytes, dim_);
    if (in_.type == KvType::kQ8) {
      const Prefetcher ahead(in_.values[page], bytes,
                             blocks_ * kAttentionPage / (2 * kF32Lanes));
      ForTiles(begin, end, [&](int first, auto count) {
        CodeScores<decltype(count)::value>(
            {codes_ + first * dim_, scales_ + first * blocks_}, keys, dim_,
            ahead, scores_ + first * kAttentionPage);
      });
    } else if (in_.type == KvType::kF32) {
      scores(reinterpret_cast<const float*>(keys), values);
    } else if (many) {
      ToFloats<hwy::float16_t>(keys, dim_ * kAttentionPage, page_);
      scores(page_, values);
    } else {
      scores(reinterpret_cast<const hwy::float16_t*>(keys), values);
    }
  }

  void Values(int64_t page, int begin, int end, bool many, int64_t positions,
              const std::byte* next) {
    const std::byte* values = in_.values[page];
    const int64_t elements = positions * dim_;
    const Prefetcher ahead(next, KvPageBytes(in_.type, dim_),
                           std::max<int64_t>(1, positions * dim_ / 32));
    const auto sum = [&](const auto* from) {
      ForTiles(begin, end, [&](int first, auto count) {
        constexpr int kCount = decltype(count)::value;
        const float* weights = scores_ + first * kAttentionPage;
        int64_t block_step = 0;
        if (in_.type == KvType::kQ8) {
          WeighScales<kCount>(weights, values);
          weights = weights_;
          block_step = kCount * kAttentionPage;
        }
        PageValues<kCount>(weights, kAttentionPage, block_step, from, positions,
                           dim_, ahead, state_.sums + first * dim_);
      });
    };
    if (in_.type == KvType::kF32) {
      sum(reinterpret_cast<const float*>(values));
    } else if (in_.type == KvType::kF16) {
      if (many) {
        ToFloats<hwy::float16_t>(values, elements, page_);
        sum(static_cast<const float*>(page_));
      } else {
        sum(reinterpret_cast<const hwy::float16_t*>(values));
      }
    } else if (many) {
      ToFloats<int8_t>(values, elements, page_);
      sum(static_cast<const float*>(page_));
    } else {
      sum(reinterpret_cast<const int8_t*>(values));
    }
  }

  // weights_[block][q][j] = weights[q][j]·scales[block][j].
  template <int kCount>
  void WeighScales(const float* weights, const std::byte* values) {
    const std::byte* scales = values + dim_ * kAttentionPage;
    for (int64_t b = 0; b < blocks_; ++b) {
      for (int64_t j = 0; j < kAttentionPage; j += kF32Lanes) {
        const VF scale = LoadHalves(scales + (b * kAttentionPage + j) * 2);
        HWY_UNROLL(8)
        for (int q = 0; q < kCount; ++q) {
          const int64_t at = q * kAttentionPage + j;
          hn::StoreU(hn::Mul(scale, hn::LoadU(DF(), weights + at)), DF(),
                     weights_ + b * kCount * kAttentionPage + at);
        }
      }
    }
  }

  const AttentionInput& in_;
  const AttentionState& state_;
  int64_t dim_, blocks_;
  float* queries_;
  float* scores_;   // [queries][64]
  float* weights_;  // of a tile, times scales of values
  float* page_;     // keys, then values, as floats
  int8_t* codes_ = nullptr;
  float* scales_ = nullptr;
};

void AttendChunk(const AttentionInput& in, int64_t chunk,
                 const AttentionState& state) {
  ChunkWorker worker(in, state);
  const int64_t visible = in.queries[in.count - 1].visible;
  const int64_t first = in.queries[0].first;
  constexpr int64_t kPages = kAttentionChunk / kAttentionPage;
  for (int64_t i = 0; i < kPages; ++i) {
    const int64_t page = chunk * kPages + i;
    if (page * kAttentionPage >= visible) break;
    if ((page + 1) * kAttentionPage <= first) continue;
    const bool last = (page + 1) * kAttentionPage >= visible;
    worker.Page(page, last ? nullptr : in.keys[page + 1]);
  }
}

}  // namespace MALMOI_TARGET
}  // namespace malmoi::kernels
HWY_AFTER_NAMESPACE();

#endif  // toggle
