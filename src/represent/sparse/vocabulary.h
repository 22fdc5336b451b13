// The vocabulary of a counted corpus: the terms of all threads together, in the
// order of their bytes (as scikit-learn sorts them), without those that are too
// rare, too common or too many.
#ifndef MALMOI_REPRESENT_SPARSE_VOCABULARY_H_
#define MALMOI_REPRESENT_SPARSE_VOCABULARY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "represent/sparse/counter.h"

namespace malmoi::represent {

// A count of documents, or a fraction of all.
struct DocumentLimit {
  double value = 1;
  bool fraction = false;
  double Of(int64_t documents) const {
    return fraction ? value * static_cast<double>(documents) : value;
  }
};

struct VocabularyLimits {
  DocumentLimit min_df = {1, false};
  DocumentLimit max_df = {1, true};
  // The most frequent terms, by all occurrences (by documents, where counts
  // are `binary`); of equals the first in order.
  std::optional<int64_t> max_features;
  bool binary = false;
};

class Vocabulary {
 public:
  size_t size() const { return ends_.size(); }
  std::string_view term(size_t i) const {
    const uint64_t begin = i == 0 ? 0 : ends_[i - 1];
    return std::string_view(bytes_).substr(begin, ends_[i] - begin);
  }
  void Add(std::string_view term) {
    bytes_ += term;
    ends_.push_back(bytes_.size());
  }
  const std::string& bytes() const { return bytes_; }
  const std::vector<uint64_t>& ends() const { return ends_; }
  // The place of a term; nullopt where it is not there. By bisection.
  std::optional<size_t> Find(std::string_view term) const;

  std::vector<uint32_t> documents;  // that hold each term
  std::vector<uint64_t> totals;     // occurrences of each

 private:
  std::string bytes_;
  std::vector<uint64_t> ends_;  // of each term in bytes_
};

// Where a counter's words and n-grams went; kNoTerm: nowhere.
struct TermMaps {
  std::vector<uint32_t> words, grams;
  uint32_t operator[](uint32_t term) const {
    return (term & kGramBit) == 0 ? words[term] : grams[term & ~kGramBit];
  }
};

struct MergedVocabulary {
  Vocabulary vocabulary;
  std::vector<TermMaps> maps;  // of each counter
};

// Throws kInvalidArgument where no term is left, or where the limits
// contradict each other.
MergedVocabulary MergeVocabulary(const std::vector<TermCounter>& counters,
                                 const AnalyzerOptions& analyzer,
                                 const VocabularyLimits& limits,
                                 int64_t documents);

}  // namespace malmoi::represent

#endif  // MALMOI_REPRESENT_SPARSE_VOCABULARY_H_
