// Words to tokens without merging. The tokens that byte-pair encoding gives are
// the only ones of which each comes of its own bytes and no two neighbours
// would have grown together: pieces that look like that, taken from the front
// and the longest first, are right where the merges of both neighbours say so,
// which takes a few look-ups where merging takes dozens.
#ifndef MALMOI_TEXT_TOKENIZE_WORD_PARTS_H_
#define MALMOI_TEXT_TOKENIZE_WORD_PARTS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "text/tokenize/merge_table.h"
#include "text/tokenize/pipeline.h"
#include "text/tokenize/token_words.h"

namespace malmoi::text {

class WordParts {
 public:
  // Of a vocabulary of `tokens` ids. `symbols`: those that words are before
  // anything merges. `merges` must outlive it.
  WordParts(size_t tokens, std::span<const int32_t> symbols,
            const MergeTable& merges);

  // Whether merging gives that token of its own bytes.
  bool IsMade(int32_t id) const {
    return made_[static_cast<size_t>(id)] != kNever;
  }
  void Add(std::string_view word, int32_t id);

  const TokenWords& words() const { return words_; }
  // Of a word that is no token; false: another way must find out.
  bool Cut(std::string_view word, std::vector<ModelToken>& out) const;

 private:
  static constexpr int32_t kNever = -2;
  static constexpr int32_t kSymbol = -1;

  int32_t MadeBy(int32_t id) const { return made_[static_cast<size_t>(id)]; }
  bool GrowApart(int32_t left, int32_t right) const;

  const MergeTable& merges_;
  TokenWords words_;
  std::vector<int32_t> made_;  // by id: the rank of the merge
};

}  // namespace malmoi::text

#endif  // MALMOI_TEXT_TOKENIZE_WORD_PARTS_H_
