#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/word_kernels.cc"
#define HWY_WANT_SSE4 1
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_EMU128 | HWY_SVE | HWY_SVE2)
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
// After foreach_target.
#include <type_traits>

#include "hwy/contrib/math/math-inl.h"
#include "kernels/word_kernels.h"

HWY_BEFORE_NAMESPACE();
namespace malmoi::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
namespace words {

using DF = hn::CappedTag<float, 16>;
using VF = hn::Vec<DF>;
constexpr int kLanes = hn::MaxLanes(DF());
// A tile of two inputs and six targets needs 12 sums, 2 inputs and a target:
// it fits 16 registers.
constexpr int kMaxX = 2, kMaxY = 6;

// Sums of neighbours of `low`, then of `high`.
HWY_INLINE VF PairSums(VF low, VF high) {
  const DF df;
  return hn::Add(hn::ConcatEven(df, high, low), hn::ConcatOdd(df, high, low));
}

// Halves what is left of a sum, of kCount vectors, until it is one lane.
template <int kWidth, int kCount>
HWY_INLINE void MergeSums(VF* HWY_RESTRICT v) {
  if constexpr (kWidth > 1) {
    constexpr int kNext = (kCount + 1) / 2;
    HWY_UNROLL(8)
    for (int i = 0; i < kNext; ++i) {
      v[i] = PairSums(v[2 * i],
                      2 * i + 1 < kCount ? v[2 * i + 1] : hn::Zero(DF()));
    }
    MergeSums<kWidth / 2, kNext>(v);
  }
}

// The sums over the lanes of kCount vectors, in order, at `out`, and up to
// kLanes - 1 values more.
template <int kCount>
HWY_INLINE void StoreSums(VF* HWY_RESTRICT v, float* HWY_RESTRICT out) {
  if constexpr (kCount > kLanes) {
    StoreSums<kLanes>(v, out);
    StoreSums<kCount - kLanes>(v + kLanes, out + kLanes);
  } else {
    MergeSums<kLanes, kCount>(v);
    hn::StoreU(v[0], DF(), out);
  }
}

// out[i·kY + j] = x[i]·y[j].
template <int kX, int kY>
HWY_INLINE void DotTile(const float* const* HWY_RESTRICT x,
                        const float* const* HWY_RESTRICT y, int64_t columns,
                        float* HWY_RESTRICT out) {
  const DF df;
  VF sums[kX * kY];
  HWY_UNROLL(12)
  for (int c = 0; c < kX * kY; ++c) sums[c] = hn::Zero(df);
  int64_t k = 0;
  for (; k + kLanes <= columns; k += kLanes) {
    VF own[kX];
    HWY_UNROLL(2)
    for (int i = 0; i < kX; ++i) own[i] = hn::LoadU(df, x[i] + k);
    HWY_UNROLL(6)
    for (int j = 0; j < kY; ++j) {
      const VF other = hn::LoadU(df, y[j] + k);
      HWY_UNROLL(2)
      for (int i = 0; i < kX; ++i) {
        sums[i * kY + j] = hn::MulAdd(own[i], other, sums[i * kY + j]);
      }
    }
  }
  StoreSums<kX * kY>(sums, out);
  for (; k < columns; ++k) {
    for (int i = 0; i < kX; ++i) {
      for (int j = 0; j < kY; ++j) out[i * kY + j] += x[i][k] * y[j][k];
    }
  }
}

template <int kY>
HWY_INLINE void DotTiles(const float* const* x, int64_t inputs,
                         const float* const* y, int64_t columns, float* out,
                         int64_t out_stride) {
  alignas(64) float tile[kMaxX * kMaxY + 16];
  int64_t i = 0;
  for (; i + 2 <= inputs; i += 2) {
    DotTile<2, kY>(x + i, y, columns, tile);
    for (int j = 0; j < kY; ++j) {
      out[i * out_stride + j] = tile[j];
      out[(i + 1) * out_stride + j] = tile[kY + j];
    }
  }
  if (i < inputs) {
    DotTile<1, kY>(x + i, y, columns, tile);
    for (int j = 0; j < kY; ++j) out[i * out_stride + j] = tile[j];
  }
}

template <typename F>
HWY_INLINE void WithTargets(int64_t count, F&& f) {
  switch (count) {
    case 1:
      return f(std::integral_constant<int, 1>());
    case 2:
      return f(std::integral_constant<int, 2>());
    case 3:
      return f(std::integral_constant<int, 3>());
    case 4:
      return f(std::integral_constant<int, 4>());
    case 5:
      return f(std::integral_constant<int, 5>());
    default:
      return f(std::integral_constant<int, 6>());
  }
}

void DotQueries(const float* const* queries, int64_t query_count,
                const float* rows, int64_t stride, int64_t count,
                int64_t columns, float* out, int64_t out_stride) {
  for (int64_t r = 0; r < count; r += kMaxY) {
    const int64_t some = count - r < kMaxY ? count - r : kMaxY;
    const float* y[kMaxY];
    for (int64_t j = 0; j < some; ++j) y[j] = rows + (r + j) * stride;
    WithTargets(some, [&](auto kY) {
      DotTiles<kY>(queries, query_count, y, columns, out + r, out_stride);
    });
  }
}

void DotRows(const float* query, const float* rows, int64_t stride,
             int64_t count, int64_t columns, float* out) {
  DotQueries(&query, 1, rows, stride, count, columns, out, count);
}

// x_change[i] += Σ_j g[i·g_stride + j]·y[j].
template <int kX, int kY>
HWY_INLINE void ChangeTile(float* const* HWY_RESTRICT x_change,
                           const float* const* HWY_RESTRICT y,
                           const float* HWY_RESTRICT g, int64_t g_stride,
                           int64_t columns) {
  const DF df;
  VF weights[kX * kY];
  HWY_UNROLL(2)
  for (int i = 0; i < kX; ++i) {
    HWY_UNROLL(6)
    for (int j = 0; j < kY; ++j) {
      weights[i * kY + j] = hn::Set(df, g[i * g_stride + j]);
    }
  }
  for (int64_t k = 0; k < columns; k += kLanes) {
    VF own[kX];
    HWY_UNROLL(2)
    for (int i = 0; i < kX; ++i) own[i] = hn::LoadU(df, x_change[i] + k);
    HWY_UNROLL(6)
    for (int j = 0; j < kY; ++j) {
      const VF other = hn::LoadU(df, y[j] + k);
      HWY_UNROLL(2)
      for (int i = 0; i < kX; ++i) {
        own[i] = hn::MulAdd(weights[i * kY + j], other, own[i]);
      }
    }
    HWY_UNROLL(2)
    for (int i = 0; i < kX; ++i) hn::StoreU(own[i], df, x_change[i] + k);
  }
}

void Step(const WordStep& s) {
  const DF df;
  for (int64_t j = 0; j < s.targets; j += kMaxY) {
    WithTargets(s.targets - j, [&](auto kY) {
      DotTiles<kY>(s.x, s.inputs, s.y + j, s.columns, s.gradients + j,
                   s.targets);
    });
  }
  const VF one = hn::Set(df, 1.0f), rate = hn::Set(df, s.rate);
  const int64_t count = s.inputs * s.targets;
  for (int64_t at = 0; at < count; at += kLanes) {
    const VF dot = hn::LoadU(df, s.gradients + at);
    // Highway's Exp is not defined above 104.
    const VF power = hn::Exp(df, hn::Min(hn::Neg(dot), hn::Set(df, 80.0f)));
    const VF probability = hn::Div(one, hn::Add(one, power));
    hn::StoreU(
        hn::Mul(rate, hn::Sub(hn::LoadU(df, s.labels + at), probability)), df,
        s.gradients + at);
  }
  for (int64_t j = 0; j < s.targets; j += kMaxY) {
    WithTargets(s.targets - j, [&](auto kY) {
      int64_t i = 0;
      for (; i + 2 <= s.inputs; i += 2) {
        ChangeTile<2, kY>(s.x_change + i, s.y + j,
                          s.gradients + i * s.targets + j, s.targets,
                          s.columns);
      }
      if (i < s.inputs) {
        ChangeTile<1, kY>(s.x_change + i, s.y + j,
                          s.gradients + i * s.targets + j, s.targets,
                          s.columns);
      }
    });
  }
}

template <int kX>
HWY_INLINE void AddTile(const float* const* HWY_RESTRICT x,
                        const float* HWY_RESTRICT weights, int64_t stride,
                        int64_t columns, float* HWY_RESTRICT y) {
  const DF df;
  VF w[kX];
  HWY_UNROLL(10)
  for (int i = 0; i < kX; ++i) w[i] = hn::Set(df, weights[i * stride]);
  for (int64_t k = 0; k < columns; k += kLanes) {
    VF sum = hn::LoadU(df, y + k);
    HWY_UNROLL(10)
    for (int i = 0; i < kX; ++i) {
      sum = hn::MulAdd(w[i], hn::LoadU(df, x[i] + k), sum);
    }
    hn::StoreU(sum, df, y + k);
  }
}

void AddWeighted(const float* const* x, const float* weights,
                 int64_t weight_stride, int64_t count, int64_t columns,
                 float* y) {
  int64_t i = 0;
  const auto add = [&](auto kX) {
    AddTile<kX>(x + i, weights + i * weight_stride, weight_stride, columns, y);
    i += kX;
  };
  while (count - i >= 10) add(std::integral_constant<int, 10>());
  if (count - i >= 8) add(std::integral_constant<int, 8>());
  if (count - i >= 6) add(std::integral_constant<int, 6>());
  if (count - i >= 4) add(std::integral_constant<int, 4>());
  if (count - i >= 2) add(std::integral_constant<int, 2>());
  if (count - i >= 1) add(std::integral_constant<int, 1>());
}

const WordKernelTable* Table() {
  static constexpr WordKernelTable kTable = {
      .name = HWY_TARGET == HWY_SSE4   ? "SSE4"
              : HWY_TARGET == HWY_AVX2 ? "AVX2"
              : HWY_TARGET == HWY_AVX3 ? "AVX512"
                                       : "NEON",
      .dot_queries = DotQueries,
      .dot_rows = DotRows,
      .word_step = Step,
      .add_weighted = AddWeighted,
  };
  return &kTable;
}

}  // namespace words
}  // namespace HWY_NAMESPACE
}  // namespace malmoi::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/beside.h"
#include "kernels/kernels.h"

