// Panels decoded to bytes for a stretch of columns: whole vectors that tiles
// load as they are. Per block:
//   simple   8 vectors of codes, the scale, the min (both f32)
//   super    64 vectors of codes; a scale of each group as dot products take
//            it (Multiplier); the pairs of mins, int16; d and -dmin (f32)
// Without stored mins a simple format's min is -zero·scale, and a super
// format's pairs are those of its scales.
#if defined(MALMOI_KERNELS_DECODE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef MALMOI_KERNELS_DECODE_INL_H_
#undef MALMOI_KERNELS_DECODE_INL_H_
#else
#define MALMOI_KERNELS_DECODE_INL_H_
#endif

#include "kernels/dot-inl.h"
#include "kernels/kernels.h"

HWY_BEFORE_NAMESPACE();
namespace malmoi::kernels {
namespace HWY_NAMESPACE {

HWY_INLINE VF LoadHalves(const void* at) {
  const hn::Rebind<hwy::float16_t, DF> d16;
  return hn::PromoteTo(DF(),
                       hn::LoadU(d16, static_cast<const hwy::float16_t*>(at)));
}

HWY_INLINE VU8 LoadCodes(const std::byte* at) {
  return hn::LoadU(DU8(), reinterpret_cast<const uint8_t*>(at));
}

// Vectors of a decoded block.
template <bool kSuper, int kGroup>
constexpr size_t DecodedVectors() {
  return kSuper ? 64 + 256 / kGroup + 128 / kGroup + 2 : 10;
}

// Bits 4 (and 5) of the codes of vector v, in place.
template <int kBits>
HWY_INLINE VU8 HighBits(const std::byte* planes, int v) {
  const hn::Repartition<uint32_t, DF> d32;
  if constexpr (kBits == 5) {
    const auto plane = hn::BitCast(d32, LoadCodes(planes));
    const auto moved = v <= 4 ? hn::ShiftLeftSame(plane, 4 - v)
                              : hn::ShiftRightSame(plane, v - 4);
    return hn::And(hn::BitCast(DU8(), moved), hn::Set(DU8(), uint8_t{0x10}));
  } else {
    const auto plane = hn::BitCast(
        d32, LoadCodes(planes + v / 4 * static_cast<int>(kByteLanes)));
    const int shift = 2 * (v % 4);
    const auto moved = shift <= 4 ? hn::ShiftLeftSame(plane, 4 - shift)
                                  : hn::ShiftRightSame(plane, shift - 4);
    return hn::And(hn::BitCast(DU8(), moved), hn::Set(DU8(), uint8_t{0x30}));
  }
}

// The 8 vectors of a block of 32 columns.
template <int kBits>
HWY_INLINE void DecodeCodes(const std::byte* HWY_RESTRICT codes,
                            uint8_t* HWY_RESTRICT to) {
  constexpr int kVector = static_cast<int>(kByteLanes);
  if constexpr (kBits == 8) {
    HWY_UNROLL(8)
    for (int v = 0; v < 8; ++v) {
      hn::Store(LoadCodes(codes + v * kVector), DU8(), to + v * kVector);
    }
  } else {
    HWY_UNROLL(4)
    for (int v = 0; v < 4; ++v) {
      const VU8 both = LoadCodes(codes + v * kVector);
      VU8 low = LowNibbles(both);
      VU8 high = HighNibbles(both);
      if constexpr (kBits > 4) {
        const std::byte* planes = codes + 4 * kVector;
        low = hn::Or(low, HighBits<kBits>(planes, v));
        high = hn::Or(high, HighBits<kBits>(planes, v + 4));
      }
      hn::Store(low, DU8(), to + v * kVector);
      hn::Store(high, DU8(), to + (v + 4) * kVector);
    }
  }
}

// Pairs of int8, a pair a lane, as int16.
HWY_INLINE VI16 LoadPairs(const std::byte* at) {
  const hn::Rebind<int8_t, DI16> d8;
  return hn::PromoteTo(DI16(),
                       hn::LoadU(d8, reinterpret_cast<const int8_t*>(at)));
}

template <int kBits, bool kSuper, int kGroup>
void DecodeBlocks(const PanelFormat& format, const std::byte* HWY_RESTRICT from,
                  int64_t blocks, uint8_t* HWY_RESTRICT to) {
  const DF df;
  constexpr size_t kVector = kByteLanes;
  constexpr size_t kCodeBytes = static_cast<size_t>(kBits) * kVector;
  constexpr size_t kHalves = kVector / 2;  // [lanes] f16
  const auto put_float = [&](VF value) {
    hn::Store(value, df, reinterpret_cast<float*>(to));
    to += kVector;
  };
  for (int64_t b = 0; b < blocks; ++b) {
    if constexpr (!kSuper) {
      DecodeCodes<kBits>(from, to);
      from += kCodeBytes;
      to += 8 * kVector;
      const VF scale = LoadHalves(from);
      put_float(scale);
      from += kHalves;
      if (format.stored_min) {
        put_float(LoadHalves(from));
        from += kHalves;
      } else {
        const float zero = static_cast<float>(format.zero);
        put_float(hn::Mul(hn::Set(df, -zero), scale));
      }
    } else {
      for (int i = 0; i < 8; ++i, from += kCodeBytes, to += 8 * kVector) {
        DecodeCodes<kBits>(from, to);
      }
      constexpr size_t kPairs = 128 / kGroup;
      const std::byte* scales = from;
      from += kPairs * kHalves;
      for (size_t j = 0; j < kPairs; ++j) {
        const VI16 pair = LoadPairs(scales + j * kHalves);
        StoreMultiplier(EvenMultiplier(pair), to);
        StoreMultiplier(OddMultiplier(pair), to + kVector);
        to += 2 * kVector;
      }
      const std::byte* mins = format.stored_min ? from : scales;
      if (format.stored_min) from += kPairs * kHalves;
      for (size_t j = 0; j < kPairs; ++j, to += kVector) {
        hn::Store(LoadPairs(mins + j * kHalves), DI16(),
                  reinterpret_cast<int16_t*>(to));
      }
      put_float(LoadHalves(from));
      from += kHalves;
      if (format.stored_min) {
        put_float(hn::Neg(LoadHalves(from)));
        from += kHalves;
      } else {
        put_float(hn::Zero(df));
      }
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace malmoi::kernels
HWY_AFTER_NAMESPACE();

#endif  // toggle
