// The tokens that byte-pair encoding makes of their own bytes. Of a trained
// vocabulary these are all; a list of merges that was edited or put together
// may have others, whose bytes grow to other tokens before.
#ifndef MALMOI_TEXT_TOKENIZE_MADE_TOKENS_H_
#define MALMOI_TEXT_TOKENIZE_MADE_TOKENS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "text/tokenize/merge_table.h"

namespace malmoi::text {

class MadeTokens {
 public:
  // Of a vocabulary of `tokens` ids. `symbols`: those that words are before
  // anything merges. `merges` must outlive it.
  MadeTokens(size_t tokens, std::span<const int32_t> symbols,
             const MergeTable& merges);

  // False is no proof that it isn't one.
  bool Has(int32_t id) const { return MadeBy(id) != kNever; }

 private:
  static constexpr int32_t kNever = -2;
  static constexpr int32_t kSymbol = -1;

  int32_t MadeBy(int32_t id) const { return made_[static_cast<size_t>(id)]; }
  bool GrowApart(int32_t left, int32_t right) const;

  const MergeTable& merges_;
  std::vector<int32_t> made_;  // by id: the rank of the merge
};

}  // namespace malmoi::text

#endif  // MALMOI_TEXT_TOKENIZE_MADE_TOKENS_H_
