// An encoder-decoder with its tokenizer and settings: a text in, another text
// out. Greedy, by sampling or by beam search, as the model's settings say
// unless one says otherwise.
#ifndef MALMOI_GENERATE_SEQ2SEQ_H_
#define MALMOI_GENERATE_SEQ2SEQ_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/thread_pool.h"
#include "generate/beam_search.h"
#include "generate/language_model.h"
#include "generate/logit_rules.h"
#include "generate/sample/sampler.h"
#include "generate/session.h"
#include "models/encoder_decoder.h"
#include "text/tokenize/tokenizer.h"

namespace malmoi::generate {

struct Seq2SeqOptions {
  int64_t beams = 1;    // 1: no beam search
  int64_t results = 1;  // texts, of a beam search; at most `beams`
  double length_penalty = 1.0;
  EarlyStopping early_stopping = EarlyStopping::kNo;
  LogitRules rules;
  // Without a beam search; temperature 0: always the most probable token.
  SamplingOptions sampling = {.temperature = 0.0};
  int64_t max_tokens = -1;          // -1: what the settings say, or the context
  std::optional<int32_t> start;     // the decoder's first token
  std::function<bool()> cancelled;  // asked once per token
  std::function<void(std::string_view)> on_text;  // not of a beam search
};

struct Seq2SeqResult {
  std::string text;
  std::vector<int32_t> tokens;  // without the start token
  // Of a beam search its score, else the log-probability.
  double score = 0;
  FinishReason finish_reason = FinishReason::kStop;
};

struct Seq2SeqCompletion {
  std::vector<Seq2SeqResult> results;  // best first
  int64_t input_tokens = 0;
  int64_t steps = 0;  // of the decoder
  double encode_ms = 0, decode_ms = 0;
  double first_token_ms = 0;  // after the beginning
};

class Seq2Seq {
 public:
  // A Hugging Face folder. Without a tokenizer.json tokens go in and out, and
  // texts are kUnsupported. Throws malmoi::Error.
  static std::shared_ptr<Seq2Seq> Load(const std::filesystem::path& path,
                                       const LoadOptions& options = {});
  // Whether a model is one; nothing but its configuration is read.
  static bool Is(const std::filesystem::path& path);

  // By generation_config.json or, for what it lacks, config.json.
  const Seq2SeqOptions& defaults() const { return defaults_; }
  // The same with a task's settings over it: those under `task` in
  // task_specific_params. Nothing where there are none.
  std::optional<Seq2SeqOptions> TaskDefaults(std::string_view task) const;
  // What goes before the text; empty where the settings do not say.
  std::string TaskPrefix(std::string_view task) const;
  // Whether it was trained on prefixes in words: it has settings of tasks.
  bool HasTasks() const;

  const models::EncoderDecoder& model() const { return *model_; }
  const std::filesystem::path& path() const { return path_; }
  const text::Tokenizer& tokenizer() const;
  ThreadPool& pool() const { return *pool_; }

  // Of a text, with the tokens that its tokenizer adds.
  Seq2SeqCompletion Generate(const std::string& text,
                             const Seq2SeqOptions& options) const;
  // Of tokens. Throws kContextOverflow, with both numbers, for a text longer
  // than the model reads, kInvalidArgument for options out of range.
  Seq2SeqCompletion Generate(std::span<const int32_t> tokens,
                             const Seq2SeqOptions& options) const;

 private:
  class Run;
  Seq2Seq() = default;
  void ReadSettings(const models::Checkpoint& checkpoint);
  void ReadGgufSettings(const models::Checkpoint& checkpoint);
  const Json* Task(std::string_view task) const;

  std::filesystem::path path_;
  std::unique_ptr<ThreadPool> pool_;
  std::unique_ptr<models::PackedCache> packed_;
  std::unique_ptr<models::EncoderDecoder> model_;
  std::shared_ptr<const text::Tokenizer> tokenizer_;
  Json tasks_;  // null where there are none
  Seq2SeqOptions defaults_;
  std::vector<int32_t> ends_;
};

}  // namespace malmoi::generate

#endif  // MALMOI_GENERATE_SEQ2SEQ_H_
