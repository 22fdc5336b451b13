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

// The namespace of what is compiled for a target: Highway's, but where a
// target is one that Highway does not know.
#ifndef MALMOI_TARGET
#define MALMOI_TARGET HWY_NAMESPACE
#endif

HWY_BEFORE_NAMESPACE();
namespace malmoi::kernels {
namespace MALMOI_TARGET {
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
using VI8 = hn::Vec<DI8>;
constexpr int kF32Lanes = hn::MaxLanes(DF());
constexpr int kByteLanes = 4 * kF32Lanes;

HWY_INLINE VI BroadcastFour(const int8_t* codes) {
  int32_t word;
  std::memcpy(&word, codes, 4);
  return hn::Set(DI(), word);
}

// How many products of a code of this many bits with an int8, in every lane of
// a Dots, surely fit.
#if HWY_TARGET == HWY_AVX3_DL
// VNNI: exact for any codes, sums stay in 32 bits.
constexpr int AddsOf(int) { return 8; }
using Dots = VI;
HWY_INLINE Dots ZeroDots() { return hn::Zero(DI()); }
HWY_INLINE Dots Dot(Dots sum, VU8 weights, VI four) {
  return VI{_mm512_dpbusd_epi32(sum.raw, weights.raw, four.raw)};
}
HWY_INLINE VI Total(Dots dots) { return dots; }
#elif defined(MALMOI_NEON_DOT)
// sdot: exact, sums stay in 32 bits.
constexpr int AddsOf(int) { return 8; }
using Dots = VI;
HWY_INLINE Dots ZeroDots() { return hn::Zero(DI()); }
HWY_INLINE Dots Dot(Dots sum, VU8 weights, VI four) {
  return VI{vdotq_s32(sum.raw, vreinterpretq_s8_u8(weights.raw),
                      vreinterpretq_s8_s32(four.raw))};
}
HWY_INLINE VI Total(Dots dots) { return dots; }
#elif HWY_TARGET == HWY_NEON
// Sums of products in 16 bits, the low and the high half of the vector apart.
constexpr int AddsOf(int bits) { return bits == 6 ? 4 : 8; }  // 4·63·127
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
#elif HWY_ARCH_X86
// vpmaddubsw adds pairs in 16 bits: of nibbles eight fit (8·2·15·127 =
// 30,480), of 5-bit codes four, of 6-bit codes two. Larger codes would
// saturate in the instruction itself.
constexpr int AddsOf(int bits) { return bits == 5 ? 4 : bits == 6 ? 2 : 8; }
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
#else
#error "no integer dot product for this target"
#endif

// Per lane, the sum of the products of two pairs of int16.
HWY_INLINE VI PairsTimes(VI16 pairs, VI16 factor) {
#if HWY_TARGET == HWY_NEON
  return VI{
      vpaddq_s32(vmull_s16(vget_low_s16(pairs.raw), vget_low_s16(factor.raw)),
                 vmull_high_s16(pairs.raw, factor.raw))};
#elif HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
  return VI{_mm512_madd_epi16(pairs.raw, factor.raw)};
#elif HWY_TARGET == HWY_AVX2
  return VI{_mm256_madd_epi16(pairs.raw, factor.raw)};
#else
  return VI{_mm_madd_epi16(pairs.raw, factor.raw)};
#endif
}

// An integer scale in the form that multiplies a Dots for nothing: where sums
// are 16-bit pairs, twice in each lane, and the widening takes it along; else
// once in 32 bits.
#if HWY_TARGET == HWY_NEON || HWY_TARGET == HWY_AVX3_DL
using Multiplier = VI;
constexpr bool kScalesPairs = false;
HWY_INLINE VI Later(VI sum, Multiplier scale) { return hn::Mul(sum, scale); }
HWY_INLINE Multiplier EvenMultiplier(VI16 pairs) {
  return hn::ShiftRight<16>(hn::ShiftLeft<16>(hn::BitCast(DI(), pairs)));
}
HWY_INLINE Multiplier OddMultiplier(VI16 pairs) {
  return hn::ShiftRight<16>(hn::BitCast(DI(), pairs));
}
HWY_INLINE VI Scaled(Dots dots, Multiplier scale) {
  return hn::Mul(Total(dots), scale);
}
#else
using Multiplier = VI16;
constexpr bool kScalesPairs = true;
HWY_INLINE VI Later(VI sum, Multiplier) { return sum; }
HWY_INLINE Multiplier EvenMultiplier(VI16 pairs) {
  const VI lanes = hn::BitCast(DI(), pairs);
  return hn::BitCast(DI16(), hn::Or(hn::And(lanes, hn::Set(DI(), 0xffff)),
                                    hn::ShiftLeft<16>(lanes)));
}
HWY_INLINE Multiplier OddMultiplier(VI16 pairs) {
  const hn::Repartition<uint32_t, DF> du;
  const auto lanes = hn::BitCast(du, pairs);
  return hn::BitCast(DI16(), hn::Or(hn::ShiftRight<16>(lanes),
                                    hn::And(lanes, hn::Set(du, 0xffff0000u))));
}
HWY_INLINE VI Scaled(Dots dots, Multiplier scale) {
  return PairsTimes(dots, scale);
}
HWY_INLINE VI Total(Dots dots) {
  return PairsTimes(dots, hn::Set(DI16(), int16_t{1}));
}
#endif
// What leaves a sum as it is.
HWY_INLINE Multiplier One() {
  using D = hn::DFromV<Multiplier>;
  return hn::Set(D(), hn::TFromD<D>{1});
}
HWY_INLINE Multiplier LoadMultiplier(const uint8_t* from) {
  return hn::BitCast(hn::DFromV<Multiplier>(), hn::Load(DU8(), from));
}

// Pins sums to registers and to their order: compilers like to sum in another
// order and spill on the way.
template <typename V>
HWY_INLINE void Keep(V& v) {
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
  asm volatile("" : "+v"(v.raw));
#elif HWY_ARCH_X86
  asm volatile("" : "+x"(v.raw));
#else
  asm volatile("" : "+w"(v.raw));
#endif
}
#if HWY_TARGET == HWY_NEON && !defined(MALMOI_NEON_DOT)
HWY_INLINE void Keep(Dots&) {}  // enough registers
#endif

// Sums of signed codes of 8 bits, in 32. ByteWeights is what is computed once
// for all rows.
#if HWY_TARGET == HWY_AVX3_DL
// dpbusd takes unsigned times signed: activations move up by 128, and sums
// begin at -128·Σcode, which many rows share (ByteStart, MoveUp, DotMoved).
constexpr bool kMovesBytes = true;
HWY_INLINE VI MoveUp(VI four) {
  // Broadcast by the load and then moved: compilers would do it the other way,
  // and broadcasts of registers take a port of the products.
  asm volatile("" : "+v"(four.raw));
  return hn::Xor(four, hn::Set(DI(), static_cast<int32_t>(0x80808080u)));
}
HWY_INLINE VI DotMoved(VI sum, VU8 weights, VI moved) {
  return VI{_mm512_dpbusd_epi32(sum.raw, moved.raw, weights.raw)};
}
// Of codes that code(v) gives, v in [begin, end).
template <int kBegin, int kEnd, typename F>
HWY_INLINE VI ByteStart(const F& code) {
  const VI ones = hn::Set(DI(), 0x01010101);
  VI sum = hn::Zero(DI());
  HWY_UNROLL(8)
  for (int v = kBegin; v < kEnd; ++v) sum = DotMoved(sum, code(v), ones);
  return hn::Neg(hn::ShiftLeft<7>(sum));
}
struct ByteWeights {
  VU8 codes;
  explicit ByteWeights(VU8 w) : codes(w) {}
};
HWY_INLINE VI DotBytes(VI sum, const ByteWeights& w, VI four, Multiplier) {
  const VI moved = DotMoved(sum, w.codes, MoveUp(four));
  const VI codes = DotMoved(hn::Zero(DI()), w.codes, hn::Set(DI(), 0x01010101));
  return hn::Sub(moved, hn::ShiftLeft<7>(codes));
}
#elif HWY_TARGET == HWY_NEON
struct ByteWeights {
  VU8 codes;
  explicit ByteWeights(VU8 w) : codes(w) {}
};
HWY_INLINE VI DotBytes(VI sum, const ByteWeights& w, VI four, Multiplier) {
  const int8x16_t a = vreinterpretq_s8_s32(four.raw);
  const int8x16_t b = vreinterpretq_s8_u8(w.codes.raw);
#if defined(MALMOI_NEON_DOT)
  return VI{vdotq_s32(sum.raw, a, b)};
#else
  const int32x4_t low = vpaddlq_s16(vmull_s8(vget_low_s8(a), vget_low_s8(b)));
  const int32x4_t high = vpaddlq_s16(vmull_high_s8(a, b));
  return hn::Add(sum, VI{vpaddq_s32(low, high)});
#endif
}
#else
// vpmaddubsw takes unsigned times signed: the sign moves from the code to the
// activation. A pair is at most 2·128·127 = 32,512, so every pair is widened,
// and the scale goes along with the widening.
struct ByteWeights {
  VU8 codes, sizes;
  explicit ByteWeights(VU8 w)
      : codes(w), sizes(hn::BitCast(DU8(), hn::Abs(hn::BitCast(DI8(), w)))) {}
};
HWY_INLINE VI DotBytes(VI sum, const ByteWeights& w, VI four,
                       Multiplier scale) {
#if HWY_TARGET == HWY_AVX3
  const __m512i a =
      _mm512_mask_sub_epi8(four.raw, _mm512_movepi8_mask(w.codes.raw),
                           _mm512_setzero_si512(), four.raw);
  const VI16 pairs{_mm512_maddubs_epi16(w.sizes.raw, a)};
#elif HWY_TARGET == HWY_AVX2
  const VI16 pairs{_mm256_maddubs_epi16(
      w.sizes.raw, _mm256_sign_epi8(four.raw, w.codes.raw))};
#else
  const VI16 pairs{
      _mm_maddubs_epi16(w.sizes.raw, _mm_sign_epi8(four.raw, w.codes.raw))};
#endif
  return hn::Add(sum, PairsTimes(pairs, scale));
}
#endif

#if HWY_TARGET != HWY_AVX3_DL
constexpr bool kMovesBytes = false;
HWY_INLINE VI MoveUp(VI four) { return four; }
HWY_INLINE VI DotMoved(VI sum, VU8, VI) { return sum; }
template <int kBegin, int kEnd, typename F>
HWY_INLINE VI ByteStart(const F&) {
  return hn::Zero(DI());
}
#endif

HWY_INLINE VU8 LowNibbles(VU8 v) {
  return hn::And(v, hn::Set(DU8(), uint8_t{15}));
}
HWY_INLINE VU8 HighNibbles(VU8 v) {
  const hn::Repartition<uint16_t, DF> d16;
  return LowNibbles(hn::BitCast(DU8(), hn::ShiftRight<4>(hn::BitCast(d16, v))));
}

}  // namespace MALMOI_TARGET
}  // namespace malmoi::kernels
HWY_AFTER_NAMESPACE();

#endif  // toggle
