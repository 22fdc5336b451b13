// What a word means here: its contextual vectors in several sentences, layer by
// layer, how alike they are, and which uses are nearest (Ethayarajh 2019, "How
// Contextual are Contextualized Word Representations?").
#ifndef MALMOI_APPS_INSPECT_WORD_SENSES_H_
#define MALMOI_APPS_INSPECT_WORD_SENSES_H_

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "apps/inspect/inspected_model.h"

namespace malmoi::apps {

struct SenseSentence {
  std::string text;
  std::string sense;  // a name for what the word means there; may be empty
};
// "SENSE<tab>SENTENCE", or a sentence without a sense.
SenseSentence ParseSenseSentence(std::string_view line);

// The byte range of a word in a sentence, cases folded: where it stands alone,
// else where a longer word begins with it ("사과" in "사과를"). Throws
// kInvalidArgument, with `where`, for a sentence without it.
std::pair<size_t, size_t> FindWord(std::string_view sentence,
                                   std::string_view word,
                                   const std::string& where);

// The uses of the word at one layer; n sentences.
struct LayerSenses {
  std::string name;                // "0" (the embedding), "1", …, "norm"
  std::vector<float> vectors;      // [n][width]: means over the word's tokens
  std::vector<double> similarity;  // [n][n]: cosines
  std::vector<std::array<double, 2>> map;  // principal components 1 and 2
  std::array<double, 2> explained{};       // shares of the variance
  // Mean cosine of pairs of the same sense, and of different ones; only with
  // at least one pair of each (WordSenses::compared).
  double same = 0, different = 0;
  double gap() const { return same - different; }
  // Sentences whose nearest other has the same sense, a share; likewise.
  double nearest_same = 0;
};

struct WordSenses {
  std::string word;
  int64_t width = 0;
  std::vector<SenseSentence> sentences;
  std::vector<std::pair<size_t, size_t>> places;  // bytes, of each sentence
  std::vector<std::vector<std::string>> tokens;   // that are the word there
  bool compared = false;
  std::vector<LayerSenses> layers;
};

struct SenseOptions {
  // Cosines of what is left when the mean over the sentences is taken away:
  // where all vectors of a layer point nearly one way, which says nothing.
  bool center = false;
  std::function<void(int64_t done, int64_t total)> progress{};
};
// Throws as FindWord() and InspectedModel::Read(); kInvalidArgument for fewer
// than two sentences, kLimit for more than 1,000.
WordSenses ReadWordSenses(const InspectedModel& model, const std::string& word,
                          std::vector<SenseSentence> sentences,
                          const SenseOptions& options = {});

// The other sentences, the most alike first.
std::vector<size_t> NearestUses(const LayerSenses& layer, size_t sentence);

// Of `count` vectors [count][width], centered: their first two principal
// components, and shares of the variance. Signs: the largest value is positive.
std::vector<std::array<double, 2>> PrincipalMap(
    const std::vector<float>& vectors, int64_t width,
    std::array<double, 2>& explained);

}  // namespace malmoi::apps

#endif  // MALMOI_APPS_INSPECT_WORD_SENSES_H_
