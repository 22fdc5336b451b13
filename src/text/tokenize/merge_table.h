// The merges of byte-pair encoding by their pairs: one integer a slot holds a
// pair and its rank, so that a look-up is one access to memory. What a merge
// becomes lies by its rank, where the frequent ones are together.
#ifndef MALMOI_TEXT_TOKENIZE_MERGE_TABLE_H_
#define MALMOI_TEXT_TOKENIZE_MERGE_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "base/large_pages.h"

namespace malmoi::text {

class MergeTable {
 public:
  static constexpr int32_t kNone = INT32_MAX;  // a rank

  struct Merge {
    int32_t left = 0, right = 0, result = 0;  // tokens
  };

  // Whether a slot can hold so many merges of so many tokens.
  static bool Fits(size_t tokens, size_t merges);

  MergeTable() = default;
  // Room for `merges` of them.
  MergeTable(size_t tokens, size_t merges);

  size_t size() const { return results_.size(); }
  bool empty() const { return results_.empty(); }

  // With the next rank. Of a repeated pair the last rank counts.
  void Add(const Merge& merge);
  // Asks for what Add() and Rank() will read.
  void Prefetch(int32_t left, int32_t right) const {
    __builtin_prefetch(&slots_[Home(PairOf(left, right))], 1);
  }

  // Of a pair of tokens; kNone where it does not merge.
  int32_t Rank(int32_t left, int32_t right) const {
    if (slots_.empty()) return kNone;
    const uint64_t pair = PairOf(left, right);
    size_t at = Home(pair);
    for (;;) {
      // Two at once, without branches; few searches go on.
      const uint64_t first = slots_[at];
      const uint64_t second = slots_[at + 1];
      uint64_t found = (second ^ pair) <= rank_mask_ ? second ^ pair : 0;
      found = (first ^ pair) <= rank_mask_ ? first ^ pair : found;
      if (found != 0 || first == 0 || second == 0) {
        return static_cast<int32_t>((found - 1) & INT32_MAX);
      }
      at = (at + 2) & (slots_.size() - 2);
    }
  }
  void PrefetchResult(int32_t rank) const {
    __builtin_prefetch(results_.data() + rank);
  }
  int32_t Result(int32_t rank) const {
    return results_[static_cast<size_t>(rank)];
  }
  Merge MergeOf(int32_t rank) const {
    const auto& [left, right] = parts_[static_cast<size_t>(rank)];
    return {left, right, Result(rank)};
  }

  // After all are added: `ids` are the tokens of single bytes, -1 for none.
  void IndexBytes(std::span<const int32_t, 256> ids);
  // As Rank() of the tokens of two bytes; after IndexBytes().
  int32_t RankOfBytes(uint8_t left, uint8_t right) const {
    return bytes_[static_cast<size_t>(left) << 8 | right];
  }
  bool has_bytes() const { return !bytes_.empty(); }

 private:
  // In place in a slot; the rank plus one is below.
  uint64_t PairOf(int32_t left, int32_t right) const {
    return (static_cast<uint64_t>(static_cast<uint32_t>(left)) << left_shift_) |
           (static_cast<uint64_t>(static_cast<uint32_t>(right)) << right_shift_);
  }
  // The upper bits of a product depend on all of the pair.
  size_t Home(uint64_t pair) const {
    const uint64_t mixed = pair * 0x9e3779b97f4a7c15;
    return static_cast<size_t>(
        ((mixed ^ (mixed >> 32)) * 0xd1b54a32d192ed03) >> home_shift_);
  }

  // Zero: free. One more than there are homes, which repeats the first.
  std::vector<uint64_t, LargePages<uint64_t>> slots_;
  uint64_t rank_mask_ = 0;
  int left_shift_ = 0, right_shift_ = 0, home_shift_ = 0;
  // By rank.
  std::vector<int32_t, LargePages<int32_t>> results_;
  std::vector<std::pair<int32_t, int32_t>> parts_;
  std::vector<int32_t> bytes_;
};

}  // namespace malmoi::text

#endif  // MALMOI_TEXT_TOKENIZE_MERGE_TABLE_H_
