// Integer dot products of four bytes per 32-bit lane, per instruction set:
// unsigned codes of weights times signed codes of activations. Included once
// per target; the include guard toggles.
#if defined(MALMOI_KERNELS_DOT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef MALMOI_KERNELS_DOT_INL_H_
#undef MALMOI_KERNELS_DOT_INL_H_
#else
#define MALMOI_KERNELS_DOT_INL_H_
#endif

#include <cstring>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace malmoi::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// 16 lanes at most, so that wider future vectors keep the panel layout.
using DF = hn::CappedTag<float, 16>;
using DI = hn::Rebind<int32_t, DF>;
using DU8 = hn::Repartition<uint8_t, DF>;
using DI8 = hn::Repartition<int8_t, DF>;
using DI16 = hn::Repartition<int16_t, DF>;
using VF = hn::Vec<DF>;
using VI = hn::Vec<DI>;
using VU8 = hn::Vec<DU8>;
using VI16 = hn::Vec<DI16>;
constexpr int kF32Lanes = hn::MaxLanes(DF());
constexpr int kByteLanes = 4 * kF32Lanes;

HWY_INLINE VI BroadcastFour(const int8_t* codes) {
  int32_t word;
  std::memcpy(&word, codes, 4);
  return hn::Set(DI(), word);
}

#if HWY_TARGET == HWY_AVX3_DL
// VNNI: exact for any codes, sums stay in 32 bits.
constexpr bool kWideDot = true;
using Dots = VI;
HWY_INLINE Dots ZeroDots() { return hn::Zero(DI()); }
HWY_INLINE Dots Dot(Dots sum, VU8 weights, VI four) {
  return VI{_mm512_dpbusd_epi32(sum.raw, weights.raw, four.raw)};
}
HWY_INLINE VI Total(Dots dots) { return dots; }
HWY_INLINE VI Total(Dots low, Dots) { return low; }
#elif HWY_TARGET == HWY_NEON
// Sums of pairs in 16 bits, the low and the high half of the vector apart:
// eight products of a nibble and an int8 stay below 2^15.
constexpr bool kWideDot = false;
struct Dots {
  int16x8_t low, high;
};
HWY_INLINE Dots ZeroDots() { return {vdupq_n_s16(0), vdupq_n_s16(0)}; }
HWY_INLINE Dots Dot(Dots sum, VU8 weights, VI four) {
  const int8x16_t w = vreinterpretq_s8_u8(weights.raw);
  const int8x16_t a = vreinterpretq_s8_s32(four.raw);
  sum.low = vmlal_s8(sum.low, vget_low_s8(w), vget_low_s8(a));
  sum.high = vmlal_s8(sum.high, vget_high_s8(w), vget_high_s8(a));
  return sum;
}
HWY_INLINE VI Total(Dots dots) {
  return VI{vpaddq_s32(vpaddlq_s16(dots.low), vpaddlq_s16(dots.high))};
}
HWY_INLINE VI Total(Dots low, Dots high) {
  return hn::Add(Total(low), hn::ShiftLeft<4>(Total(high)));
}
#elif HWY_ARCH_X86
// vpmaddubsw adds pairs in 16 bits and saturates: codes must be nibbles, of
// which eight vectors (a block of 32) fit: 8·2·15·127 = 30,480.
constexpr bool kWideDot = false;
using Dots = VI16;
HWY_INLINE Dots ZeroDots() { return hn::Zero(DI16()); }
HWY_INLINE Dots Dot(Dots sum, VU8 weights, VI four) {
#if HWY_TARGET == HWY_AVX3
  return VI16{
      _mm512_add_epi16(sum.raw, _mm512_maddubs_epi16(weights.raw, four.raw))};
#elif HWY_TARGET == HWY_AVX2
  return VI16{
      _mm256_add_epi16(sum.raw, _mm256_maddubs_epi16(weights.raw, four.raw))};
#else
  return VI16{_mm_add_epi16(sum.raw, _mm_maddubs_epi16(weights.raw, four.raw))};
#endif
}
HWY_INLINE VI PairsTimes(VI16 pairs, VI16 factor) {
#if HWY_TARGET == HWY_AVX3
  return VI{_mm512_madd_epi16(pairs.raw, factor.raw)};
#elif HWY_TARGET == HWY_AVX2
  return VI{_mm256_madd_epi16(pairs.raw, factor.raw)};
#else
  return VI{_mm_madd_epi16(pairs.raw, factor.raw)};
#endif
}
HWY_INLINE VI Total(Dots dots) {
  return PairsTimes(dots, hn::Set(DI16(), int16_t{1}));
}
HWY_INLINE VI Total(Dots low, Dots high) {
  return hn::Add(Total(low), PairsTimes(high, hn::Set(DI16(), int16_t{16})));
}
#else
#error "no integer dot product for this target"
#endif

// An 8-bit code is two nibbles where the dot product is narrow.
HWY_INLINE VU8 LowNibbles(VU8 v) {
  return hn::And(v, hn::Set(DU8(), uint8_t{15}));
}
HWY_INLINE VU8 HighNibbles(VU8 v) {
  const hn::Repartition<uint16_t, DF> d16;
  return LowNibbles(hn::BitCast(DU8(), hn::ShiftRight<4>(hn::BitCast(d16, v))));
}

}  // namespace HWY_NAMESPACE
}  // namespace malmoi::kernels
HWY_AFTER_NAMESPACE();

#endif  // toggle
