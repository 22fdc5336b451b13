// The merges of byte-pair encoding by their pairs. A slot of four bytes is a
// rank and bits of the pair's hash; a line of the cache holds 16, which are
// compared at once, so that a look-up is one access to a small table. The pair
// itself and what it becomes lie by its rank, where the frequent ones are
// together, and are asked for only of what merges.
#ifndef MALMOI_TEXT_TOKENIZE_MERGE_TABLE_H_
#define MALMOI_TEXT_TOKENIZE_MERGE_TABLE_H_

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/large_pages.h"

namespace malmoi::text {

class MergeTable {
 public:
  static constexpr int32_t kNone = INT32_MAX;  // a rank
  static constexpr size_t kMostMerges = size_t{1} << 26;

  struct Merge {
    int32_t left = 0, right = 0, result = 0;  // tokens
  };

  MergeTable() = default;
  // Room for `count` merges.
  explicit MergeTable(size_t count);

  size_t size() const { return merges_.size(); }
  bool empty() const { return merges_.empty(); }

  // With the next rank. Of a repeated pair the last rank counts.
  void Add(const Merge& merge);
  // Asks for what Add() and Rank() will read.
  void Prefetch(int32_t left, int32_t right) const {
    __builtin_prefetch(&lines_[Home(HashOf(left, right))], 1);
  }

  // Of a pair; kNone where it does not merge.
  int32_t Rank(int32_t left, int32_t right) const {
    if (lines_.empty()) return kNone;
    const uint64_t hash = HashOf(left, right);
    return RankFrom(left, right, Home(hash), TagOf(hash));
  }
  // The same, sometimes the rank of another pair where Rank() has kNone: Of()
  // tells. Asks for what Of() will read.
  int32_t LikelyRank(int32_t left, int32_t right) const {
    const uint64_t hash = HashOf(left, right);
    const uint32_t tag = TagOf(hash);
    const size_t home = Home(hash);
    const Line& line = lines_[home];
    const uint32_t same = SameTags(line, tag);
    if ((same & (same - 1)) != 0 || line.slots[kSlots - 1] != 0) {
      return RankFrom(left, right, home, tag);
    }
    // The last slot is free, and stands for none.
    const uint32_t slot =
        line.slots[std::countr_zero(same | 1u << (kSlots - 1))];
    const uint32_t rank = ((slot & rank_mask_) - 1) & INT32_MAX;
    __builtin_prefetch(merges_.data() + std::min<size_t>(rank, last_));
    return static_cast<int32_t>(rank);
  }
  const Merge& Of(int32_t rank) const {
    return merges_[static_cast<size_t>(rank)];
  }

  // After all are added: `ids` are the tokens of single bytes, -1 for none.
  void IndexBytes(std::span<const int32_t, 256> ids);
  // As Rank() of the tokens of two bytes; after IndexBytes().
  int32_t RankOfBytes(uint8_t left, uint8_t right) const {
    return bytes_[static_cast<size_t>(left) << 8 | right];
  }
  bool has_bytes() const { return !bytes_.empty(); }

 private:
  static constexpr size_t kSlots = 16;
  // Filled from the front. What finds its line full is in the next.
  struct alignas(64) Line {
    uint32_t slots[kSlots];  // the rank plus one below, 0: free
  };

  static uint64_t HashOf(int32_t left, int32_t right) {
    return static_cast<uint32_t>(left) * 0x9e3779b97f4a7c15 +
           static_cast<uint32_t>(right) * 0xd1b54a32d192ed03;
  }
  size_t Home(uint64_t hash) const {
    return static_cast<size_t>(((hash >> 32) * lines_.size()) >> 32);
  }
  // Never that of a free slot.
  uint32_t TagOf(uint64_t hash) const {
    return (static_cast<uint32_t>(hash) | (rank_mask_ + 1)) & ~rank_mask_;
  }
  // Bits of the slots.
  uint32_t SameTags(const Line& line, uint32_t tag) const {
#ifdef __SSE2__
    const __m128i tags = _mm_set1_epi32(static_cast<int>(tag));
    const __m128i mask = _mm_set1_epi32(static_cast<int>(~rank_mask_));
    const auto* slots = reinterpret_cast<const __m128i*>(line.slots);
    const auto same = [&](int i) {
      return _mm_cmpeq_epi32(_mm_and_si128(_mm_load_si128(slots + i), mask),
                             tags);
    };
    return static_cast<uint32_t>(_mm_movemask_epi8(_mm_packs_epi16(
        _mm_packs_epi32(same(0), same(1)), _mm_packs_epi32(same(2), same(3)))));
#else
    uint32_t same = 0;
    for (size_t i = 0; i < kSlots; ++i) {
      same |= static_cast<uint32_t>((line.slots[i] & ~rank_mask_) == tag) << i;
    }
    return same;
#endif
  }
  int32_t RankFrom(int32_t left, int32_t right, size_t line,
                   uint32_t tag) const;
  size_t After(size_t line) const {
    return line + 1 == lines_.size() ? 0 : line + 1;
  }

  std::vector<Line, LargePages<Line>> lines_;
  uint32_t rank_mask_ = 0;
  size_t last_ = 0;                               // rank
  std::vector<Merge, LargePages<Merge>> merges_;  // by rank
  std::vector<int32_t> bytes_;
};

}  // namespace malmoi::text

#endif  // MALMOI_TEXT_TOKENIZE_MERGE_TABLE_H_
