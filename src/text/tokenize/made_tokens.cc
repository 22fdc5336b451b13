#include "text/tokenize/made_tokens.h"

namespace malmoi::text {

// In the order of ranks, so that what a token is made of is known before it.
MadeTokens::MadeTokens(size_t tokens, std::span<const int32_t> symbols,
                       const MergeTable& merges)
    : merges_(merges), made_(tokens, kNever) {
  for (int32_t id : symbols) {
    if (id >= 0) made_[static_cast<size_t>(id)] = kSymbol;
  }
  for (size_t i = 0; i < merges.size(); ++i) {
    const auto rank = static_cast<int32_t>(i);
    const auto [left, right, result] = merges.Of(rank);
    if (Has(result) || !Has(left) || !Has(right)) continue;
    if (GrowApart(left, right) && merges.Rank(left, right) == rank) {
      made_[static_cast<size_t>(result)] = rank;
    }
  }
}

// Whether neighbouring tokens come to be before anything of both merges. Made
// ones grow in the order of ranks, each pair after what it is made of.
// Backwards through that: at each time the last symbol of the left one stands
// beside the first of the right one, and if merging these comes before what
// either becomes next, the tokens never are. Of equal ranks the leftmost merges
// first: the left token's, what crosses, the right one's.
bool MadeTokens::GrowApart(int32_t left, int32_t right) const {
  for (;;) {
    const int32_t left_made = MadeBy(left);
    const int32_t right_made = MadeBy(right);
    if (left_made < 0 && right_made < 0) return true;
    if (right_made >= left_made) {
      right = merges_.Of(right_made).left;
      if (merges_.Rank(left, right) <= right_made) return false;
    } else {
      left = merges_.Of(left_made).right;
      if (merges_.Rank(left, right) < left_made) return false;
    }
  }
}

}  // namespace malmoi::text
