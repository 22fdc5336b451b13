// What a session holds between answers: the sequence and its tokens.
#ifndef MALMOI_GENERATE_SESSION_STATE_H_
#define MALMOI_GENERATE_SESSION_STATE_H_

#include <memory>
#include <span>

#include "generate/session.h"
#include "generate/token_sequence.h"

namespace malmoi::generate {

struct SessionState {
  std::shared_ptr<const LanguageModel> model;
  int64_t context = 0;
  TokenSequence past;
  Arena arena;
  Tap tap;

  // One forward. Lengths grow, past.tokens is left to the caller.
  std::span<const float> Forward(const models::SequenceInput& input) {
    Exec exec = {model->pool(), arena, tap, nullptr};
    return model->decoder().Forward(exec, {&input, 1});
  }
};

}  // namespace malmoi::generate

#endif  // MALMOI_GENERATE_SESSION_STATE_H_
