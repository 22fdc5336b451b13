// An encoder with a head, its tokenizer and its labels: what classifying,
// tagging, filling in, answering and reranking have in common.
#ifndef MALMOI_APPS_HEADS_HEAD_MODEL_H_
#define MALMOI_APPS_HEADS_HEAD_MODEL_H_

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "models/encoder.h"
#include "represent/contextual/embedder.h"
#include "text/tokenize/tokenizer.h"

namespace malmoi::apps {

// A text, or a pair where `second` is not null.
struct HeadText {
  std::string_view first;
  const std::string* second = nullptr;
};

class HeadModel {
 public:
  // A Hugging Face folder, or a GGUF with a classifier. Throws as
  // models::Encoder::Load().
  HeadModel(const std::filesystem::path& path, models::Task task,
            const represent::EmbedderOptions& options);

  const text::Tokenizer& tokenizer() const { return *tokenizer_; }
  const models::EncoderSpec& spec() const { return encoder_->spec(); }
  const Json& config() const { return config_; }
  const std::filesystem::path& path() const { return path_; }
  int64_t max_tokens() const { return max_tokens_; }
  // By number; "LABEL_3" where config.json does not name them.
  const std::vector<std::string>& labels() const { return labels_; }

  // The tokens of a text. Where there are too many: kContextOverflow, with
  // `where`, or the end of the text (of the second one of a pair) is left out.
  text::Encoding Encode(const HeadText& text, const std::string& where,
                        bool truncate, bool& truncated) const;

  // The head's numbers, in the order of the texts: for kClassify [outputs] of
  // each text, else [tokens][outputs]. `rows`: which tokens; empty: all.
  // Independent of what is computed together.
  std::vector<float> Run(std::span<const text::Encoding> texts) {
    return Run(texts, {});
  }
  std::vector<float> Run(std::span<const text::Encoding> texts,
                         std::span<const std::vector<size_t>> rows);

 private:
  std::vector<float> RunBatch(std::span<const text::Encoding> texts,
                              std::span<const std::vector<size_t>> rows);

  std::filesystem::path path_;
  ThreadPool pool_;
  models::PackedCache packed_;
  Arena arena_;
  models::Task task_;
  std::unique_ptr<models::Encoder> encoder_;
  std::shared_ptr<const text::Tokenizer> tokenizer_;
  Json config_;
  std::vector<std::string> labels_;
  int64_t max_tokens_ = 0;
};

// e^x / Σe^x, in double.
std::vector<double> Softmax(std::span<const float> logits);

}  // namespace malmoi::apps

#endif  // MALMOI_APPS_HEADS_HEAD_MODEL_H_
