#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/sparse_kernels.cc"
#define HWY_WANT_SSE4 1
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_EMU128 | HWY_SVE | HWY_SVE2)
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
// After foreach_target.
#include <cstring>

#include "kernels/sparse_kernels.h"

HWY_BEFORE_NAMESPACE();
namespace malmoi::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
namespace sparse {

constexpr size_t kBits = 64;

// Copies 64 bytes in small letters; a bit for each byte of a word.
HWY_INLINE uint64_t FoldBlock(const uint8_t* HWY_RESTRICT text, uint8_t lower,
                              uint8_t* HWY_RESTRICT out,
                              uint8_t* HWY_RESTRICT all) {
  const hn::CappedTag<uint8_t, kBits> d;
  constexpr size_t kLanes = hn::MaxLanes(hn::CappedTag<uint8_t, kBits>());
  auto seen = hn::LoadU(d, all);
  uint64_t bits = 0;
  HWY_UNROLL(4)
  for (size_t at = 0; at < kBits; at += kLanes) {
    const auto c = hn::LoadU(d, text + at);
    seen = hn::Or(seen, c);
    const auto small = hn::Or(c, hn::Set(d, 32));
    const auto letter = hn::Lt(hn::Sub(small, hn::Set(d, 'a')), hn::Set(d, 26));
    const auto digit = hn::Lt(hn::Sub(c, hn::Set(d, '0')), hn::Set(d, 10));
    const auto is_word =
        hn::Or(hn::Or(letter, digit), hn::Eq(c, hn::Set(d, '_')));
    hn::StoreU(hn::Or(c, hn::IfThenElseZero(letter, hn::Set(d, lower))), d,
               out + at);
    uint64_t part = 0;  // as wide as what is stored, so that it is forwarded
    uint8_t stored[8];
    hn::StoreMaskBits(d, is_word, stored);
    std::memcpy(&part, stored, kLanes / 8);
    bits |= part << at % 64;
  }
  hn::StoreU(seen, d, all);
  return bits;
}

size_t CutWords(const char* text, size_t size, bool lower, char* out,
                WordBounds* words) {
  const auto* from = reinterpret_cast<const uint8_t*>(text);
  auto* to = reinterpret_cast<uint8_t*>(out);
  alignas(kBits) uint8_t all[kBits] = {};
  const uint8_t change = lower ? 32 : 0;
  size_t count = 0, begin = 0;
  uint64_t inside = 0;
  for (size_t at = 0; at <= size; at += kBits) {
    uint64_t bits;
    if (size - at >= kBits) {
      bits = FoldBlock(from + at, change, to + at, all);
    } else {  // its zeros end the last word
      alignas(kBits) uint8_t rest[kBits] = {};
      std::memcpy(rest, from + at, size - at);
      bits = FoldBlock(rest, change, to + at, all);
    }
    // Where a word begins and where one ends, by turns.
    uint64_t bounds = bits ^ (bits << 1 | inside);
    if (inside != 0 && bounds != 0) {
      const size_t end = at + hwy::Num0BitsBelowLS1Bit_Nonzero64(bounds);
      bounds &= bounds - 1;
      words[count] = {static_cast<uint32_t>(begin),
                      static_cast<uint32_t>(end - begin)};
      count += end - begin >= 2;
      inside = 0;
    }
    while (bounds != 0) {
      begin = at + hwy::Num0BitsBelowLS1Bit_Nonzero64(bounds);
      bounds &= bounds - 1;
      if (bounds == 0) break;
      const size_t end = at + hwy::Num0BitsBelowLS1Bit_Nonzero64(bounds);
      bounds &= bounds - 1;
      words[count] = {static_cast<uint32_t>(begin),
                      static_cast<uint32_t>(end - begin)};
      count += end - begin >= 2;
    }
    inside = bits >> 63;
  }
  uint8_t any = 0;
  for (uint8_t byte : all) any |= byte;
  return any < 0x80 ? count : kNotAscii;
}

using DI = hn::CappedTag<int32_t, 16>;
using VI = hn::Vec<DI>;

// Ranks kVectors vectors of columns among `all`.
template <size_t kVectors>
HWY_INLINE void RankVectors(const int32_t* HWY_RESTRICT columns,
                            const int32_t* HWY_RESTRICT all, size_t size,
                            int32_t* HWY_RESTRICT ranks) {
  const DI d;
  constexpr size_t kLanes = hn::MaxLanes(DI());
  VI own[kVectors], below[kVectors];
  HWY_UNROLL(4)
  for (size_t v = 0; v < kVectors; ++v) {
    own[v] = hn::LoadU(d, columns + v * kLanes);
    below[v] = hn::Zero(d);
  }
  for (size_t i = 0; i < size; ++i) {
    const VI other = hn::Set(d, all[i]);
    HWY_UNROLL(4)
    for (size_t v = 0; v < kVectors; ++v) {
      below[v] = hn::Add(
          below[v], hn::IfThenElseZero(hn::Lt(other, own[v]), hn::Set(d, 1)));
    }
  }
  HWY_UNROLL(4)
  for (size_t v = 0; v < kVectors; ++v) {
    hn::StoreU(below[v], d, ranks + v * kLanes);
  }
}

void RankRow(uint32_t* columns, size_t size, uint32_t* ranks) {
  constexpr size_t kLanes = hn::MaxLanes(DI());
  const auto* all = reinterpret_cast<const int32_t*>(columns);
  auto* to = reinterpret_cast<int32_t*>(ranks);
  size_t left = (size + kLanes - 1) / kLanes;
  for (const int32_t* from = all; left > 0;) {
    const size_t some = left < 4 ? left : 4;
    switch (some) {
      case 1:
        RankVectors<1>(from, all, size, to);
        break;
      case 2:
        RankVectors<2>(from, all, size, to);
        break;
      case 3:
        RankVectors<3>(from, all, size, to);
        break;
      default:
        RankVectors<4>(from, all, size, to);
        break;
    }
    from += some * kLanes;
    to += some * kLanes;
    left -= some;
  }
}

void SumCodes(const uint8_t* const* codes, const float* scales, size_t count,
              size_t size, float* sums) {
  const hn::CappedTag<float, 16> d;
  const hn::Rebind<int32_t, decltype(d)> di;
  const hn::Rebind<uint8_t, decltype(d)> du8;
  constexpr size_t kLanes = hn::MaxLanes(hn::CappedTag<float, 16>());
  for (size_t i = 0; i < size; i += 4 * kLanes) {
    hn::Vec<decltype(d)> own[4];
    HWY_UNROLL(4)
    for (size_t v = 0; v < 4; ++v) own[v] = hn::Zero(d);
    for (size_t t = 0; t < count; ++t) {
      const auto scale = hn::Set(d, scales[t]);
      HWY_UNROLL(4)
      for (size_t v = 0; v < 4; ++v) {
        const auto code = hn::LoadU(du8, codes[t] + i + v * kLanes);
        own[v] = hn::MulAdd(scale, hn::ConvertTo(d, hn::PromoteTo(di, code)),
                            own[v]);
      }
    }
    HWY_UNROLL(4)
    for (size_t v = 0; v < 4; ++v) hn::StoreU(own[v], d, sums + i + v * kLanes);
  }
}

size_t FindAtLeast(const float* values, size_t size, float least,
                   uint32_t* found) {
  const hn::CappedTag<float, 16> d;
  constexpr size_t kLanes = hn::MaxLanes(hn::CappedTag<float, 16>());
  constexpr size_t kVectors = kSumGroup / kLanes;
  const auto wanted = hn::Set(d, least);
  size_t count = 0;
  for (size_t i = 0; i < size; i += kSumGroup) {
    auto most = hn::LoadU(d, values + i);
    HWY_UNROLL(16)
    for (size_t v = 1; v < kVectors; ++v) {
      most = hn::Max(most, hn::LoadU(d, values + i + v * kLanes));
    }
    if (hn::AllFalse(d, hn::Ge(most, wanted))) continue;
    for (size_t v = 0; v < kVectors; ++v) {
      uint8_t stored[8] = {};
      hn::StoreMaskBits(
          d, hn::Ge(hn::LoadU(d, values + i + v * kLanes), wanted), stored);
      uint32_t bits = stored[0] | uint32_t{stored[1]} << 8;
      for (; bits != 0; bits &= bits - 1) {
        found[count++] = static_cast<uint32_t>(
            i + v * kLanes + hwy::Num0BitsBelowLS1Bit_Nonzero32(bits));
      }
    }
  }
  return count;
}

template <bool kValues>
HWY_INLINE size_t FindBounds(const PostingBounds& p, float least,
                             uint32_t* HWY_RESTRICT found) {
  const hn::CappedTag<float, 16> d;
  const DI di;
  constexpr size_t kLanes = hn::MaxLanes(DI());
  const auto mask = hn::Set(di, static_cast<int32_t>(p.mask));
  const auto last = hn::Set(di, static_cast<int32_t>(p.last));
  const auto wanted = hn::Set(d, least), scale = hn::Set(d, p.scale);
  size_t count = 0;
  for (size_t i = 0; i < p.size; i += kLanes) {
    const auto place = hn::Min(
        hn::And(
            hn::LoadU(di, reinterpret_cast<const int32_t*>(p.documents + i)),
            mask),
        last);
    auto sum = hn::Zero(d);
    if (p.sums != nullptr) sum = hn::GatherIndex(d, p.sums, place);
    if constexpr (kValues) {
      sum = hn::MulAdd(scale, hn::LoadU(d, p.values + i), sum);
    }
    for (size_t t = 0; t < p.count; ++t) {
      const auto code =
          hn::And(hn::GatherOffset(
                      di, reinterpret_cast<const int32_t*>(p.codes[t]), place),
                  hn::Set(di, 0xff));
      sum = hn::MulAdd(hn::Set(d, p.scales[t]), hn::ConvertTo(d, code), sum);
    }
    const auto passes = hn::Ge(sum, wanted);
    if (hn::AllFalse(d, passes)) continue;
    uint8_t stored[8] = {};
    hn::StoreMaskBits(d, passes, stored);
    uint32_t bits = stored[0] | uint32_t{stored[1]} << 8;
    if (p.size - i < kLanes) bits &= (1u << (p.size - i)) - 1;
    for (; bits != 0; bits &= bits - 1) {
      found[count++] =
          static_cast<uint32_t>(i + hwy::Num0BitsBelowLS1Bit_Nonzero32(bits));
    }
  }
  return count;
}

size_t FindPostings(const PostingBounds& p, float least, uint32_t* found) {
  return p.values != nullptr ? FindBounds<true>(p, least, found)
                             : FindBounds<false>(p, least, found);
}

const SparseKernelTable* Table() {
  static constexpr SparseKernelTable kTable = {
      .name = HWY_TARGET == HWY_SSE4   ? "SSE4"
              : HWY_TARGET == HWY_AVX2 ? "AVX2"
              : HWY_TARGET == HWY_AVX3 ? "AVX512"
                                       : "NEON",
      .cut_words = CutWords,
      .rank_row = RankRow,
      .sum_codes = SumCodes,
      .find_at_least = FindAtLeast,
      .find_postings = FindPostings,
  };
  return &kTable;
}

}  // namespace sparse
}  // namespace HWY_NAMESPACE
}  // namespace malmoi::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <vector>

