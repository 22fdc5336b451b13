// How merges enter their table.
#include "text/tokenize/merge_table.h"

#include <algorithm>
#include <bit>

#include "base/check.h"

namespace malmoi::text {

bool MergeTable::Fits(size_t tokens, size_t merges) {
  return 2 * std::bit_width(tokens) + std::bit_width(merges + 1) <= 64;
}

MergeTable::MergeTable(size_t tokens, size_t merges) {
  MALMOI_CHECK(Fits(tokens, merges));
  results_.reserve(merges);
  parts_.reserve(merges);
  right_shift_ = std::bit_width(merges + 1);
  left_shift_ = right_shift_ + std::bit_width(tokens);
  rank_mask_ = (uint64_t{1} << right_shift_) - 1;
  // Two thirds full at most, so that a search ends soon.
  const size_t homes = std::bit_ceil(std::max<size_t>(16, merges * 3 / 2));
  slots_.assign(homes + 1, 0);
  home_shift_ = 64 - (std::bit_width(homes) - 1);
}

void MergeTable::Add(const Merge& merge) {
  const uint64_t pair = PairOf(merge.left, merge.right);
  results_.push_back(merge.result);
  parts_.emplace_back(merge.left, merge.right);
  size_t at = Home(pair);
  const size_t homes = slots_.size() - 1;
  while (slots_[at] != 0 && (slots_[at] ^ pair) > rank_mask_) {
    at = (at + 1) & (homes - 1);
  }
  slots_[at] = pair | results_.size();
  if (at == 0) slots_[homes] = slots_[0];
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
  for (size_t rank = 0; rank < parts_.size(); ++rank) {
    const int32_t left = find(parts_[rank].first);
    const int32_t right = left < 0 ? -1 : find(parts_[rank].second);
    if (right < 0) continue;
    bytes_[static_cast<size_t>(left) << 8 | static_cast<size_t>(right)] =
        static_cast<int32_t>(rank);
  }
}

}  // namespace malmoi::text
