#include "text/tokenize/word_parts.h"

#include <algorithm>
#include <cstring>

namespace malmoi::text {

// In the order of ranks, so that what a token is made of is known before it.
WordParts::WordParts(size_t tokens, std::span<const int32_t> symbols,
                     const MergeTable& merges)
    : merges_(merges), words_(tokens), made_(tokens, kNever) {
  for (int32_t id : symbols) {
    if (id >= 0) made_[static_cast<size_t>(id)] = kSymbol;
  }
  for (size_t i = 0; i < merges.size(); ++i) {
    const auto rank = static_cast<int32_t>(i);
    const auto& [left, right, result] = merges.MergeOf(rank);
    if (IsMade(result) || !IsMade(left) || !IsMade(right)) continue;
    if (GrowApart(left, right) && merges.Rank(left, right) == rank) {
      made_[static_cast<size_t>(result)] = rank;
    }
  }
}

// Two made tokens grow in the order of ranks, each pair of them after what it
// is made of. Backwards through that: at each time the last symbol of the left
// one stands beside the first of the right one, and if merging these comes
// before what either becomes next, the tokens don't come to be. Of equal ranks
// the leftmost merges first: the left token's, what crosses, the right one's.
bool WordParts::GrowApart(int32_t left, int32_t right) const {
  for (;;) {
    const int32_t left_made = MadeBy(left);
    const int32_t right_made = MadeBy(right);
    if (left_made < 0 && right_made < 0) return true;
    if (right_made >= left_made) {
      right = merges_.MergeOf(right_made).left;
      if (merges_.Rank(left, right) <= right_made) return false;
    } else {
      left = merges_.MergeOf(left_made).right;
      if (merges_.Rank(left, right) < left_made) return false;
    }
  }
}

void WordParts::Add(std::string_view word, int32_t id) {
  const WordKey key = WordKey::Of(word);
  if (key == WordKey()) return;
  words_.Add(key, key.Hash(), id, IsMade(id));
}

bool WordParts::Cut(std::string_view word,
                    std::vector<ModelToken>& out) const {
  const size_t before = out.size();
  size_t at = 0;
  while (at < word.size()) {
    const std::string_view rest = word.substr(at);
    int32_t id = TokenWords::kNone;
    size_t bytes = std::min(rest.size(), WordKey::kMostBytes);
    if (at == 0 && bytes == word.size()) --bytes;  // which is no token
    char padded[16] = {};
    std::memcpy(padded, rest.data(), bytes);
    for (; bytes > 0; --bytes) {
      const WordKey key = WordKey::Of(padded, bytes);
      id = words_.FindPart(key, key.Hash());
      if (id < 0) continue;
      if (at == 0) break;
      const int32_t left = out.back().id;
      if (merges_.Rank(left, id) == MergeTable::kNone && GrowApart(left, id)) {
        break;
      }
    }
    if (bytes == 0) {
      out.resize(before);
      return false;
    }
    const auto begin = static_cast<uint32_t>(at);
    at += bytes;
    out.push_back({id, begin, static_cast<uint32_t>(at)});
  }
  return true;
}

}  // namespace malmoi::text
