// Products of bf16 weights with rows rounded to bf16. Included once per target
// with the multiply-adds of f32, which is how the tile is tested everywhere,
// and once more (MALMOI_BF16_DOT) for processors with vdpbf16ps: twice the
// arithmetic of f32. No include guard, for that reason.
#include <cstring>

#include "kernels/dot-inl.h"
#include "kernels/kernels.h"

HWY_BEFORE_NAMESPACE();
namespace malmoi::kernels {
namespace MALMOI_TARGET {
#if defined(MALMOI_BF16_DOT)
namespace bf16_dot {
#endif

using DU32 = hn::Repartition<uint32_t, DF>;
using VPairs = hn::Vec<DU32>;  // an even column in the low half, the odd above

HWY_INLINE VF MulAddPairs(VPairs weights, VPairs row, VF sum) {
#if defined(MALMOI_BF16_DOT)
  return VF{_mm512_dpbf16_ps(sum.raw, reinterpret_cast<__m512bh>(weights.raw),
                             reinterpret_cast<__m512bh>(row.raw))};
#else
  const VPairs high = hn::Set(DU32(), 0xffff0000u);
  const DF df;
  sum = hn::MulAdd(hn::BitCast(df, hn::And(weights, high)),
                   hn::BitCast(df, hn::And(row, high)), sum);
  return hn::MulAdd(hn::BitCast(df, hn::ShiftLeft<16>(weights)),
                    hn::BitCast(df, hn::ShiftLeft<16>(row)), sum);
#endif
}

HWY_INLINE VPairs BroadcastBF16Pair(const uint16_t* pair) {
  uint32_t both;
  std::memcpy(&both, pair, 4);
  return hn::Set(DU32(), both);
}

// kPanels panels times kRows rows. Every sum is one chain, so that tiles of
// any form give the same bits; a tile has as many as hide the latency of one.
template <int kPanels, int kRows>
HWY_NOINLINE void BF16Tile(const std::byte* panels, size_t panel_bytes,
                           const uint16_t* rows, int64_t stride,
                           int64_t columns, float* out, int64_t out_stride) {
  const DF df;
  VF sums[kPanels * kRows];
  HWY_UNROLL(16)
  for (VF& sum : sums) sum = hn::Zero(df);
  const auto* weights = reinterpret_cast<const uint8_t*>(panels);
  for (int64_t k = 0; k < columns; k += 2, weights += kByteLanes) {
    VPairs pairs[kPanels];
    HWY_UNROLL(4)
    for (int p = 0; p < kPanels; ++p) {
      pairs[p] = hn::BitCast(
          DU32(),
          hn::LoadU(DU8(), weights + static_cast<size_t>(p) * panel_bytes));
    }
    HWY_UNROLL(8)
    for (int t = 0; t < kRows; ++t) {
      const VPairs row = BroadcastBF16Pair(rows + t * stride + k);
      HWY_UNROLL(4)
      for (int p = 0; p < kPanels; ++p) {
        VF& sum = sums[p * kRows + t];
        sum = MulAddPairs(pairs[p], row, sum);
      }
    }
  }
  HWY_UNROLL(16)
  for (int c = 0; c < kPanels * kRows; ++c) {
    hn::StoreU(sums[c], df,
               out + c % kRows * out_stride + c / kRows * kF32Lanes);
  }
}

// All rows of kPanels panels.
template <int kPanels>
void BF16Rows(const std::byte* panels, size_t panel_bytes, const uint16_t* rows,
              int64_t stride, int64_t columns, int64_t tokens, float* out,
              int64_t out_stride) {
  // 16 sums at most: AVX-512 has 32 registers, others half as many.
  constexpr int kMost = kPanels == 4 ? 2 : kF32Lanes == 16 ? 8 : 4;
  int64_t t = 0;
  const auto run = [&](auto count) {
    constexpr int kRows = decltype(count)::value;
    for (; t + kRows <= tokens; t += kRows) {
      BF16Tile<kPanels, kRows>(panels, panel_bytes, rows + t * stride, stride,
                               columns, out + t * out_stride, out_stride);
    }
  };
  run(std::integral_constant<int, kMost>());
  run(std::integral_constant<int, 2>());
  run(std::integral_constant<int, 1>());
}

void MatmulBF16(const std::byte* panels, int64_t panel_count,
                const uint16_t* rows, int64_t stride, int64_t columns,
                int64_t tokens, float* out, int64_t out_stride) {
  if (tokens == 0) return;
  const size_t bytes = PanelBytes({.codes = Codes::kBF16}, kF32Lanes, columns);
  // One row is a chain for each panel: four of them at a time.
  const int64_t most = tokens < 4 ? 4 : 2;
  for (int64_t p = 0; p < panel_count;) {
    const std::byte* first = panels + static_cast<size_t>(p) * bytes;
    const auto run = [&](auto count) {
      BF16Rows<decltype(count)::value>(first, bytes, rows, stride, columns,
                                       tokens, out + p * kF32Lanes, out_stride);
      p += decltype(count)::value;
    };
    const int64_t left = std::min(most, panel_count - p);
    if (left >= 4) {
      run(std::integral_constant<int, 4>());
    } else if (left >= 2) {
      run(std::integral_constant<int, 2>());
    } else {
      run(std::integral_constant<int, 1>());
    }
  }
}

#if !defined(MALMOI_BF16_DOT)
void RoundBF16(const float* values, int64_t count, uint16_t* out) {
  const DU32 du;
  const hn::Rebind<uint16_t, DU32> d16;
  constexpr int64_t kLanes = kF32Lanes;
  const auto quiet = hn::Set(du, 0x00400000u);
  int64_t k = 0;
  for (; k + kLanes <= count; k += kLanes) {
    const auto value = hn::LoadU(DF(), values + k);
    const auto bits = hn::BitCast(du, value);
    const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 1u));
    const auto rounded = hn::Add(bits, hn::Add(odd, hn::Set(du, 0x7fffu)));
    const auto number = hn::IfThenElse(hn::RebindMask(du, hn::IsNaN(value)),
                                       hn::Or(bits, quiet), rounded);
    hn::StoreU(hn::DemoteTo(d16, hn::BitCast(DI(), hn::ShiftRight<16>(number))),
               d16, out + k);
  }
  for (; k < count; ++k) out[k] = FloatToBF16(values[k]);
}
#endif

#if defined(MALMOI_BF16_DOT)
}  // namespace bf16_dot
#endif
}  // namespace MALMOI_TARGET
}  // namespace malmoi::kernels
HWY_AFTER_NAMESPACE();
