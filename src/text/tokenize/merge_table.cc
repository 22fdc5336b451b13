// How merges enter their table.
#include "text/tokenize/merge_table.h"

#include <algorithm>
#include <bit>

#include "base/check.h"

namespace malmoi::text {

MergeTable::MergeTable(size_t count) {
  MALMOI_CHECK(count <= kMostMerges);
  merges_.reserve(count);
  // Half full, so that few lines are.
  lines_.resize(count / (kSlots / 2) + 1);
  rank_mask_ = static_cast<uint32_t>(std::bit_ceil(count + 2) - 1);
}

int32_t MergeTable::RankFrom(int32_t left, int32_t right, size_t line,
                             uint32_t tag) const {
  for (;; line = After(line)) {
    uint32_t same = SameTags(lines_[line], tag);
    for (; same != 0; same &= same - 1) {
      const uint32_t slot = lines_[line].slots[std::countr_zero(same)];
      const auto rank = static_cast<int32_t>((slot & rank_mask_) - 1);
      if (Of(rank).left == left && Of(rank).right == right) return rank;
    }
    if (lines_[line].slots[kSlots - 1] == 0) return kNone;
  }
}

void MergeTable::Add(const Merge& merge) {
  const uint64_t hash = HashOf(merge.left, merge.right);
  const uint32_t tag = TagOf(hash);
  const int32_t before = RankFrom(merge.left, merge.right, Home(hash), tag);
  // The slot of the same pair, or a free one.
  const uint32_t old =
      before == kNone ? 0 : tag | (static_cast<uint32_t>(before) + 1);
  last_ = merges_.size();
  merges_.push_back(merge);
  MALMOI_CHECK(merges_.size() <= rank_mask_);
  for (size_t line = Home(hash);; line = After(line)) {
    for (uint32_t& slot : lines_[line].slots) {
      if (slot != old) continue;
      slot = tag | static_cast<uint32_t>(merges_.size());
      return;
    }
  }
}

void MergeTable::IndexBytes(std::span<const int32_t, 256> ids) {
  if (std::find(ids.begin(), ids.end(), -1) != ids.end()) return;
  std::vector<int32_t> byte_of;
  for (size_t byte = 0; byte < 256; ++byte) {
    const auto id = static_cast<size_t>(ids[byte]);
    if (id >= byte_of.size()) byte_of.resize(id + 1, -1);
    byte_of[id] = static_cast<int32_t>(byte);
  }
  const auto find = [&](int32_t token) {
    const auto at = static_cast<size_t>(token);
    return at < byte_of.size() ? byte_of[at] : -1;
  };
  bytes_.assign(size_t{256} * 256, kNone);
  for (size_t rank = 0; rank < merges_.size(); ++rank) {
    const int32_t left = find(merges_[rank].left);
    const int32_t right = left < 0 ? -1 : find(merges_[rank].right);
    if (right < 0) continue;
    bytes_[static_cast<size_t>(left) << 8 | static_cast<size_t>(right)] =
        static_cast<int32_t>(rank);
  }
}

}  // namespace malmoi::text
