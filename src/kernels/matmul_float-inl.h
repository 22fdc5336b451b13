// Products of float weights with f32 rows. See kernels.h for the order of
// additions.
#if defined(MALMOI_KERNELS_MATMUL_FLOAT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef MALMOI_KERNELS_MATMUL_FLOAT_INL_H_
#undef MALMOI_KERNELS_MATMUL_FLOAT_INL_H_
#else
#define MALMOI_KERNELS_MATMUL_FLOAT_INL_H_
#endif

#include <type_traits>

#include "kernels/dot-inl.h"
#include "kernels/kernels.h"

HWY_BEFORE_NAMESPACE();
namespace malmoi::kernels {
namespace MALMOI_TARGET {

constexpr int kFloatTileTokens = kF32Lanes == 16 ? 4 : 2;

// The weights of column k of a panel.
template <typename T>
HWY_INLINE VF LoadWeights(const T* panel, int64_t k) {
  if constexpr (std::is_same_v<T, hwy::bfloat16_t>) {
    const hn::Repartition<uint32_t, DF> du;
    const auto pairs = hn::BitCast(
        du, hn::LoadU(DU8(), reinterpret_cast<const uint8_t*>(panel) +
                                 k / 2 * kByteLanes));
    return hn::BitCast(DF(), k % 2 == 0
                                 ? hn::ShiftLeft<16>(pairs)
                                 : hn::And(pairs, hn::Set(du, 0xffff0000u)));
  } else if constexpr (sizeof(T) == 4) {
    return hn::LoadU(DF(), panel + k * kF32Lanes);
  } else {
    return hn::PromoteTo(DF(),
                         hn::LoadU(hn::Rebind<T, DF>(), panel + k * kF32Lanes));
  }
}

template <typename T, int kTokens>
void FloatTile(const T* HWY_RESTRICT panel, const float* HWY_RESTRICT rows,
               int64_t stride, int64_t columns, float* HWY_RESTRICT out,
               int64_t out_stride) {
  const DF df;
  VF sums[kTokens][4];
  HWY_UNROLL(4)
  for (int t = 0; t < kTokens; ++t) {
    HWY_UNROLL(4)
    for (int j = 0; j < 4; ++j) sums[t][j] = hn::Zero(df);
  }
  int64_t k = 0;
  for (; k + 4 <= columns; k += 4) {
    HWY_UNROLL(4)
    for (int j = 0; j < 4; ++j) {
      const VF weight = LoadWeights(panel, k + j);
      HWY_UNROLL(4)
      for (int t = 0; t < kTokens; ++t) {
        sums[t][j] = hn::MulAdd(weight, hn::Set(df, rows[t * stride + k + j]),
                                sums[t][j]);
      }
    }
  }
  for (int j = 0; k < columns; ++k, ++j) {
    const VF weight = LoadWeights(panel, k);
    for (int t = 0; t < kTokens; ++t) {
      sums[t][j] =
          hn::MulAdd(weight, hn::Set(df, rows[t * stride + k]), sums[t][j]);
    }
  }
  HWY_UNROLL(4)
  for (int t = 0; t < kTokens; ++t) {
    hn::StoreU(hn::Add(hn::Add(sums[t][0], sums[t][1]),
                       hn::Add(sums[t][2], sums[t][3])),
               df, out + t * out_stride);
  }
}

template <typename T>
void FloatPanels(const std::byte* panels, size_t panel_bytes,
                 int64_t panel_count, const float* rows, int64_t stride,
                 int64_t columns, int64_t tokens, float* out,
                 int64_t out_stride) {
  constexpr int kLanes = kF32Lanes;
  for (int64_t p = 0; p < panel_count; ++p) {
    const auto* panel = reinterpret_cast<const T*>(
        panels + static_cast<size_t>(p) * panel_bytes);
    float* panel_out = out + p * kLanes;
    int64_t t = 0;
    for (; t + kFloatTileTokens <= tokens; t += kFloatTileTokens) {
      FloatTile<T, kFloatTileTokens>(panel, rows + t * stride, stride, columns,
                                     panel_out + t * out_stride, out_stride);
    }
    for (; t < tokens; ++t) {
      FloatTile<T, 1>(panel, rows + t * stride, stride, columns,
                      panel_out + t * out_stride, out_stride);
    }
  }
}

void MatmulFloat(const PanelFormat& format, const std::byte* panels,
                 int64_t panel_count, const float* rows, int64_t stride,
                 int64_t columns, int64_t tokens, float* out,
                 int64_t out_stride) {
  const size_t bytes = PanelBytes(format, static_cast<int>(kF32Lanes), columns);
  const auto run = [&](auto function) {
    function(panels, bytes, panel_count, rows, stride, columns, tokens, out,
             out_stride);
  };
  switch (format.codes) {
    case Codes::kF16:
      return run(FloatPanels<hwy::float16_t>);
    case Codes::kBF16:
      return run(FloatPanels<hwy::bfloat16_t>);
    default:
      return run(FloatPanels<float>);
  }
}

}  // namespace MALMOI_TARGET
}  // namespace malmoi::kernels
HWY_AFTER_NAMESPACE();

#endif  // toggle
