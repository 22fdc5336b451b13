#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/layout_kernels.cc"
#define HWY_WANT_SSE4 1
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_EMU128 | HWY_SVE | HWY_SVE2)
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
// After foreach_target.
#include "kernels/layout_kernels.h"

#ifndef MALMOI_KERNELS_LAYOUT_SHARED
#define MALMOI_KERNELS_LAYOUT_SHARED
namespace malmoi::kernels {
// Where a vertex's random numbers begin in an epoch (Steele et al. 2014,
// SplitMix64's finalizer).
inline uint32_t FirstNumber(uint64_t seed, int64_t vertex) {
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

// A neighbour and five others fit eight lanes; two vertices' fit sixteen.
using DF = hn::CappedTag<float, 8>;
using DTwo = hn::CappedTag<float, 16>;
constexpr int kLanes = hn::MaxLanes(DF());
constexpr bool kTwo = hn::MaxLanes(DTwo()) == 16;
template <class D>
using Unsigned = hn::Vec<hn::RebindToUnsigned<D>>;
template <class D>
using Signed = hn::Vec<hn::RebindToSigned<D>>;

// Numbers spread over [0, points) (the finalizer of MurmurHash3, Appleby).
template <class D, class VF = hn::Vec<D>>
HWY_INLINE Signed<D> Others(D df, Unsigned<D> x, VF scale, Signed<D> last) {
  const hn::RebindToUnsigned<D> du;
  const hn::RebindToSigned<D> di;
  x = hn::Xor(x, hn::ShiftRight<16>(x));
  x = hn::Mul(x, hn::Set(du, 0x85EBCA6Bu));
  x = hn::Xor(x, hn::ShiftRight<13>(x));
  x = hn::Mul(x, hn::Set(du, 0xC2B2AE35u));
  x = hn::Xor(x, hn::ShiftRight<16>(x));
  const auto bits = hn::BitCast(di, hn::ShiftRight<8>(x));
  const VF fraction = hn::Mul(hn::ConvertTo(df, bits), scale);
  return hn::Min(hn::ConvertTo(di, fraction), last);
}

// xʸ of x above 0, to some 2e-5: log2 and exp2 by polynomials (least squares at
// Chebyshev's points) of mantissa and fraction. A layout is moved by random
// samples, which are much coarser.
template <class D, class VF = hn::Vec<D>>
HWY_INLINE VF Power(D df, VF x, VF y) {
  const hn::RebindToSigned<D> di;
  const auto bits = hn::BitCast(di, x);
  const VF exponent =
      hn::ConvertTo(df, hn::Sub(hn::ShiftRight<23>(bits), hn::Set(di, 127)));
  const VF m = hn::BitCast(df, hn::Or(hn::And(bits, hn::Set(di, 0x7FFFFF)),
                                      hn::Set(di, 0x3F800000)));
  VF log = hn::Set(df, 0.04392862784792878f);
  log = hn::MulAdd(log, m, hn::Set(df, -0.4094755857662714f));
  log = hn::MulAdd(log, m, hn::Set(df, 1.6101775468962178f));
  log = hn::MulAdd(log, m, hn::Set(df, -3.5202188381446544f));
  log = hn::MulAdd(log, m, hn::Set(df, 5.069756316632644f));
  log = hn::MulAdd(log, m, hn::Set(df, -2.794153676535868f));
  VF power = hn::Mul(y, hn::Add(exponent, log));
  power = hn::Max(hn::Set(df, -126.0f), hn::Min(power, hn::Set(df, 126.0f)));
  const VF whole = hn::Floor(power);
  const VF f = hn::Sub(power, whole);
  VF exp = hn::Set(df, 0.013683982893842843f);
  exp = hn::MulAdd(exp, f, hn::Set(df, 0.05171773546017827f));
  exp = hn::MulAdd(exp, f, hn::Set(df, 0.24162132266294625f));
  exp = hn::MulAdd(exp, f, hn::Set(df, 0.6929695509319076f));
  exp = hn::MulAdd(exp, f, hn::Set(df, 1.000003597144564f));
  const auto scale =
      hn::ShiftLeft<23>(hn::Add(hn::ConvertTo(di, whole), hn::Set(di, 127)));
  return hn::Mul(exp, hn::BitCast(df, scale));
}

// Where one vertex is in its edges.
template <int kRoom>
struct Walk {
  int64_t place = -1;  // its number among those to move; -1: none yet
  int64_t edge = 0, end = 0;
  uint32_t number = 0;
  float own[kRoom];
};

// An edge waits for the one before it of the same vertex; so several vertices
// are walked in turn.
constexpr int kWalks = 4;

template <int kDims>
class Mover {
 public:
  Mover(const LayoutStep& step, int64_t first, int64_t count, float* moved,
        const LayoutPulls& pulls)
      : s_(step),
        first_(first),
        count_(count),
        moved_(moved),
        pulls_(pulls),
        dims_(kDims > 0 ? kDims : static_cast<int>(step.dimensions)) {}

  int64_t Run() {
    Walk<kRoom> walks[kWalks];
    bool any = true;
    while (any) {
      any = false;
      HWY_UNROLL(4)
      for (int w = 0; w < kWalks; w += kTwo ? 2 : 1) {
        const bool first = Advance(walks[w]);
        const bool second = kTwo && Advance(walks[w + 1]);
        if (first && second) {
          Follow(DTwo(), walks + w);
        } else if (first) {
          Follow(DF(), walks + w);
        } else if (second) {
          Follow(DF(), walks + w + 1);
        }
        any |= first || second;
      }
    }
    return pulled_;
  }

 private:
  static constexpr int kRoom = kDims > 0 ? kDims : kMaxMapDimensions;

  // To the next edge whose turn it is, of this vertex or another one.
  HWY_INLINE bool Advance(Walk<kRoom>& walk) {
    while (true) {
      for (; walk.edge < walk.end; ++walk.edge) {
        if (s_.due[walk.edge] <= s_.epoch) return true;
      }
      if (walk.place >= 0) {
        for (int d = 0; d < dims_; ++d) {
          moved_[walk.place * dims_ + d] = walk.own[d];
        }
        walk.place = -1;
      }
      if (next_ == count_) return false;
      walk.place = next_++;
      const int64_t vertex = first_ + walk.place;
      walk.edge = s_.starts[vertex];
      walk.end = s_.starts[vertex + 1];
      walk.number = FirstNumber(s_.seed, vertex);
      for (int d = 0; d < dims_; ++d) {
        walk.own[d] = s_.positions[d * s_.points + vertex];
      }
    }
  }

  // The next edge of as many walks as fit.
  template <class D, class VF = hn::Vec<D>>
  HWY_INLINE void Follow(D df, Walk<kRoom>* walks) {
    constexpr int kMany = static_cast<int>(hn::MaxLanes(df)) / kLanes;
    const hn::RebindToUnsigned<D> du;
    const hn::RebindToSigned<D> di;
    const int lanes = 1 + s_.negatives;
    const VF scale = hn::Set(df, static_cast<float>(s_.points) * 0x1.0p-24f);
    const auto last = hn::Set(di, static_cast<int32_t>(s_.points - 1));
    // The number of a lane in its walk.
    const auto lane_of =
        hn::And(hn::Iota(du, 0), hn::Set(du, uint32_t{kLanes - 1}));
    const auto of_first = hn::RebindMask(df, hn::Eq(lane_of, hn::Zero(du)));
    int64_t edges[kMany];
    for (int w = 0; w < kMany; ++w) {
      edges[w] = walks[w].edge++;
      s_.due[edges[w]] += s_.intervals[edges[w]];
    }
    VF sums[kRoom], own[kRoom];
    float pull[kMany][kRoom];
    for (int d = 0; d < dims_; ++d) {
      sums[d] = hn::Zero(df);
      own[d] = Spread(df, [&](int w) { return walks[w].own[d]; });
    }
    const auto numbers =
        hn::Add(Spread(du, [&](int w) { return walks[w].number; }), lane_of);
    const auto drawing = Spread(di, [&](int w) { return s_.others[edges[w]]; });
    for (int lane = 0; lane < lanes; lane += kLanes) {
      auto other =
          Others(df, hn::Add(numbers, hn::Set(du, static_cast<uint32_t>(lane))),
                 scale, last);
      const auto drawn = lane == 0 ? of_first : hn::FirstN(df, 0);
      other = hn::IfThenElse(hn::RebindMask(di, drawn), drawing, other);
      VF away[kRoom];
      VF square = hn::Set(df, kLeastSquare);
      for (int d = 0; d < dims_; ++d) {
        away[d] = hn::Sub(
            own[d], hn::GatherIndex(df, s_.positions + d * s_.points, other));
        square = hn::MulAdd(away[d], away[d], square);
      }
      VF force = Force(df, square, drawn);
      if (lane + kLanes > lanes) {
        force = hn::IfThenElseZero(
            hn::RebindMask(
                df, hn::Lt(lane_of,
                           hn::Set(du, static_cast<uint32_t>(lanes - lane)))),
            force);
      }
      for (int d = 0; d < dims_; ++d) {
        const VF change =
            hn::Max(hn::Set(df, -kMaxForce),
                    hn::Min(hn::Set(df, kMaxForce), hn::Mul(force, away[d])));
        if (lane == 0) {
          pull[0][d] = hn::GetLane(change);
          if constexpr (kMany == 2) {
            pull[1][d] = hn::GetLane(hn::UpperHalf(DF(), change));
          }
        }
        sums[d] = hn::Add(sums[d], change);
      }
    }
    for (int w = 0; w < kMany; ++w) {
      walks[w].number += static_cast<uint32_t>((lanes + 7) / 8 * 8);
      pulls_.others[pulled_] = s_.others[edges[w]];
      for (int d = 0; d < dims_; ++d) {
        walks[w].own[d] += s_.rate * Sum(df, sums[d], w);
        pulls_.changes[pulled_ * dims_ + d] = -s_.rate * pull[w][d];
      }
      ++pulled_;
    }
  }

  // value(w) in the lanes of walk w.
  template <class D, class Value>
  static HWY_INLINE hn::Vec<D> Spread(D d, const Value& value) {
    if constexpr (hn::MaxLanes(d) == 2 * kLanes) {
      const hn::Half<D> half;
      return hn::Combine(d, hn::Set(half, value(1)), hn::Set(half, value(0)));
    } else {
      return hn::Set(d, value(0));
    }
  }

  template <class D>
  static HWY_INLINE float Sum(D df, hn::Vec<D> values, int walk) {
    if constexpr (hn::MaxLanes(df) == 2 * kLanes) {
      return hn::GetLane(
          hn::SumOfLanes(DF(), walk == 0 ? hn::LowerHalf(DF(), values)
                                         : hn::UpperHalf(DF(), values)));
    } else {
      return hn::GetLane(hn::SumOfLanes(df, values));
    }
  }

  template <class D, class VF = hn::Vec<D>>
  HWY_INLINE VF Force(D df, VF square, hn::Mask<D> drawn) const {
    const VF curve =
        hn::Mul(hn::Set(df, s_.a), Power(df, square, hn::Set(df, s_.b)));
    const VF above =
        hn::IfThenElse(drawn, hn::Mul(hn::Set(df, -2 * s_.b), curve),
                       hn::Set(df, 2 * s_.b * s_.repulsion));
    const VF below =
        hn::IfThenElse(drawn, square, hn::Add(square, hn::Set(df, 0.001f)));
    return hn::Div(above, hn::Mul(below, hn::Add(curve, hn::Set(df, 1.0f))));
  }

  const LayoutStep& s_;
  int64_t first_;
  int64_t count_;
  float* moved_;
  LayoutPulls pulls_;
  int dims_;
  int64_t next_ = 0, pulled_ = 0;
};

template <int kDims>
int64_t MoveIn(const LayoutStep& step, int64_t first, int64_t count,
               float* moved, const LayoutPulls& pulls) {
  return Mover<kDims>(step, first, count, moved, pulls).Run();
}

int64_t Move(const LayoutStep& s, int64_t first, int64_t count, float* moved,
             const LayoutPulls& pulls) {
  if (s.dimensions == 2) return MoveIn<2>(s, first, count, moved, pulls);
  if (s.dimensions == 3) return MoveIn<3>(s, first, count, moved, pulls);
  return MoveIn<0>(s, first, count, moved, pulls);
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

#include "kernels/beside.h"
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
int64_t ScalarMove(const LayoutStep& s, int64_t first, int64_t count,
                   float* moved, const LayoutPulls& pulls) {
  int64_t pulled = 0;
  const float scale = static_cast<float>(s.points) * 0x1.0p-24f;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t vertex = first + i;
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
        square += kLeastSquare;
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
#if defined(HWY_COMPILE_ONLY_STATIC)
  return BesideKernels<LayoutKernelTable>(
      {.scalar = &ScalarLayoutKernels(),
       .neon = HWY_STATIC_DISPATCH(layout::Table)()});
#else
  return BesideKernels<LayoutKernelTable>({.scalar = &ScalarLayoutKernels(),
                                           .sse4 = N_SSE4::layout::Table(),
                                           .avx2 = N_AVX2::layout::Table(),
                                           .avx3 = N_AVX3::layout::Table()});
#endif
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
  return BesideChosen(AllLayoutKernels());
}

}  // namespace malmoi::kernels
#endif  // HWY_ONCE