namespace malmoi::kernels {

namespace {

// The plain twins.
void ScalarDotQueries(const float* const* queries, int64_t query_count,
                      const float* rows, int64_t stride, int64_t count,
                      int64_t columns, float* out, int64_t out_stride) {
  for (int64_t q = 0; q < query_count; ++q) {
    for (int64_t r = 0; r < count; ++r) {
      float sum = 0;
      for (int64_t k = 0; k < columns; ++k) {
        sum += queries[q][k] * rows[r * stride + k];
      }
      out[q * out_stride + r] = sum;
    }
  }
}

void ScalarDotRows(const float* query, const float* rows, int64_t stride,
                   int64_t count, int64_t columns, float* out) {
  ScalarDotQueries(&query, 1, rows, stride, count, columns, out, count);
}

void ScalarStep(const WordStep& s) {
  for (int64_t i = 0; i < s.inputs; ++i) {
    for (int64_t j = 0; j < s.targets; ++j) {
      float dot = 0;
      for (int64_t k = 0; k < s.columns; ++k) dot += s.x[i][k] * s.y[j][k];
      s.gradients[i * s.targets + j] =
          s.rate *
          (s.labels[i * s.targets + j] - 1.0f / (1.0f + std::exp(-dot)));
    }
  }
  for (int64_t i = 0; i < s.inputs; ++i) {
    for (int64_t j = 0; j < s.targets; ++j) {
      for (int64_t k = 0; k < s.columns; ++k) {
        s.x_change[i][k] += s.gradients[i * s.targets + j] * s.y[j][k];
      }
    }
  }
}

void ScalarAddWeighted(const float* const* x, const float* weights,
                       int64_t weight_stride, int64_t count, int64_t columns,
                       float* y) {
  for (int64_t i = 0; i < count; ++i) {
    for (int64_t k = 0; k < columns; ++k) {
      y[k] += weights[i * weight_stride] * x[i][k];
    }
  }
}

std::vector<const WordKernelTable*> FindTables() {
#if defined(HWY_COMPILE_ONLY_STATIC)
  return BesideKernels<WordKernelTable>(
      {.scalar = &ScalarWordKernels(),
       .neon = HWY_STATIC_DISPATCH(words::Table)()});
#else
  return BesideKernels<WordKernelTable>({.scalar = &ScalarWordKernels(),
                                         .sse4 = N_SSE4::words::Table(),
                                         .avx2 = N_AVX2::words::Table(),
                                         .avx3 = N_AVX3::words::Table()});
#endif
}

}  // namespace

const WordKernelTable& ScalarWordKernels() {
  static constexpr WordKernelTable kTable = {
      .name = "SCALAR",
      .dot_queries = ScalarDotQueries,
      .dot_rows = ScalarDotRows,
      .word_step = ScalarStep,
      .add_weighted = ScalarAddWeighted,
  };
  return kTable;
}

std::span<const WordKernelTable* const> AllWordKernels() {
  static const std::vector<const WordKernelTable*> tables = FindTables();
  return tables;
}

const WordKernelTable& WordKernels() { return BesideChosen(AllWordKernels()); }

}  // namespace malmoi::kernels
#endif  // HWY_ONCE
