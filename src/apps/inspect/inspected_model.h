// Any model, loaded to be looked into: what it reads of a text, and one forward
// of it that a tap observes. No forward of its own: an encoder, a decoder or
// the two stacks of an encoder-decoder run as they always do.
#ifndef MALMOI_APPS_INSPECT_INSPECTED_MODEL_H_
#define MALMOI_APPS_INSPECT_INSPECTED_MODEL_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "generate/language_model.h"
#include "generate/seq2seq.h"
#include "models/encoder.h"
#include "ops/exec.h"

namespace malmoi::apps {

enum class ModelKind { kDecoder, kEncoder, kEncoderDecoder };

struct InspectOptions {
  models::Precision precision = models::Precision::kFast;
  int threads = 0;  // 0: one per usable processor
  models::PackedCacheOptions packed{};
  std::vector<models::AdapterChoice> adapters{};
  // The model's predictions are wanted: it must have a head that predicts.
  bool head = false;
  // Of an encoder-decoder that must be told its languages.
  std::string from{}, to{};
};

// A text as the model reads it, and how its tokens are shown.
struct ReadText {
  std::vector<int32_t> ids;
  // Byte range of the text that each token comes from; empty for those added.
  std::vector<std::pair<size_t, size_t>> offsets;
  // One for each token, to be shown: control characters as pictures, a space
  // at the beginning as "▁"; a token that is a part of a character has the
  // whole one and which part it is ("말 1/3").
  std::vector<std::string> labels;
  // The tokens that make whole characters together: first token and number.
  std::vector<std::pair<size_t, size_t>> units;

  int64_t size() const { return static_cast<int64_t>(ids.size()); }
};

// What one stack of a model is: its layers and those of its heads that attend.
struct StackShape {
  int64_t layers = 0;
  int64_t heads = 0;
  std::vector<bool> attends;  // of each layer
  bool causal = false;
};

class InspectedModel {
 public:
  // A GGUF file or a Hugging Face folder. Throws as models::Decoder::Load()
  // and its kin; kUnsupported, telling what it is, where a head is wanted of
  // an encoder.
  InspectedModel(const std::filesystem::path& path,
                 const InspectOptions& options);

  const std::filesystem::path& path() const { return path_; }
  ModelKind kind() const { return kind_; }
  const std::string& architecture() const { return architecture_; }
  // Of an encoder-decoder: the encoder's, and the decoder's with `decoder`.
  StackShape shape(bool decoder = false) const;
  int64_t width() const;
  int64_t vocab_size() const;
  int64_t max_tokens() const;  // of a text
  const text::Tokenizer& tokenizer() const { return *tokenizer_; }
  ThreadPool& pool() const { return *pool_; }
  // Null unless a decoder was loaded with its head.
  const std::shared_ptr<const generate::LanguageModel>& language() const {
    return language_;
  }

  // Throws kInvalidArgument for a text without anything to read,
  // kContextOverflow with both numbers for one that is too long. `special`:
  // spellings of special tokens in the text become those tokens.
  ReadText Read(std::string_view text, const std::string& where,
                bool special = false) const;
  // Of a prompt that a chat template wrote: special tokens are parsed.
  ReadText ReadPrompt(const std::string& prompt,
                      const std::string& where) const;
  // What an encoder-decoder writes, as its decoder reads it: the token to begin
  // with first. Throws as Read(), and kUnsupported for other models.
  ReadText ReadTarget(std::string_view text, const std::string& where) const;
  // How a token is shown alone; parts of characters as "<e1>".
  std::string Label(int32_t id) const;

  // logits of `first` and the positions behind it, f32 [rows, vocab_size].
  using LogitsVisitor =
      std::function<void(int64_t first, std::span<const float> logits)>;
  // One forward of tokens, for an encoder-decoder also of `target`, from an
  // empty sequence with keys and values in f32. The tap is shown the last norm
  // of all positions too. Rows of a long text may come in pieces, in order.
  void Run(std::span<const int32_t> ids, std::span<const int32_t> target,
           const Tap& tap, const LogitsVisitor& logits = {}) const;
  // models::Decoder::LogitsOf(), of an encoder-decoder its decoder's. Valid
  // until the next call. Needs a head.
  std::span<const float> LogitsOf(std::span<const float> rows) const;

 private:
  void LoadParts(const InspectOptions& options);
  void RunDecoder(std::span<const int32_t> ids, const Tap& tap,
                  const LogitsVisitor& logits) const;
  ReadText Finish(text::Encoding encoding, const std::string& where) const;
  [[noreturn]] void NoHead() const;

  std::filesystem::path path_;
  ModelKind kind_ = ModelKind::kDecoder;
  std::string architecture_;
  std::unique_ptr<ThreadPool> own_pool_;
  ThreadPool* pool_ = nullptr;
  std::unique_ptr<models::PackedCache> packed_;
  mutable Arena arena_;
  std::shared_ptr<const generate::LanguageModel> language_;
  std::unique_ptr<models::Decoder> own_decoder_;
  const models::Decoder* decoder_ = nullptr;
  std::unique_ptr<models::Encoder> encoder_;
  std::shared_ptr<generate::Seq2Seq> seq2seq_;
  generate::Seq2SeqOptions translation_;  // start and first token
  std::function<std::vector<int32_t>(const std::string&)> translate_;
  std::shared_ptr<const text::Tokenizer> own_tokenizer_;
  const text::Tokenizer* tokenizer_ = nullptr;
};

}  // namespace malmoi::apps

#endif  // MALMOI_APPS_INSPECT_INSPECTED_MODEL_H_
