// Sets of questions that word vectors are judged by: analogies in the format of
// questions-words.txt, word pairs with people's similarity scores. Which
// questions count and what is right follows gensim, so that numbers compare.
#ifndef MALMOI_REPRESENT_STATIC_WORD_SETS_H_
#define MALMOI_REPRESENT_STATIC_WORD_SETS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/thread_pool.h"
#include "represent/static/word_vectors.h"
#include "text/segment/words.h"

namespace malmoi::represent {

struct WordSetOptions {
  int64_t first_words = 300000;  // answers and questions among these only
  bool fold_case = true;  // upper case; the most frequent spelling counts
  // Questions with unknown words count as wrong (pairs: similarity 0);
  // otherwise they are left out.
  bool unknown_is_wrong = false;
  bool multiply = false;  // analogies by 3CosMul
  // Words of the sets are cut as those were that the vectors are of; one of
  // which not one word is left is unknown.
  std::optional<text::WordRule> words{};
};

struct AnalogySection {
  std::string name;
  int64_t correct = 0, asked = 0, unknown = 0;
  double accuracy() const {
    return asked > 0 ? static_cast<double>(correct) / static_cast<double>(asked)
                     : 0;
  }
};
struct AnalogyResult {
  std::vector<AnalogySection> sections;
  AnalogySection total;
};

// `text`: lines ": section" and "a b c d" (a is to b as c to d). Throws
// kCorrupt, with the line, for anything else.
AnalogyResult AskAnalogies(const WordVectors& vectors, std::string_view text,
                           const std::string& where,
                           const WordSetOptions& options, ThreadPool& pool);

struct SimilarityResult {
  double pearson = 0, spearman = 0;
  int64_t pairs = 0, unknown = 0;
};

// `text`: lines of two words and a number, split at tabs, or at blanks or
// commas where there is no tab; # begins a comment, and a first line without a
// number is a header. Unknown words are made of subwords where the vectors have
// them. Throws kCorrupt, with the line, and kInvalidArgument where fewer than
// two pairs are known.
SimilarityResult CompareSimilarities(const WordVectors& vectors,
                                     std::string_view text,
                                     const std::string& where,
                                     const WordSetOptions& options);

// Correlations of two samples of one size; 0 where one is constant. Spearman's
// gives ties their mean rank.
double Pearson(std::vector<double> x, std::vector<double> y);
double Spearman(const std::vector<double>& x, const std::vector<double>& y);

}  // namespace malmoi::represent

#endif  // MALMOI_REPRESENT_STATIC_WORD_SETS_H_
