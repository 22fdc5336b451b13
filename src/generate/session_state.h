// What a session holds between answers: the sequence and its tokens.
#ifndef MALMOI_GENERATE_SESSION_STATE_H_
#define MALMOI_GENERATE_SESSION_STATE_H_

#include <memory>
#include <span>
#include <vector>

#include "generate/session.h"

namespace malmoi::generate {

struct SessionState {
  std::shared_ptr<const LanguageModel> model;
  int64_t context = 0;
  std::unique_ptr<models::Sequence> sequence;
  std::vector<int32_t> tokens;  // what the sequence holds
  Arena arena;
  Tap tap;

  Exec MakeExec() { return {model->pool(), arena, tap, nullptr}; }

  // Appends tokens in one forward.
  std::span<const float> Append(std::span<const int32_t> input,
                                models::LogitsFor wanted);
  // Appends any number of tokens; logits of the last. Empty when cancelled.
  std::span<const float> Feed(std::span<const int32_t> input,
                              const GenerateOptions& options);
  // Forgets all but the first `length` tokens.
  void Truncate(int64_t length);
  // Keeps the longest common prefix of what is held and `prompt`, at least
  // one token of which must be fed again for its logits.
  int64_t Reuse(std::span<const int32_t> prompt);
  // Drops the oldest tokens, so that `window` of them stay, and computes the
  // rest anew: positions are what they would have been in a fresh prompt.
  std::span<const float> Slide(int64_t window, const GenerateOptions& options);
};

}  // namespace malmoi::generate

#endif  // MALMOI_GENERATE_SESSION_STATE_H_
