// Generation: prompt tokens in, a stream of steps out. A session keeps its
// sequence, so that a conversation's next turn reuses the common prefix.
#ifndef MALMOI_GENERATE_SESSION_H_
#define MALMOI_GENERATE_SESSION_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "generate/language_model.h"
#include "generate/lookup.h"
#include "generate/sample/sampler.h"

namespace malmoi::generate {

enum class FinishReason {
  kStop,       // end of turn, or a stop string
  kLength,     // max_tokens, or the context is full
  kCancelled,  // the caller said so
};
std::string_view FinishReasonName(FinishReason reason);  // "stop", ...

struct Step {
  int32_t token = 0;
  std::string text;   // what became printable: whole UTF-8 characters
  float logprob = 0;  // only with GenerateOptions::top_logprobs >= 0
  std::vector<TokenLogprob> top;
};

struct GenerateOptions {
  SamplingOptions sampling;
  int64_t max_tokens = -1;        // -1: until the end or a full context
  std::vector<std::string> stop;  // not part of the text
  int top_logprobs = -1;          // -1: none; K: chosen and K best
  bool ignore_end = false;        // go on past the end of turn
  // Positions kept when the context is full; 0: overflow is an error at the
  // prompt and ends the answer with kLength.
  int64_t sliding_window = 0;
  // Guesses from the text so far, several checked in one forward. The answer
  // is the same, it only comes sooner; none while a tap observes, or where a
  // sequence cannot forget them (Decoder::rewinds()).
  Lookup lookup = Lookup::kAutomatic;
  std::function<bool()> cancelled;  // asked once per token
  std::function<void(const Step&)> on_step;
  std::function<void(int64_t done, int64_t total)> on_prompt;  // tokens
};

struct Usage {
  int64_t prompt_tokens = 0;
  int64_t cached_tokens = 0;  // of the prompt, found in the sequence
  int64_t completion_tokens = 0;
  int64_t lookup_proposed = 0;  // tokens guessed, and how many were right
  int64_t lookup_accepted = 0;
};

struct Timings {
  double first_token_ms = 0;
  double prompt_tokens_per_s = 0;
  double decode_tokens_per_s = 0;
};

struct Completion {
  std::string text;
  std::vector<int32_t> tokens;
  std::vector<Step> steps;  // only with top_logprobs >= 0
  FinishReason finish_reason = FinishReason::kStop;
  Usage usage;
  Timings timings;
};

struct SessionState;

class Session {
 public:
  // `context` in tokens; 0: what the model was trained for. More than that
  // is kInvalidArgument. `kv_type`: of keys and values; else the decoder's.
  explicit Session(std::shared_ptr<const LanguageModel> model,
                   int64_t context = 0,
                   std::optional<models::KvType> kv_type = {});
  ~Session();

  // Empty prompt: kInvalidArgument. Prompt longer than the context:
  // kContextOverflow with both numbers.
  Completion Generate(std::span<const int32_t> prompt,
                      const GenerateOptions& options);

  // Logits of every position of `tokens` in order, from an empty sequence;
  // visit(position, logits [vocab_size]).
  void Score(std::span<const int32_t> tokens,
             const std::function<void(int64_t, std::span<const float>)>& visit);

  // Goes on behind what was scored: logits [tokens, vocab_size], valid until
  // the next call. Some hundred tokens at a time bound the memory.
  std::span<const float> ScoreNext(std::span<const int32_t> tokens);
  // Writes tokens and computed pages to a file, or goes on with those of one
  // (as many as the context holds; their number; with a state all or none). The
  // next prompt reuses what it has in common with them. Load throws
  // kInvalidArgument for a file of another model, kUnsupported for one of other
  // kernels, whose bits may differ, kCorrupt for one that is no session or
  // damaged.
  void Save(const std::filesystem::path& path) const;
  int64_t Load(const std::filesystem::path& path);

  int64_t context() const;
  // Bytes of the key-value cache and of scratch memory.
  size_t memory_bytes() const;
  void Clear();
  // Observes activations, see ops/exec.h.
  void SetTap(Tap tap);

 private:
  std::unique_ptr<SessionState> state_;
};

}  // namespace malmoi::generate

#endif  // MALMOI_GENERATE_SESSION_H_
