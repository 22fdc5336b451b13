// A loaded language model: weights, tokenizer and chat template together.
#ifndef MALMOI_GENERATE_LANGUAGE_MODEL_H_
#define MALMOI_GENERATE_LANGUAGE_MODEL_H_

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/thread_pool.h"
#include "generate/model_info.h"
#include "models/checkpoint.h"
#include "models/decoder.h"
#include "models/packed_cache.h"
#include "models/registry.h"
#include "text/template/chat_template.h"
#include "text/tokenize/tokenizer.h"

namespace malmoi::generate {

struct LoadOptions {
  int threads = 0;  // 0: one per usable processor
  models::Precision precision = models::Precision::kFast;
  models::PackedCacheOptions packed;  // none is kept by default
  std::vector<models::AdapterChoice> adapters;
};

class LanguageModel {
 public:
  // A GGUF file or a Hugging Face folder. Throws malmoi::Error.
  static std::shared_ptr<LanguageModel> Load(const std::filesystem::path& path,
                                             const LoadOptions& options = {});
  // Only the tokenizer is read.
  static std::shared_ptr<const text::Tokenizer> LoadTokenizer(
      const std::filesystem::path& path);

  const ModelInfo& info() const { return info_; }
  const models::Decoder& decoder() const { return *decoder_; }
  models::Precision precision() const { return precision_; }
  const text::Tokenizer& tokenizer() const { return *tokenizer_; }
  std::shared_ptr<const text::Tokenizer> shared_tokenizer() const {
    return tokenizer_;
  }
  ThreadPool& pool() const { return *pool_; }
  bool has_chat_template() const { return template_ != nullptr; }

  // The prompt text of a conversation ([{role, content}, ...]) by the
  // model's own chat template. Without one: kUnsupported.
  std::string RenderChat(const Json& messages,
                         const text::ChatRenderOptions& options = {}) const;
  // Tokens of a rendered prompt (special tokens are parsed; the beginning-
  // of-text token is not doubled) or of plain text.
  std::vector<int32_t> EncodePrompt(const std::string& prompt) const;
  // Tokens after which an answer ends.
  const std::vector<int32_t>& end_tokens() const { return end_tokens_; }

 private:
  LanguageModel() = default;

  ModelInfo info_;
  models::Precision precision_ = models::Precision::kFast;
  std::unique_ptr<ThreadPool> pool_;
  std::unique_ptr<models::PackedCache> packed_;
  std::unique_ptr<models::Decoder> decoder_;
  std::shared_ptr<const text::Tokenizer> tokenizer_;
  std::unique_ptr<text::Template> template_;
  std::vector<int32_t> end_tokens_;
};

}  // namespace malmoi::generate

#endif  // MALMOI_GENERATE_LANGUAGE_MODEL_H_
