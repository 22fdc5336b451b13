// A text becomes tokens: words by one of several rules, or runs of characters.
// The default is what scikit-learn's CountVectorizer does by default.
#ifndef MALMOI_REPRESENT_SPARSE_ANALYZER_H_
#define MALMOI_REPRESENT_SPARSE_ANALYZER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/sparse_kernels.h"
#include "represent/sparse/term_table.h"
#include "text/segment/fold.h"
#include "text/segment/words.h"

namespace malmoi::represent {

// What a token is: a word; characters of the whole text; characters within
// words, which are padded by a space on both sides; the same of Hangul's
// letters instead of its syllables.
enum class Unit { kWord, kChar, kCharInWord, kJamo };

struct AnalyzerOptions {
  Unit unit = Unit::kWord;
  text::WordRule words = text::WordRule::kSklearn;
  text::FoldOptions fold;
  int min_n = 1;  // n-grams of min_n to max_n words or characters
  int max_n = 1;
  // Left out before n-grams are made; of words only.
  std::vector<std::string> stop_words;
};

inline constexpr int kMaxGram = 16;
inline constexpr size_t kPieceBytes = size_t{1} << 20;
// The longest text of which all runs of characters are taken (Unit::kChar).
inline constexpr size_t kMaxCharBytes = size_t{64} << 20;

// Words of one text, or its runs of characters; reused from text to text.
struct TokenBuffer {
  // Into the strings below; 16 bytes can be read from where each begins.
  std::vector<std::string_view> tokens;
  std::string folded, apart;
  // Of CutAscii(): as large as the largest text needed.
  std::vector<char> ascii;
  std::vector<kernels::WordBounds> bounds;
};

// Immutable: threads share one.
class Analyzer {
 public:
  // Throws kInvalidArgument: n-grams out of range, stop words for characters.
  explicit Analyzer(AnalyzerOptions options);

  const AnalyzerOptions& options() const { return options_; }
  // The n-grams that Cut() leaves to be made of its words.
  bool makes_word_grams() const {
    return options_.unit == Unit::kWord && options_.max_n > 1;
  }

  // Calls use(piece) for parts of a text of about a megabyte, between which no
  // token lies, so that memory does not grow with a document. A text of which
  // all runs of characters are wanted is one piece.
  template <typename Use>
  void ForPieces(std::string_view text, Use use) const {
    while (text.size() > kPieceBytes && options_.unit != Unit::kChar) {
      size_t end = text.find_first_of(" \n\t", kPieceBytes);
      if (end == std::string_view::npos) break;
      use(text.substr(0, end + 1));
      text.remove_prefix(end + 1);
    }
    use(text);
  }

  // Words without stop words (n-grams are the caller's), or all n-grams of
  // characters, in order. `text` is valid UTF-8 and at most 2^31 bytes. Throws
  // kLimit past kMaxCharBytes for Unit::kChar.
  void Cut(std::string_view text, TokenBuffer& buffer) const;
  // The same of texts of ASCII by the default rule, which are most: how many
  // words lie in `buffer.bounds`, into `buffer.ascii` (16 bytes can be read
  // from where each begins). nullopt for all else.
  std::optional<size_t> CutAscii(std::string_view text,
                                 TokenBuffer& buffer) const;

  // Calls use(term) for all terms of a text, n-grams as words parted by a
  // space, in scikit-learn's order.
  template <typename Use>
  void ForTerms(std::string_view text, TokenBuffer& buffer, Use use) const {
    if (!makes_word_grams()) {
      ForPieces(text, [&](std::string_view piece) {
        Cut(piece, buffer);
        for (std::string_view token : buffer.tokens) use(token);
      });
      return;
    }
    Cut(text, buffer);
    const auto& words = buffer.tokens;
    std::string joined;
    for (size_t n = static_cast<size_t>(options_.min_n);
         n <= static_cast<size_t>(options_.max_n); ++n) {
      for (size_t i = 0; i + n <= words.size(); ++i) {
        joined.assign(words[i]);
        for (size_t j = 1; j < n; ++j) {
          joined += ' ';
          joined += words[i + j];
        }
        use(std::string_view(joined));
      }
    }
  }

 private:
  void CutChars(TokenBuffer& buffer) const;
  void CutCharsInWords(TokenBuffer& buffer) const;

  AnalyzerOptions options_;
  TermTable stop_;
  const kernels::SparseKernelTable* kernels_;
};

}  // namespace malmoi::represent

#endif  // MALMOI_REPRESENT_SPARSE_ANALYZER_H_