#include "kernels/beside.h"
#include "kernels/kernels.h"

namespace malmoi::kernels {

namespace {

// The plain twins.
size_t ScalarCutWords(const char* text, size_t size, bool lower, char* out,
                      WordBounds* words) {
  size_t count = 0, begin = 0;
  bool ascii = true;
  for (size_t i = 0; i <= size; ++i) {
    const char c = i < size ? text[i] : '\0';
    const bool large = c >= 'A' && c <= 'Z';
    const bool is_word =
        large || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
    ascii &= static_cast<unsigned char>(c) < 0x80;
    out[i] = static_cast<char>(c + (large && lower ? 32 : 0));
    if (is_word) continue;
    if (i - begin >= 2) {
      words[count++] = {static_cast<uint32_t>(begin),
                        static_cast<uint32_t>(i - begin)};
    }
    begin = i + 1;
  }
  std::memset(out + size, 0, kTextSlack);
  return ascii ? count : kNotAscii;
}

void ScalarRankRow(uint32_t* columns, size_t size, uint32_t* ranks) {
  for (size_t i = 0; i < size; ++i) {
    ranks[i] = 0;
    for (size_t j = 0; j < size; ++j) ranks[i] += columns[j] < columns[i];
  }
}

void ScalarSumCodes(const uint8_t* const* codes, const float* scales,
                    size_t count, size_t size, float* sums) {
  for (size_t i = 0; i < size; ++i) {
    sums[i] = 0;
    for (size_t t = 0; t < count; ++t) sums[i] += scales[t] * codes[t][i];
  }
}

size_t ScalarFindAtLeast(const float* values, size_t size, float least,
                         uint32_t* found) {
  size_t count = 0;
  for (size_t i = 0; i < size; ++i) {
    if (values[i] >= least) found[count++] = static_cast<uint32_t>(i);
  }
  return count;
}

size_t ScalarFindPostings(const PostingBounds& p, float least,
                          uint32_t* found) {
  size_t count = 0;
  for (size_t i = 0; i < p.size; ++i) {
    const uint32_t masked = p.documents[i] & p.mask;
    const uint32_t place = masked < p.last ? masked : p.last;
    float sum = p.sums != nullptr ? p.sums[place] : 0;
    if (p.values != nullptr) sum += p.scale * p.values[i];
    for (size_t t = 0; t < p.count; ++t) {
      sum += p.scales[t] * p.codes[t][place];
    }
    if (sum >= least) found[count++] = static_cast<uint32_t>(i);
  }
  return count;
}

std::vector<const SparseKernelTable*> FindTables() {
#if defined(HWY_COMPILE_ONLY_STATIC)
  return BesideKernels<SparseKernelTable>(
      {.scalar = &ScalarSparseKernels(),
       .neon = HWY_STATIC_DISPATCH(sparse::Table)()});
#else
  return BesideKernels<SparseKernelTable>({.scalar = &ScalarSparseKernels(),
                                           .sse4 = N_SSE4::sparse::Table(),
                                           .avx2 = N_AVX2::sparse::Table(),
                                           .avx3 = N_AVX3::sparse::Table()});
#endif
}

}  // namespace

const SparseKernelTable& ScalarSparseKernels() {
  static constexpr SparseKernelTable kTable = {
      .name = "SCALAR",
      .cut_words = ScalarCutWords,
      .rank_row = ScalarRankRow,
      .sum_codes = ScalarSumCodes,
      .find_at_least = ScalarFindAtLeast,
      .find_postings = ScalarFindPostings,
  };
  return kTable;
}

std::span<const SparseKernelTable* const> AllSparseKernels() {
  static const std::vector<const SparseKernelTable*> tables = FindTables();
  return tables;
}

const SparseKernelTable& SparseKernels() {
  return BesideChosen(AllSparseKernels());
}

}  // namespace malmoi::kernels
#endif  // HWY_ONCE
