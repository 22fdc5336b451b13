#include "text/tokenize/piece_trie.h"

#include <algorithm>

namespace malmoi::text {

PieceTrie::PieceTrie(std::vector<Entry> entries) {
  std::stable_sort(
      entries.begin(), entries.end(),
      [](const Entry& a, const Entry& b) { return a.key < b.key; });
  units_.resize(1024);
  units_[0] = {1, kFree - 1, -1};
  // The entries [begin, end) share the bytes before `depth`, and are below
  // `node`.
  struct Branch {
    uint32_t node;
    size_t begin, end, depth;
  };
  std::vector<Branch> todo = {{0, 0, entries.size(), 0}};
  std::vector<unsigned char> bytes;
  std::vector<size_t> begins;
  while (!todo.empty()) {
    const Branch branch = todo.back();
    todo.pop_back();
    size_t at = branch.begin;
    for (; at < branch.end && entries[at].key.size() == branch.depth; ++at) {
      if (branch.node != 0) units_[branch.node].value = entries[at].value;
    }
    if (at == branch.end) continue;
    bytes.clear();
    begins.clear();
    for (; at < branch.end; ++at) {
      const auto byte =
          static_cast<unsigned char>(entries[at].key[branch.depth]);
      if (!bytes.empty() && bytes.back() == byte) continue;
      bytes.push_back(byte);
      begins.push_back(at);
    }
    begins.push_back(branch.end);
    const uint32_t base = FindBase(bytes);
    units_[branch.node].base = base;
    for (unsigned char byte : bytes) units_[base + byte].parent = branch.node;
    for (size_t i = bytes.size(); i-- > 0;) {
      todo.push_back(
          {base + bytes[i], begins[i], begins[i + 1], branch.depth + 1});
    }
  }
  units_.shrink_to_fit();
}

// Where units for all these bytes, which are in order, are free. As in Darts,
// a stretch that is nearly full is not looked at again.
uint32_t PieceTrie::FindBase(const std::vector<unsigned char>& bytes) {
  uint32_t at = std::max<uint32_t>(first_free_, bytes[0] + 1u);
  size_t seen = 0;
  size_t used = 0;
  for (;; ++at, ++seen) {
    if (at + 1024 > units_.size()) units_.resize(units_.size() * 2);
    if (units_[at].parent != kFree) {
      ++used;
      continue;
    }
    if (used == seen) first_free_ = std::max(first_free_, at);
    const uint32_t base = at - bytes[0];
    if (std::all_of(bytes.begin(), bytes.end(), [&](unsigned char byte) {
          return units_[base + byte].parent == kFree;
        })) {
      if (used * 20 >= seen * 19 && seen > 0) first_free_ = at;
      return base;
    }
    if (seen > 4096 && used * 20 >= seen * 19) {
      first_free_ = at;
      seen = used = 0;
    }
  }
}

int32_t PieceTrie::Find(std::string_view key) const {
  uint32_t node = 0;
  for (char byte : key) {
    node = Child(node, byte);
    if (node == 0) return -1;
  }
  return units_[node].value;
}

}  // namespace malmoi::text
