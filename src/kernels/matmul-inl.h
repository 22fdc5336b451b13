// Matrix products over panels: a tile is one panel times kTokens rows, the
// weights decoded once per tile. See panel.h for the layout and kernels.h for
// the order of additions.
#if defined(MALMOI_KERNELS_MATMUL_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef MALMOI_KERNELS_MATMUL_INL_H_
#undef MALMOI_KERNELS_MATMUL_INL_H_
#else
#define MALMOI_KERNELS_MATMUL_INL_H_
#endif

#include "kernels/dot-inl.h"
#include "kernels/kernels.h"

HWY_BEFORE_NAMESPACE();
namespace malmoi::kernels {
namespace HWY_NAMESPACE {

// Rows of a tile: int and float accumulators of each must stay in registers
// (32 on AVX-512 and NEON, 16 on AVX2 and SSE).
#if HWY_TARGET == HWY_NEON
constexpr int kTileTokens = 4;  // a Dots is two registers
#elif HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
constexpr int kTileTokens = 8;
#else
constexpr int kTileTokens = 4;
#endif
constexpr int kFloatTileTokens = kTileTokens / 2;

template <bool kHalf>
HWY_INLINE VF LoadScale(const std::byte* at) {
  if constexpr (kHalf) {
    const hn::Rebind<hwy::float16_t, DF> d16;
    return hn::PromoteTo(
        DF(), hn::LoadU(d16, reinterpret_cast<const hwy::float16_t*>(at)));
  } else {
    return hn::LoadU(DF(), reinterpret_cast<const float*>(at));
  }
}

HWY_INLINE VU8 LoadCodes(const std::byte* at) {
  return hn::LoadU(DU8(), reinterpret_cast<const uint8_t*>(at));
}

// The activations of a tile: row t at `base + t·stride`.
struct TileRows {
  const int8_t* codes;
  const float* scales;
  const float* sums;  // per group of the weights
  int64_t code_stride, block_stride, sum_stride;
};

// One panel times kTokens rows. kGroup: columns that share a weight scale.
template <int kBits, int kGroup, bool kHalf, int kTokens>
void Int8Tile(const std::byte* HWY_RESTRICT panel, int64_t blocks,
              bool stored_min, float zero, const TileRows& rows,
              float* HWY_RESTRICT out, int64_t out_stride) {
  const DF df;
  constexpr size_t kVector = kByteLanes;
  constexpr size_t kScale = kF32Lanes * (kHalf ? 2 : 4);
  constexpr int kGroups = 32 / kGroup;
  constexpr size_t kCodeVectors = kBits == 4 ? 4 : 8;
  VF sums[kTokens];
  HWY_UNROLL(8)
  for (int t = 0; t < kTokens; ++t) sums[t] = hn::Zero(df);
  const VF minus_zero = hn::Set(df, -zero);

  for (int64_t b = 0; b < blocks; ++b) {
    const std::byte* codes = panel;
    const std::byte* scales = codes + kCodeVectors * kVector;
    const std::byte* mins = scales + kGroups * kScale;
    panel = stored_min ? mins + kGroups * kScale : mins;
    const int8_t* row_codes = rows.codes + b * 32;

    // Without VNNI an 8-bit code is summed as two nibbles, so at most one
    // group's sums of pairs are alive at a time.
    for (int g = 0; g < kGroups; ++g) {
      Dots low[kTokens], high[kTokens];
      HWY_UNROLL(8)
      for (int t = 0; t < kTokens; ++t) {
        low[t] = ZeroDots();
        if constexpr (kBits == 8 && !kWideDot) high[t] = ZeroDots();
      }
      if constexpr (kBits == 4) {
        HWY_UNROLL(4)
        for (int i = 0; i < 4; ++i) {
          const VU8 both = LoadCodes(codes + static_cast<size_t>(i) * kVector);
          if (kGroups == 1 || g == 0) {
            const VU8 nibbles = LowNibbles(both);
            HWY_UNROLL(8)
            for (int t = 0; t < kTokens; ++t) {
              low[t] =
                  Dot(low[t], nibbles,
                      BroadcastFour(row_codes + t * rows.code_stride + i * 4));
            }
          }
          if (kGroups == 1 || g == 1) {
            const VU8 nibbles = HighNibbles(both);
            HWY_UNROLL(8)
            for (int t = 0; t < kTokens; ++t) {
              low[t] = Dot(
                  low[t], nibbles,
                  BroadcastFour(row_codes + t * rows.code_stride + 16 + i * 4));
            }
          }
        }
      } else {
        const int first = g * (8 / kGroups);
        HWY_UNROLL(8)
        for (int i = first; i < first + 8 / kGroups; ++i) {
          const VU8 code = LoadCodes(codes + static_cast<size_t>(i) * kVector);
          const VU8 nibbles = kWideDot ? code : LowNibbles(code);
          HWY_UNROLL(8)
          for (int t = 0; t < kTokens; ++t) {
            const VI four =
                BroadcastFour(row_codes + t * rows.code_stride + i * 4);
            low[t] = Dot(low[t], nibbles, four);
            if constexpr (!kWideDot) {
              high[t] = Dot(high[t], HighNibbles(code), four);
            }
          }
        }
      }
      const VF scale =
          LoadScale<kHalf>(scales + static_cast<size_t>(g) * kScale);
      const VF min =
          stored_min ? LoadScale<kHalf>(mins + static_cast<size_t>(g) * kScale)
                     : hn::Mul(minus_zero, scale);
      HWY_UNROLL(8)
      for (int t = 0; t < kTokens; ++t) {
        VI dot;
        if constexpr (kBits == 8 && !kWideDot) {
          dot = Total(low[t], high[t]);
        } else {
          dot = Total(low[t]);
        }
        const VF scale_a = hn::Set(df, rows.scales[t * rows.block_stride + b]);
        const VF sum_a =
            hn::Set(df, rows.sums[t * rows.sum_stride + b * kGroups + g]);
        sums[t] = hn::MulAdd(hn::ConvertTo(df, dot), hn::Mul(scale, scale_a),
                             sums[t]);
        sums[t] = hn::MulAdd(min, sum_a, sums[t]);
      }
    }
  }
  HWY_UNROLL(8)
  for (int t = 0; t < kTokens; ++t) {
    hn::StoreU(sums[t], df, out + t * out_stride);
  }
}

template <int kBits, int kGroup, bool kHalf>
void Int8Panels(const PanelFormat& format, const std::byte* panels,
                int64_t panel_count, const Int8Rows& rows, int64_t first,
                int64_t tokens, float* out, int64_t out_stride) {
  constexpr int kLanes = kF32Lanes;
  const int64_t blocks = rows.columns / 32;
  const size_t panel_bytes = PanelBytes(format, kLanes, rows.columns);
  const float zero = static_cast<float>(format.zero);
  for (int64_t p = 0; p < panel_count; ++p) {
    const std::byte* panel = panels + static_cast<size_t>(p) * panel_bytes;
    float* panel_out = out + p * kLanes;
    int64_t t = 0;
    const auto tile = [&](auto count) {
      const int64_t row = first + t;
      const TileRows tile_rows = {rows.codes + row * rows.columns,
                                  rows.scales + row * blocks,
                                  kGroup == 32 ? rows.sums32 + row * blocks
                                               : rows.sums16 + row * blocks * 2,
                                  rows.columns,
                                  blocks,
                                  blocks * (32 / kGroup)};
      Int8Tile<kBits, kGroup, kHalf, count.value>(
          panel, blocks, format.stored_min, zero, tile_rows,
          panel_out + t * out_stride, out_stride);
      t += count.value;
    };
    while (tokens - t >= kTileTokens) {
      tile(std::integral_constant<int, kTileTokens>());
    }
    if constexpr (kTileTokens > 4) {
      if (tokens - t >= 4) tile(std::integral_constant<int, 4>());
    }
    switch (tokens - t) {
      case 3:
        tile(std::integral_constant<int, 3>());
        break;
      case 2:
        tile(std::integral_constant<int, 2>());
        break;
      case 1:
        tile(std::integral_constant<int, 1>());
        break;
      default:
        break;
    }
  }
}

void MatmulInt8(const PanelFormat& format, const std::byte* panels,
                int64_t panel_count, const Int8Rows& rows, int64_t first,
                int64_t tokens, float* out, int64_t out_stride) {
  const auto run = [&](auto function) {
    function(format, panels, panel_count, rows, first, tokens, out, out_stride);
  };
  const bool half = format.half_scales;
  if (format.codes == Codes::kU4) {
    if (format.group == 16) return run(Int8Panels<4, 16, false>);
    return half ? run(Int8Panels<4, 32, true>) : run(Int8Panels<4, 32, false>);
  }
  if (format.group == 16) return run(Int8Panels<8, 16, false>);
  return half ? run(Int8Panels<8, 32, true>) : run(Int8Panels<8, 32, false>);
}

template <typename T>
HWY_INLINE VF LoadWeights(const T* at) {
  if constexpr (sizeof(T) == 4) {
    return hn::LoadU(DF(), at);
  } else {
    return hn::PromoteTo(DF(), hn::LoadU(hn::Rebind<T, DF>(), at));
  }
}

template <typename T, int kTokens>
void FloatTile(const T* HWY_RESTRICT panel, const float* HWY_RESTRICT rows,
               int64_t stride, int64_t columns, float* HWY_RESTRICT out,
               int64_t out_stride) {
  const DF df;
  constexpr int kLanes = kF32Lanes;
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
      const VF weight = LoadWeights(panel + (k + j) * kLanes);
      HWY_UNROLL(4)
      for (int t = 0; t < kTokens; ++t) {
        sums[t][j] = hn::MulAdd(weight, hn::Set(df, rows[t * stride + k + j]),
                                sums[t][j]);
      }
    }
  }
  for (int j = 0; k < columns; ++k, ++j) {
    const VF weight = LoadWeights(panel + k * kLanes);
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

}  // namespace HWY_NAMESPACE
}  // namespace malmoi::kernels
HWY_AFTER_NAMESPACE();

#endif  // toggle
