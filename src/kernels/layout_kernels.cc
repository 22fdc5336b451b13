#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/layout_kernels.cc"
#define HWY_WANT_SSE4 1
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_EMU128 | HWY_SVE | HWY_SVE2)
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
// After foreach_target.
#include "hwy/contrib/math/math-inl.h"
#include "kernels/layout_kernels.h"

#ifndef MALMOI_KERNELS_LAYOUT_SHARED
#define MALMOI_KERNELS_LAYOUT_SHARED
namespace malmoi::kernels {
// Where a vertex's random numbers begin in an epoch (Steele et al. 2014,
// SplitMix64's finalizer).
inline uint32_t FirstNumber(uint64_t seed, int32_t vertex) {
  uint64_t x = seed + 0x9E3779B97F4A7C15ull * static_cast<uint64_t>(vertex + 1);
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
  return static_cast<uint32_t>(x >> 32);
}
inline constexpr float kMaxForce = 4;
inline constexpr float kLeastSquare = 1e-18f;
}  // namespace malmoi::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace malmoi::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
namespace layout {

// A neighbour and five others fit eight lanes.
using DF = hn::CappedTag<float, 8>;
using DU = hn::RebindToUnsigned<DF>;
using DI = hn::RebindToSigned<DF>;
using VF = hn::Vec<DF>;
constexpr int kLanes = hn::MaxLanes(DF());

// Numbers spread over [0, points) (the finalizer of MurmurHash3, Appleby).
HWY_INLINE hn::Vec<DI> Others(hn::Vec<DU> x, VF scale, hn::Vec<DI> last) {
  const DU du;
  x = hn::Xor(x, hn::ShiftRight<16>(x));
  x = hn::Mul(x, hn::Set(du, 0x85EBCA6Bu));
  x = hn::Xor(x, hn::ShiftRight<13>(x));
  x = hn::Mul(x, hn::Set(du, 0xC2B2AE35u));
  x = hn::Xor(x, hn::ShiftRight<16>(x));
  const auto bits = hn::BitCast(DI(), hn::ShiftRight<8>(x));
  const VF fraction = hn::Mul(hn::ConvertTo(DF(), bits), scale);
  return hn::Min(hn::ConvertTo(DI(), fraction), last);
}

template <int kDims>
int64_t MoveIn(const LayoutStep& s, const int32_t* vertices, int64_t count,
               float* moved, const LayoutPulls& pulls) {
  int64_t pulled = 0;
  const DF df;
  const DU du;
  const DI di;
  const int dims = kDims > 0 ? kDims : static_cast<int>(s.dimensions);
  constexpr int kRoom = kDims > 0 ? kDims : kMaxMapDimensions;
  const VF scale = hn::Set(df, static_cast<float>(s.points) * 0x1.0p-24f);
  const auto last = hn::Set(di, static_cast<int32_t>(s.points - 1));
  const VF a = hn::Set(df, s.a), b = hn::Set(df, s.b);
  const VF push = hn::Set(df, 2 * s.b * s.repulsion),
           draw = hn::Set(df, -2 * s.b);
  const VF most = hn::Set(df, kMaxForce), least = hn::Set(df, -kMaxForce);
  const auto steps = hn::Iota(du, 0);
  const auto first_lane = hn::FirstN(df, 1);
  const int lanes = 1 + s.negatives;
  for (int64_t i = 0; i < count; ++i) {
    const int32_t vertex = vertices[i];
    float own[kRoom];
    for (int d = 0; d < dims; ++d) own[d] = s.positions[d * s.points + vertex];
    uint32_t number = FirstNumber(s.seed, vertex);
    for (int64_t e = s.starts[vertex]; e < s.starts[vertex + 1]; ++e) {
      if (s.due[e] > s.epoch) continue;
      s.due[e] += s.intervals[e];
      VF sums[kRoom];
      float pull[kRoom];
      for (int d = 0; d < dims; ++d) sums[d] = hn::Zero(df);
      for (int lane = 0; lane < lanes; lane += kLanes) {
        const auto numbers =
            hn::Add(hn::Set(du, number + static_cast<uint32_t>(lane)), steps);
        auto other = Others(numbers, scale, last);
        auto drawn = hn::FirstN(df, 0);
        if (lane == 0) {
          drawn = first_lane;
          other = hn::IfThenElse(hn::RebindMask(di, drawn),
                                 hn::Set(di, s.others[e]), other);
        }
        VF away[kRoom];
        VF square = hn::Zero(df);
        for (int d = 0; d < dims; ++d) {
          away[d] =
              hn::Sub(hn::Set(df, own[d]),
                      hn::GatherIndex(df, s.positions + d * s.points, other));
          square = hn::MulAdd(away[d], away[d], square);
        }
        square = hn::Max(square, hn::Set(df, kLeastSquare));
        const VF curve =
            hn::Mul(a, hn::Exp(df, hn::Mul(b, hn::Log(df, square))));
        const VF above = hn::IfThenElse(drawn, hn::Mul(draw, curve), push);
        const VF below =
            hn::IfThenElse(drawn, square, hn::Add(square, hn::Set(df, 0.001f)));
        VF force =
            hn::Div(above, hn::Mul(below, hn::Add(curve, hn::Set(df, 1.0f))));
        if (lane + kLanes > lanes) {
          force = hn::IfThenElseZero(
              hn::FirstN(df, static_cast<size_t>(lanes - lane)), force);
        }
        for (int d = 0; d < dims; ++d) {
          const VF change =
              hn::Max(least, hn::Min(most, hn::Mul(force, away[d])));
          if (lane == 0) pull[d] = hn::GetLane(change);
          sums[d] = hn::Add(sums[d], change);
        }
      }
      number += static_cast<uint32_t>((lanes + 7) / 8 * 8);
      pulls.others[pulled] = s.others[e];
      for (int d = 0; d < dims; ++d) {
        own[d] += s.rate * hn::GetLane(hn::SumOfLanes(df, sums[d]));
        pulls.changes[pulled * dims + d] = -s.rate * pull[d];
      }
      ++pulled;
    }
    for (int d = 0; d < dims; ++d) moved[i * dims + d] = own[d];
  }
  return pulled;
}

int64_t Move(const LayoutStep& s, const int32_t* vertices, int64_t count,
             float* moved, const LayoutPulls& pulls) {
  if (s.dimensions == 2) return MoveIn<2>(s, vertices, count, moved, pulls);
  if (s.dimensions == 3) return MoveIn<3>(s, vertices, count, moved, pulls);
  return MoveIn<0>(s, vertices, count, moved, pulls);
}

const LayoutKernelTable* Table() {
  static constexpr LayoutKernelTable kTable = {
      .name = HWY_TARGET == HWY_SSE4   ? "SSE4"
              : HWY_TARGET == HWY_AVX2 ? "AVX2"
              : HWY_TARGET == HWY_AVX3 ? "AVX512"
                                       : "NEON",
      .move = Move,
  };
  return &kTable;
}

}  // namespace layout
}  // namespace HWY_NAMESPACE
}  // namespace malmoi::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/kernels.h"

