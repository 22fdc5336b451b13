// fastText's models, .bin and quantized .ftz: word vectors with subwords and
// classifiers (Bojanowski et al. 2017; Joulin et al. 2017, "Bag of Tricks";
// Joulin et al. 2016, "FastText.zip"). Layout: version 12 of its files.
#ifndef MALMOI_REPRESENT_STATIC_FASTTEXT_H_
#define MALMOI_REPRESENT_STATIC_FASTTEXT_H_

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "represent/static/huffman.h"
#include "represent/static/subwords.h"
#include "represent/static/word_table.h"
#include "represent/static/word_vectors.h"
#include "text/segment/words.h"

namespace malmoi::represent {

// As the file numbers them.
enum class FastTextLoss { kHierarchical = 1, kNegative, kSoftmax, kOneVsAll };
enum class FastTextKind { kCbow = 1, kSkipGram, kSupervised };

struct FastTextArgs {
  int32_t dimensions = 100, window = 5, epochs = 5, min_count = 5,
          negatives = 5, word_ngrams = 1;
  FastTextLoss loss = FastTextLoss::kNegative;
  FastTextKind kind = FastTextKind::kSkipGram;
  int32_t buckets = 2'000'000, min_chars = 3, max_chars = 6, rate_updates = 100;
  double subsample = 1e-4;
};

// A matrix of the file, plain or product-quantized.
struct FastTextMatrix {
  int64_t rows = 0, columns = 0;
  std::span<const float> dense;  // [rows][columns] where not quantized
  std::shared_ptr<const void> owner;
  bool quantized = false;
  std::vector<uint8_t> codes, norm_codes;        // [rows][parts], [rows]
  std::vector<float> centroids, norm_centroids;  // [parts·256·width]
  int32_t parts = 0, part_width = 0, last_width = 0;

  // out += row.
  void AddRow(int64_t row, std::span<float> out) const;
  float DotRow(int64_t row, std::span<const float> vector) const;
};

// How words are found between blanks; the default is fastText's own.
struct FastTextSplit {
  std::optional<text::WordRule> words{};
  bool lower_case = false;
};

struct LabelScore {
  std::string label;  // without __label__
  double score;       // a probability
};

class FastTextModel : public std::enable_shared_from_this<FastTextModel> {
 public:
  // `owner` keeps `bytes` alive; null: dense matrices are copied. Throws
  // kCorrupt, kUnsupported (another version).
  static std::shared_ptr<const FastTextModel> Parse(
      std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
      const std::string& where);
  static std::shared_ptr<const FastTextModel> Load(
      const std::filesystem::path& path);

  const FastTextArgs& args() const { return args_; }
  const WordTable& words() const { return words_; }
  const std::vector<std::string>& labels() const { return labels_; }
  const std::vector<int64_t>& word_counts() const { return word_counts_; }

  // The mean of the rows of a word and of its parts; false where nothing of it
  // is known. `out`: [dimensions].
  bool VectorOf(std::string_view word, std::span<float> out) const;
  // The vectors of all words, which make vectors of others from their parts.
  WordVectors Words() const;

  // What fastText's print-sentence-vectors gives of a classifier: the mean of
  // the rows of a text's words, their parts and n-grams. Words are as of
  // Predict(). `words`, `unknown`: how many there are, and how many of which
  // nothing is known.
  std::vector<float> SentenceVector(std::string_view text, int64_t& words,
                                    int64_t& unknown,
                                    const FastTextSplit& split = {}) const;

  // The best labels of a text, best first. Words are split at ASCII blanks; a
  // line end is the word </s>, and the text ends with one. Empty for a text of
  // which nothing is known. Throws kUnsupported for a model without labels.
  std::vector<LabelScore> Predict(std::string_view text, int64_t top,
                                  const FastTextSplit& split = {}) const;

 private:
  friend class FastTextReader;
  FastTextModel() = default;
  void PushBucket(int64_t bucket, std::vector<int64_t>& rows) const;
  void RowsOf(std::string_view word, std::vector<int64_t>& rows) const;
  // The rows of a text's words, their parts and n-grams.
  std::vector<int64_t> TextRows(std::string_view text,
                                const FastTextSplit& split, int64_t& words,
                                int64_t& unknown) const;
  std::vector<float> MeanOf(const std::vector<int64_t>& rows) const;
  std::vector<double> Probabilities(std::span<const float> hidden) const;

  FastTextArgs args_;
  WordTable words_;
  std::vector<int64_t> word_counts_, label_counts_;
  std::vector<std::string> labels_;
  bool pruned_ = false;
  std::unordered_map<int32_t, int32_t> kept_;  // bucket: its place, if pruned
  FastTextMatrix input_, output_;
  HuffmanTree tree_;  // of the labels, for kHierarchical
};

bool IsFastText(std::span<const std::byte> bytes);

// What a writer has; matrices row-major. `input`: words, then buckets.
struct FastTextParts {
  FastTextArgs args;
  const WordTable* words = nullptr;
  std::span<const int64_t> word_counts;
  std::span<const std::string> labels;  // without __label__
  std::span<const int64_t> label_counts;
  int64_t tokens = 0;
  std::span<const float> input;   // [words + buckets][dimensions]
  std::span<const float> output;  // [words or labels][dimensions]
};
// A .bin that fastText loads. Throws as FileWriter.
void WriteFastText(const std::filesystem::path& path,
                   const FastTextParts& parts);

// The rows of hidden features of one line, shared by training and prediction:
// `word_hashes` as fastText's, for n-grams of words into buckets.
void ForWordNgrams(std::span<const int32_t> word_hashes, int n, int64_t buckets,
                   const std::function<void(int64_t bucket)>& use);

// Splits at ASCII blanks, each line end a </s>, and one at the end; what is no
// label further as `split` says. A token lives until the next call.
void ForFastTextTokens(std::string_view text, const FastTextSplit& split,
                       const std::function<void(std::string_view token)>& use);

inline constexpr std::string_view kLabelPrefix = "__label__";

}  // namespace malmoi::represent

#endif  // MALMOI_REPRESENT_STATIC_FASTTEXT_H_
