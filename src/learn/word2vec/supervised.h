// fastText's classifier (Joulin et al. 2017, "Bag of Tricks for Efficient Text
// Classification"): the mean of the vectors of words, their parts and their
// n-grams, and a linear layer. Lines of text with __label__NAME words, as
// fastText reads them; the model is a fastText .bin.
// Lines are learnt one after another by one thread, so that a seed gives the
// same bytes; a step is a few passes over the label rows in vectors.
#ifndef MALMOI_LEARN_WORD2VEC_SUPERVISED_H_
#define MALMOI_LEARN_WORD2VEC_SUPERVISED_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/thread_pool.h"
#include "learn/word2vec/word2vec.h"
#include "represent/static/fasttext.h"

namespace malmoi::learn {

struct SupervisedOptions {
  int64_t dimensions = 100;
  int epochs = 5;
  double rate = 0.1;  // falls linearly to 0
  int64_t min_count = 1;
  // How words are found between blanks; none: as they stand there. fastText's
  // files do not say it: Predict() must be told the same.
  std::optional<text::WordRule> words{};
  bool lower_case = false;
  int word_ngrams = 1;
  represent::SubwordOptions subwords = {.min_chars = 0, .max_chars = 0};
  represent::FastTextLoss loss = represent::FastTextLoss::kSoftmax;
  uint64_t seed = 1;
  // As of Word2VecOptions.
  std::function<bool(const Word2VecProgress&)> progress;
};

struct SupervisedResult {
  represent::FastTextArgs args;
  represent::WordTable words;
  std::vector<int64_t> word_counts, label_counts;
  std::vector<std::string> labels;
  int64_t tokens = 0, examples = 0;
  std::vector<float> input, output;
  std::vector<double> losses;  // mean of each epoch, nats a line
  double seconds = 0;          // of all, counting and first values too
  double words_per_s = 0;      // of learning alone
};

// Throws kInvalidArgument for a text without labels or words, with fewer than
// two labels, not UTF-8, and for options out of range; kCancelled.
SupervisedResult TrainSupervised(std::string_view text,
                                 const std::string& where,
                                 const SupervisedOptions& options,
                                 ThreadPool& pool);
// A fastText .bin. Throws as FileWriter.
void WriteSupervised(const std::filesystem::path& path,
                     const SupervisedResult& result);

}  // namespace malmoi::learn

#endif  // MALMOI_LEARN_WORD2VEC_SUPERVISED_H_
