// What a corpus is read with: words and phrases to numbers. The corpus is a
// mapped text, one sentence a line, words split at ASCII blanks; it is read in
// pieces of about 64 KiB that end with a line, or inside a very long one with a
// word, so that a line of any length is streamed.
#ifndef MALMOI_LEARN_WORD2VEC_LEXICON_H_
#define MALMOI_LEARN_WORD2VEC_LEXICON_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/file.h"
#include "represent/static/word_table.h"
#include "text/segment/words.h"

namespace malmoi::learn {

class Corpus {
 public:
  // Throws as MappedFile::Open().
  explicit Corpus(const std::filesystem::path& path);
  Corpus(std::string_view text, std::string where);  // not owned; for tests

  const std::string& where() const { return where_; }
  std::string_view text() const { return text_; }
  int64_t pieces() const;
  // Throws kLimit for a word longer than a piece.
  std::string_view piece(int64_t index) const;
  // Throws kInvalidArgument, with the line, where the text is not UTF-8.
  void RequireUtf8(std::string_view piece) const;
  // Tells the system that a piece was read for now.
  void Drop(int64_t index) const;

 private:
  size_t Break(int64_t index) const;

  std::shared_ptr<const MappedFile> mapped_;
  std::string_view text_;
  std::string where_;
};

struct LexiconOptions {
  int64_t min_count = 5;
  bool lower_case = false;
  // How words are found between blanks; none: as they stand there.
  std::optional<text::WordRule> words{};
  // Passes that join words that come together more often than by chance
  // (Mikolov et al. 2013, section 4): a pair is a phrase where
  // (count(ab) - min_count)·words / (count(a)·count(b)) > phrase_threshold.
  int phrases = 0;
  double phrase_threshold = 100;
};

// The vocabulary, most frequent first; of equal counts the one met first.
class Lexicon {
 public:
  // Reads the corpus once, and once more for each pass of phrases. `progress`:
  // bytes read of all; false cancels (kCancelled). Throws kInvalidArgument for
  // a corpus with fewer than two words that are frequent enough, or not UTF-8.
  static Lexicon Count(
      const Corpus& corpus, const LexiconOptions& options,
      const std::function<bool(uint64_t done, uint64_t total)>& progress = {});

  const represent::WordTable& words() const { return words_; }
  const std::vector<int64_t>& counts() const { return counts_; }
  int64_t size() const { return words_.size(); }
  int64_t tokens() const { return tokens_; }          // of the vocabulary
  int64_t all_tokens() const { return all_tokens_; }  // of the corpus

  // Calls sentence(ids) for each line of a piece with the words of the
  // vocabulary, [0, size()), others left out. `scratch`: memory to reuse.
  struct Scratch {
    std::vector<int32_t> ids;
    std::string lowered;
    text::WordCutter cutter;  // of the lexicon's rule, once it was used
  };
  void ForSentences(std::string_view piece, Scratch& scratch,
                    const std::function<void(const std::vector<int32_t>& ids)>&
                        sentence) const;

 private:
  using Pairs = std::unordered_map<uint64_t, int32_t>;
  void Raw(std::string_view line, Scratch& scratch) const;
  static void Join(const Pairs& pairs, std::vector<int32_t>& ids);

  LexiconOptions options_;
  represent::WordTable raw_;    // frequent words, then phrases of all passes
  std::vector<Pairs> passes_;   // two numbers of raw_: that of their phrase
  std::vector<int32_t> final_;  // of raw_: the vocabulary's, or -1
  represent::WordTable words_;
  std::vector<int64_t> counts_;
  int64_t tokens_ = 0, all_tokens_ = 0;
};

}  // namespace malmoi::learn

#endif  // MALMOI_LEARN_WORD2VEC_LEXICON_H_
