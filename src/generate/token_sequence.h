// A sequence of keys and values together with the tokens that it holds, so
// that a later prompt can be compared with them and what they share reused.
#ifndef MALMOI_GENERATE_TOKEN_SEQUENCE_H_
#define MALMOI_GENERATE_TOKEN_SEQUENCE_H_

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "models/kv_cache.h"

namespace malmoi::generate {

// How many tokens two texts have in common at their beginning.
inline int64_t CommonPrefix(std::span<const int32_t> a,
                            std::span<const int32_t> b) {
  const size_t most = std::min(a.size(), b.size());
  return std::mismatch(a.begin(), a.begin() + static_cast<int64_t>(most),
                       b.begin())
             .first -
         a.begin();
}

struct TokenSequence {
  std::unique_ptr<models::Sequence> sequence;
  std::vector<int32_t> tokens;  // one for each of its positions

  int64_t length() const { return static_cast<int64_t>(tokens.size()); }

  // How many tokens of `prompt` are held at the beginning, as far as all
  // behind them can be forgotten; not the last of it, which must be fed again
  // for its logits.
  int64_t Reusable(std::span<const int32_t> prompt) const {
    const int64_t common =
        CommonPrefix(tokens, prompt.first(prompt.size() - 1));
    return sequence->CanTruncate(common) ? common : 0;
  }
  // Forgets all but the first `length` tokens.
  void Truncate(int64_t length) {
    sequence->Truncate(length);
    tokens.resize(static_cast<size_t>(length));
  }
  // A second one with the first `length` tokens; pages are shared.
  TokenSequence Fork(int64_t length) const {
    TokenSequence fork = {sequence->Fork(), tokens};
    fork.Truncate(length);
    return fork;
  }
};

}  // namespace malmoi::generate

#endif  // MALMOI_GENERATE_TOKEN_SEQUENCE_H_
