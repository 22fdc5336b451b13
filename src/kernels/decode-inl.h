// Reading panels: block by block as they lie, or decoded to whole vectors that
// every tile of rows loads as they are.
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
namespace MALMOI_TARGET {

HWY_INLINE VF LoadHalves(const void* at) {
  const hn::Rebind<hwy::float16_t, DF> d16;
  return hn::PromoteTo(DF(),
                       hn::LoadU(d16, static_cast<const hwy::float16_t*>(at)));
}

HWY_INLINE VU8 LoadCodes(const std::byte* at) {
  return hn::LoadU(DU8(), reinterpret_cast<const uint8_t*>(at));
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

// Pairs of int8, a pair a lane, as int16.
HWY_INLINE VI16 LoadPairs(const std::byte* at) {
  const hn::Rebind<int8_t, DI16> d8;
  return hn::PromoteTo(DI16(),
                       hn::LoadU(d8, reinterpret_cast<const int8_t*>(at)));
}

// What a tile reads of its panels, a block after the other. Both sources
// give the same values: one from the panels as they are, for a row or two;
// one from decoded vectors, for many.
template <int kBits, bool kSuper, int kGroup>
class RawSource {
 public:
  RawSource(const PanelFormat& format, const std::byte* panels,
            size_t panel_step)
      : at_(panels),
        step_(panel_step),
        stored_min_(format.stored_min),
        zero_(static_cast<float>(format.zero)),
        block_bytes_(BlockBytes(format, static_cast<int>(kF32Lanes))) {}

  // Vector v of 32 columns i.
  HWY_INLINE VU8 Code(int p, int i, int v) const {
    const std::byte* codes =
        Block(p) + static_cast<size_t>(i) * kBits * kByteLanes;
    if constexpr (kBits == 8) {
      return LoadCodes(codes + static_cast<size_t>(v) * kByteLanes);
    } else {
      const VU8 both =
          LoadCodes(codes + static_cast<size_t>(v % 4) * kByteLanes);
      VU8 code = v < 4 ? LowNibbles(both) : HighNibbles(both);
      if constexpr (kBits > 4) {
        code = hn::Or(code, HighBits<kBits>(codes + 4 * kByteLanes, v));
      }
      return code;
    }
  }
  // Of a simple format: the scale, and the min, which is -zero·scale where
  // it is not stored.
  HWY_INLINE VF Scale(int p) const { return LoadHalves(Block(p) + kCodes); }
  HWY_INLINE VF Min(int p) const {
    if (stored_min_) return LoadHalves(Block(p) + kCodes + kHalves);
    return hn::Mul(hn::Set(DF(), -zero_), Scale(p));
  }
  // Of a super format: the scale of a group; a pair of mins, or of scales
  // where mins are not stored; d and -dmin.
  HWY_INLINE Multiplier GroupScale(int p, int g) const {
    const VI16 pair = LoadPairs(Block(p) + kCodes + PairAt(g / 2));
    return g % 2 == 0 ? EvenMultiplier(pair) : OddMultiplier(pair);
  }
  HWY_INLINE VI16 MinPair(int p, int j) const {
    return LoadPairs(Block(p) + kCodes + (stored_min_ ? PairAt(kPairs) : 0) +
                     PairAt(j));
  }
  HWY_INLINE VF D(int p) const {
    return LoadHalves(Block(p) + kCodes +
                      PairAt(stored_min_ ? 2 * kPairs : kPairs));
  }
  HWY_INLINE VF MinusDmin(int p) const {
    if (!stored_min_) return hn::Zero(DF());
    return hn::Neg(
        LoadHalves(Block(p) + kCodes + PairAt(2 * kPairs) + kHalves));
  }
  // What the sums of a block of signed bytes begin with, see ByteStart().
  HWY_INLINE VI Start(int p) const {
    return ByteStart<0, 8>([&](int v) { return Code(p, 0, v); });
  }
  HWY_INLINE void Next() { at_ += block_bytes_; }
  HWY_INLINE void NextPanel() { at_ += step_; }
  // Asks for what is read some blocks later. Prefetchers of the processor stop
  // at every page of 4 KiB; this does not.
  HWY_INLINE void Prefetch() const {
    for (size_t i = 0; i < block_bytes_; i += 64) {
      __builtin_prefetch(at_ + kAhead + i);
    }
  }

 private:
  static constexpr size_t kAhead = 2048;
  static constexpr size_t kCodes = (kSuper ? 8 : 1) * kBits * kByteLanes;
  static constexpr size_t kHalves = kByteLanes / 2;  // [lanes] f16
  static constexpr int kPairs = 128 / kGroup;
  static constexpr size_t PairAt(int j) {
    return static_cast<size_t>(j) * kHalves;
  }
  HWY_INLINE const std::byte* Block(int p) const {
    return at_ + static_cast<size_t>(p) * step_;
  }

  const std::byte* at_;
  size_t step_;
  bool stored_min_;
  float zero_;
  size_t block_bytes_;
};

// What is read next is fetched beside each block that is computed.
class FetchesAhead {
 public:
  // From `at` on, `bytes` a block.
  void SetAhead(const std::byte* at, size_t bytes) {
    ahead_ = at;
    ahead_bytes_ = bytes;
  }
  HWY_INLINE void Prefetch() {
    for (size_t i = 0; i < ahead_bytes_; i += 64) {
      __builtin_prefetch(ahead_ + i);
    }
    ahead_ += ahead_bytes_;
  }

 private:
  const std::byte* ahead_ = nullptr;
  size_t ahead_bytes_ = 0;
};

template <int kBits, bool kSuper, int kGroup>
class DecodedSource : public FetchesAhead {
 public:
  // Vectors of a block: 8 of codes, scale, min, and what sums of bytes begin
  // with; or 64 of codes, a scale of each group, the pairs of mins, d and
  // -dmin.
  static constexpr bool kStarts = kMovesBytes && kBits == 8;
  static constexpr int kGroups = 256 / kGroup;
  static constexpr size_t kVectors =
      kSuper ? 64 + kGroups + kGroups / 2 + 2 : 10 + (kStarts ? 1 : 0);

  DecodedSource(const uint8_t* decoded, size_t panel_step)
      : at_(decoded), step_(panel_step) {}
  HWY_INLINE VU8 Code(int p, int i, int v) const {
    return hn::Load(DU8(), At(p, i * 8 + v));
  }
  HWY_INLINE VF Scale(int p) const { return Float(p, 8); }
  HWY_INLINE VF Min(int p) const { return Float(p, 9); }
  HWY_INLINE VI Start(int p) const {
    if constexpr (!kStarts) return hn::Zero(DI());
    return hn::BitCast(DI(), hn::Load(DU8(), At(p, 10)));
  }
  HWY_INLINE Multiplier GroupScale(int p, int g) const {
    return LoadMultiplier(At(p, 64 + g));
  }
  HWY_INLINE VI16 MinPair(int p, int j) const {
    return hn::BitCast(DI16(), hn::Load(DU8(), At(p, 64 + kGroups + j)));
  }
  HWY_INLINE VF D(int p) const { return Float(p, kVectors - 2); }
  HWY_INLINE VF MinusDmin(int p) const { return Float(p, kVectors - 1); }
  HWY_INLINE void Next() { at_ += kVectors * kByteLanes; }

 private:
  HWY_INLINE const uint8_t* At(int p, size_t vector) const {
    return at_ + static_cast<size_t>(p) * step_ + vector * kByteLanes;
  }
  HWY_INLINE const uint8_t* At(int p, int vector) const {
    return At(p, static_cast<size_t>(vector));
  }
  HWY_INLINE VF Float(int p, size_t vector) const {
    return hn::Load(DF(), reinterpret_cast<const float*>(At(p, vector)));
  }

  const uint8_t* at_;
  size_t step_;
};

// The wide format as it lies: nothing of it has to be decoded.
class WideSource : public FetchesAhead {
 public:
  static constexpr int kCodes = kWideGroup / 4;
  static constexpr size_t kVectors = kCodes + 2;

  WideSource(const std::byte* panels, size_t panel_step)
      : at_(panels), step_(panel_step) {}
  HWY_INLINE VU8 Code(int p, int i, int v) const {
    return LoadCodes(At(p, i * 8 + v));
  }
  HWY_INLINE VF Scale(int p) const {
    return hn::LoadU(DF(), reinterpret_cast<const float*>(At(p, kCodes)));
  }
  HWY_INLINE VI Start(int p) const {
    if constexpr (!kMovesBytes) return hn::Zero(DI());
    return hn::LoadU(DI(), reinterpret_cast<const int32_t*>(At(p, kCodes + 1)));
  }
  HWY_INLINE void Next() { at_ += kVectors * kByteLanes; }
  HWY_INLINE void NextPanel() { at_ += step_; }

 private:
  HWY_INLINE const std::byte* At(int p, int vector) const {
    return at_ + static_cast<size_t>(p) * step_ +
           static_cast<size_t>(vector) * kByteLanes;
  }

  const std::byte* at_;
  size_t step_;
};

// Decodes `blocks` blocks of one panel, in DecodedSource's order.
template <int kBits, bool kSuper, int kGroup>
void DecodeBlocks(RawSource<kBits, kSuper, kGroup> from, int64_t blocks,
                  uint8_t* HWY_RESTRICT to) {
  const auto put = [&to](VU8 bytes) {
    hn::Store(bytes, DU8(), to);
    to += kByteLanes;
  };
  for (int64_t b = 0; b < blocks; ++b, from.Next()) {
    HWY_UNROLL(8)
    for (int i = 0; i < (kSuper ? 8 : 1); ++i) {
      HWY_UNROLL(8)
      for (int v = 0; v < 8; ++v) put(from.Code(0, i, v));
    }
    if constexpr (!kSuper) {
      put(hn::BitCast(DU8(), from.Scale(0)));
      put(hn::BitCast(DU8(), from.Min(0)));
      if constexpr (DecodedSource<kBits, kSuper, kGroup>::kStarts) {
        put(hn::BitCast(DU8(), from.Start(0)));
      }
    } else {
      constexpr int kGroups = 256 / kGroup;
      for (int g = 0; g < kGroups; ++g) {
        put(hn::BitCast(DU8(), from.GroupScale(0, g)));
      }
      for (int j = 0; j < kGroups / 2; ++j) {
        put(hn::BitCast(DU8(), from.MinPair(0, j)));
      }
      put(hn::BitCast(DU8(), from.D(0)));
      put(hn::BitCast(DU8(), from.MinusDmin(0)));
    }
  }
}

}  // namespace MALMOI_TARGET
}  // namespace malmoi::kernels
HWY_AFTER_NAMESPACE();

#endif  // toggle