namespace malmoi::kernels {

namespace {

uint32_t Mix(uint32_t x) {
  x ^= x >> 16;
  x *= 0x85EBCA6Bu;
  x ^= x >> 13;
  x *= 0xC2B2AE35u;
  return x ^ (x >> 16);
}

// The plain twin.
int64_t ScalarMove(const LayoutStep& s, const int32_t* vertices, int64_t count,
                   float* moved, const LayoutPulls& pulls) {
  int64_t pulled = 0;
  const float scale = static_cast<float>(s.points) * 0x1.0p-24f;
  for (int64_t i = 0; i < count; ++i) {
    const int32_t vertex = vertices[i];
    float* own = moved + i * s.dimensions;
    for (int64_t d = 0; d < s.dimensions; ++d) {
      own[d] = s.positions[d * s.points + vertex];
    }
    uint32_t number = FirstNumber(s.seed, vertex);
    for (int64_t e = s.starts[vertex]; e < s.starts[vertex + 1]; ++e) {
      if (s.due[e] > s.epoch) continue;
      s.due[e] += s.intervals[e];
      float sum[kMaxMapDimensions] = {};
      for (int lane = 0; lane <= s.negatives; ++lane) {
        const auto fraction = static_cast<float>(Mix(number++) >> 8) * scale;
        const int64_t other =
            lane == 0 ? s.others[e]
                      : std::min(static_cast<int64_t>(fraction), s.points - 1);
        float square = 0;
        for (int64_t d = 0; d < s.dimensions; ++d) {
          const float away = own[d] - s.positions[d * s.points + other];
          square += away * away;
        }
        square = std::max(square, kLeastSquare);
        const float curve = s.a * std::pow(square, s.b);
        const float force =
            lane == 0
                ? -2 * s.b * curve / (square * (1 + curve))
                : 2 * s.b * s.repulsion / ((0.001f + square) * (1 + curve));
        for (int64_t d = 0; d < s.dimensions; ++d) {
          const float away = own[d] - s.positions[d * s.points + other];
          const float change = std::clamp(force * away, -kMaxForce, kMaxForce);
          sum[d] += change;
          if (lane == 0) {
            pulls.changes[pulled * s.dimensions + d] = -s.rate * change;
          }
        }
      }
      pulls.others[pulled++] = s.others[e];
      // As many numbers as vectors of eight lanes take.
      number += static_cast<uint32_t>(7 - s.negatives % 8);
      for (int64_t d = 0; d < s.dimensions; ++d) own[d] += s.rate * sum[d];
    }
  }
  return pulled;
}

std::vector<const LayoutKernelTable*> FindTables() {
  std::vector<const LayoutKernelTable*> tables;
  for (const KernelTable* table : AllKernels()) {
    const std::string_view name = table->name;
    const LayoutKernelTable* own = &ScalarLayoutKernels();
#if defined(HWY_COMPILE_ONLY_STATIC)
    if (name.starts_with("NEON")) own = HWY_STATIC_DISPATCH(layout::Table)();
#else
    if (name.starts_with("AVX512")) own = N_AVX3::layout::Table();
    if (name == "AVX2") own = N_AVX2::layout::Table();
    if (name == "SSE4") own = N_SSE4::layout::Table();
#endif
    tables.push_back(own);
  }
  return tables;
}

}  // namespace

const LayoutKernelTable& ScalarLayoutKernels() {
  static constexpr LayoutKernelTable kTable = {.name = "SCALAR",
                                               .move = ScalarMove};
  return kTable;
}

std::span<const LayoutKernelTable* const> AllLayoutKernels() {
  static const std::vector<const LayoutKernelTable*> tables = FindTables();
  return tables;
}

const LayoutKernelTable& LayoutKernels() {
  const auto all = AllKernels();
  const auto chosen = std::find(all.begin(), all.end(), &Kernels());
  return *AllLayoutKernels()[static_cast<size_t>(chosen - all.begin())];
}

}  // namespace malmoi::kernels
#endif  // HWY_ONCE
