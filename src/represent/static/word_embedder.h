// Sentence vectors from word vectors: the mean of a text's words; with weights
// by how rare they are and what all texts have in common taken away (Arora et
// al. 2017, "A Simple but Tough-to-Beat Baseline for Sentence Embeddings",
// SIF); or fastText's own rule for its own models.
#ifndef MALMOI_REPRESENT_STATIC_WORD_EMBEDDER_H_
#define MALMOI_REPRESENT_STATIC_WORD_EMBEDDER_H_

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "represent/static/bag_embedder.h"
#include "represent/static/fasttext.h"
#include "represent/static/vector_files.h"
#include "text/segment/words.h"

namespace malmoi::represent {

struct WordEmbedderOptions {
  int threads = 0;  // 0: one per usable processor
  // How texts are split: at ASCII blanks, and between these by a rule.
  std::optional<text::WordRule> words{};
  bool lower_case = false;
  // Words weigh a/(a + p), p their share of a corpus, and the component that a
  // set of texts has in common is taken away.
  bool sif = false;
  double sif_weight = 1e-3;  // a
  // Lines "word count", for p. Empty: the counts in a fastText model; of other
  // vectors p is 1/rank, as Zipf's law has it, most frequent first.
  std::filesystem::path counts{};
  // Of length 1; empty: that of the texts of LearnFrom().
  std::vector<float> component{};
  ReadVectorsOptions vectors{};
};

// Whether a file holds word vectors, by its first bytes.
bool IsWordVectors(const std::filesystem::path& path);

class WordEmbedder : public BagEmbedder {
 public:
  // Throws as ReadVectors() and FastTextModel::Load(); kInvalidArgument for a
  // component of other dimensions, and SIF of a classifier, which has no
  // vectors of words alone; kCorrupt for a line of counts.
  WordEmbedder(const std::filesystem::path& path, WordEmbedderOptions options);

  int64_t token_dimensions() const override { return dimensions_; }
  int64_t max_tokens() const override { return INT64_MAX; }
  int64_t words() const { return table().size(); }
  // Mean, SIF or fastText's rule.
  bool fasttext() const { return fasttext_ != nullptr && !options_.sif; }

  bool WantsTexts() const override {
    return options_.sif && options_.component.empty();
  }
  // The first right singular vector of their means, found by power iteration.
  // Throws kInvalidArgument for fewer than two texts with known words.
  void LearnFrom(std::span<const std::string> texts,
                 const EmbedOptions& options) override;
  const std::vector<float>& component() const { return options_.component; }

 protected:
  Bag Read(const std::string& text, size_t number, bool spelled,
           const EmbedOptions& options) const override;
  void Finish(std::span<float> vector) const override;
  void RequireTokens() const override;

 private:
  bool classifier() const {
    return fasttext_ != nullptr &&
           fasttext_->args().kind == FastTextKind::kSupervised;
  }
  const WordTable& table() const {
    return fasttext_ ? fasttext_->words() : vectors_->words();
  }
  bool VectorOf(int64_t id, std::string_view word, std::span<float> out) const;
  void AddWord(std::string_view word, bool spelled, Bag& bag) const;
  void ReadWeights();

  WordEmbedderOptions options_;
  std::shared_ptr<const FastTextModel> fasttext_;  // or
  std::optional<WordVectors> vectors_;
  int64_t dimensions_ = 0;
  std::vector<float> weights_;  // of words, for SIF
};

}  // namespace malmoi::represent

#endif  // MALMOI_REPRESENT_STATIC_WORD_EMBEDDER_H_
