// Storing keys and values in the pages that attention reads.
#if defined(MALMOI_KERNELS_KV_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef MALMOI_KERNELS_KV_INL_H_
#undef MALMOI_KERNELS_KV_INL_H_
#else
#define MALMOI_KERNELS_KV_INL_H_
#endif

#include <algorithm>
#include <cstring>

#include "kernels/attention.h"
#include "kernels/dot-inl.h"
#include "kernels/unpack.h"

HWY_BEFORE_NAMESPACE();
namespace malmoi::kernels {
namespace MALMOI_TARGET {

void StoreHalves(const float* values, int64_t count, int64_t step,
                 uint16_t* to) {
  alignas(64) uint16_t halves[kMaxHeadDim];
#if HWY_TARGET == HWY_SSE4 || HWY_TARGET == HWY_NEON
  for (int64_t i = 0; i < count; ++i) halves[i] = FloatToHalf(values[i]);
#else
  const hn::Rebind<hwy::float16_t, DF> d16;
  int64_t i = 0;
  for (; i + kF32Lanes <= count; i += kF32Lanes) {
    hn::StoreU(hn::DemoteTo(d16, hn::LoadU(DF(), values + i)), d16,
               reinterpret_cast<hwy::float16_t*>(halves + i));
  }
  for (; i < count; ++i) halves[i] = FloatToHalf(values[i]);
#endif
  for (int64_t k = 0; k < count; ++k) to[k * step] = halves[k];
}

// Codes and scale of 32 components.
HWY_INLINE void StoreCodes(const float* values, int8_t* codes,
                           std::byte* scale_at) {
  const DF df;
  VF largest = hn::Zero(df);
  for (int k = 0; k < 32; k += kF32Lanes) {
    largest = hn::Max(largest, hn::Abs(hn::LoadU(df, values + k)));
  }
  const uint16_t half =
      FloatToHalf(hn::GetLane(hn::MaxOfLanes(df, largest)) / 127.0f);
  const float scale = HalfToFloat(half);
  const VF inverse = hn::Set(df, scale > 0 ? 1.0f / scale : 0.0f);
  const hn::Rebind<int8_t, DI> d8;
  for (int k = 0; k < 32; k += kF32Lanes) {
    const VI code = hn::NearestInt(hn::Mul(hn::LoadU(df, values + k), inverse));
    hn::StoreU(hn::DemoteTo(d8, code), d8, codes + k);
  }
  std::memcpy(scale_at, &half, 2);
}

void StoreOne(KvType type, bool keys, const float* values, int64_t head_dim,
              std::byte* page, int64_t position) {
  const int64_t padded = PaddedHeadDim(type, head_dim);
  const int64_t first = keys ? position : position * padded;
  const int64_t step = keys ? kAttentionPage : 1;
  if (type == KvType::kF32) {
    float* to = reinterpret_cast<float*>(page) + first;
    for (int64_t d = 0; d < head_dim; ++d) to[d * step] = values[d];
    return;
  }
  if (type == KvType::kF16) {
    StoreHalves(values, head_dim, step,
                reinterpret_cast<uint16_t*>(page) + first);
    return;
  }
  alignas(64) float whole[kMaxHeadDim];
  std::copy_n(values, head_dim, whole);
  std::fill(whole + head_dim, whole + padded, 0.0f);
  std::byte* scales = page + padded * kAttentionPage;
  for (int64_t b = 0; b < padded / 32; ++b) {
    alignas(64) int8_t codes[32];
    StoreCodes(whole + b * 32, codes,
               scales + (b * kAttentionPage + position) * 2);
    if (!keys) {
      std::memcpy(page + position * padded + b * 32, codes, 32);
      continue;
    }
    for (int64_t w = 0; w < 8; ++w) {
      std::memcpy(page + ((b * 8 + w) * kAttentionPage + position) * 4,
                  codes + w * 4, 4);
    }
  }
}

// Keys of four positions, as floats: transposed four by four.
void StoreFourKeys(const float* HWY_RESTRICT values, int64_t stride,
                   int64_t head_dim, float* HWY_RESTRICT to) {
  const hn::Full128<float> d4;
  const hn::Repartition<uint64_t, decltype(d4)> d2;
  int64_t d = 0;
  for (; d + 4 <= head_dim; d += 4) {
    const auto a = hn::LoadU(d4, values + d);
    const auto b = hn::LoadU(d4, values + stride + d);
    const auto c = hn::LoadU(d4, values + 2 * stride + d);
    const auto e = hn::LoadU(d4, values + 3 * stride + d);
    const auto ab_low = hn::BitCast(d2, hn::InterleaveLower(d4, a, b));
    const auto ab_high = hn::BitCast(d2, hn::InterleaveUpper(d4, a, b));
    const auto ce_low = hn::BitCast(d2, hn::InterleaveLower(d4, c, e));
    const auto ce_high = hn::BitCast(d2, hn::InterleaveUpper(d4, c, e));
    const auto put = [&](int64_t i, auto four) HWY_ATTR {
      hn::StoreU(hn::BitCast(d4, four), d4, to + (d + i) * kAttentionPage);
    };
    put(0, hn::InterleaveLower(d2, ab_low, ce_low));
    put(1, hn::InterleaveUpper(d2, ab_low, ce_low));
    put(2, hn::InterleaveLower(d2, ab_high, ce_high));
    put(3, hn::InterleaveUpper(d2, ab_high, ce_high));
  }
  for (; d < head_dim; ++d) {
    for (int64_t r = 0; r < 4; ++r) {
      to[d * kAttentionPage + r] = values[r * stride + d];
    }
  }
}

void StoreKv(KvType type, bool keys, const float* values, int64_t stride,
             int64_t rows, int64_t head_dim, std::byte* page,
             int64_t position) {
  int64_t r = 0;
  if (keys && type == KvType::kF32) {
    for (; r + 4 <= rows; r += 4) {
      StoreFourKeys(values + r * stride, stride, head_dim,
                    reinterpret_cast<float*>(page) + position + r);
    }
  }
  for (; r < rows; ++r) {
    StoreOne(type, keys, values + r * stride, head_dim, page, position + r);
  }
}

}  // namespace MALMOI_TARGET
}  // namespace malmoi::kernels
HWY_AFTER_NAMESPACE();

#endif  // toggle
