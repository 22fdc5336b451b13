// The merges of byte-pair encoding by their pairs: four bytes a slot, so that
// most pairs, which are none, are told apart in a table that near caches hold.
// What a merge becomes lies by its rank, where the frequent ones are together.
#ifndef MALMOI_TEXT_TOKENIZE_MERGE_TABLE_H_
#define MALMOI_TEXT_TOKENIZE_MERGE_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace malmoi::text {

class MergeTable {
 public:
  static constexpr int32_t kNone = INT32_MAX;  // a rank

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
    __builtin_prefetch(&slots_[Home(HashOf(left, right))], 1);
  }

  // Of a pair; kNone where it does not merge.
  int32_t Rank(int32_t left, int32_t right) const {
    if (slots_.empty()) return kNone;
    const uint64_t hash = HashOf(left, right);
    const uint32_t tag = TagOf(hash);
    for (size_t slot = Home(hash); slots_[slot] != 0; slot = After(slot)) {
      if ((slots_[slot] & ~rank_mask_) != tag) continue;
      const uint32_t rank = (slots_[slot] & rank_mask_) - 1;
      if (merges_[rank].left == left && merges_[rank].right == right) {
        return static_cast<int32_t>(rank);
      }
    }
    return kNone;
  }
  const Merge& MergeOf(int32_t rank) const {
    return merges_[static_cast<size_t>(rank)];
  }
  int32_t Result(int32_t rank) const {
    return merges_[static_cast<size_t>(rank)].result;
  }

  // After all are added: `ids` are the tokens of single bytes, -1 for none.
  void IndexBytes(std::span<const int32_t, 256> ids);
  // As Rank() of the tokens of two bytes; after IndexBytes().
  int32_t RankOfBytes(uint8_t left, uint8_t right) const {
    return bytes_[static_cast<size_t>(left) << 8 | right];
  }
  bool has_bytes() const { return !bytes_.empty(); }

 private:
  // The upper bits of a product depend on all of the pair.
  static uint64_t HashOf(int32_t left, int32_t right) {
    const uint64_t pair = static_cast<uint64_t>(static_cast<uint32_t>(left))
                              << 32 |
                          static_cast<uint32_t>(right);
    const uint64_t mixed = pair * 0x9e3779b97f4a7c15;
    return (mixed ^ (mixed >> 32)) * 0xd1b54a32d192ed03;
  }
  size_t Home(uint64_t hash) const {
    return static_cast<size_t>(hash >> shift_);
  }
  size_t After(size_t slot) const { return (slot + 1) & (slots_.size() - 1); }
  uint32_t TagOf(uint64_t hash) const {
    return static_cast<uint32_t>(hash) & ~rank_mask_;
  }

  // A slot: its merge's rank plus one below, bits of the hash above; 0 is free.
  std::vector<uint32_t> slots_;
  uint32_t rank_mask_ = 0;
  int shift_ = 0;
  std::vector<Merge> merges_;  // by rank
  std::vector<int32_t> bytes_;
};

}  // namespace malmoi::text

#endif  // MALMOI_TEXT_TOKENIZE_MERGE_TABLE_H_
