// How merges enter their table.
#include "text/tokenize/merge_table.h"

#include <algorithm>
#include <bit>

#include "base/check.h"

namespace malmoi::text {

MergeTable::MergeTable(size_t count) {
  MALMOI_CHECK(count < (size_t{1} << 30));
  merges_.reserve(count);
  // Half full at most, so that a search ends soon.
  const size_t slots = std::bit_ceil(std::max<size_t>(16, count * 2));
  slots_.assign(slots, 0);
  shift_ = 64 - (std::bit_width(slots) - 1);
  rank_mask_ = static_cast<uint32_t>(std::bit_ceil(count + 2) - 1);
}

void MergeTable::Add(const Merge& merge) {
  MALMOI_CHECK(merges_.size() + 1 <= rank_mask_);
  const int32_t before = Rank(merge.left, merge.right);
  merges_.push_back(merge);
  const auto rank = static_cast<uint32_t>(merges_.size());  // plus one
  const uint64_t hash = HashOf(merge.left, merge.right);
  size_t slot = Home(hash);
  while (slots_[slot] != 0 &&
         (before == kNone ||
          (slots_[slot] & rank_mask_) != static_cast<uint32_t>(before) + 1)) {
    slot = After(slot);
  }
  slots_[slot] = TagOf(hash) | rank;
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
