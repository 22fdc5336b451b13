#include "generate/session.h"

#include <algorithm>

#include "base/error.h"
#include "base/format.h"
#include "generate/generation.h"
#include "generate/session_state.h"

namespace malmoi::generate {

std::string_view FinishReasonName(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop:
      return "stop";
    case FinishReason::kLength:
      return "length";
    case FinishReason::kCancelled:
      return "cancelled";
  }
  return "";
}

Session::Session(std::shared_ptr<const LanguageModel> model, int64_t context,
                 std::optional<models::KvType> kv_type)
    : state_(std::make_unique<SessionState>()) {
  state_->context = ResolveContext(*model, context);
  state_->past.sequence =
      model->decoder().NewSequence(state_->context, kv_type);
  state_->model = std::move(model);
}
Session::~Session() = default;

Completion Session::Generate(std::span<const int32_t> prompt,
                             const GenerateOptions& options) {
  constexpr int64_t kPieceTokens = 512;  // of a prompt per forward
  SessionState& state = *state_;
  Generation generation(*state.model, prompt, options,
                        state.tap ? Lookup::kOff : options.lookup,
                        state.context);
  state.past.Truncate(state.past.Reusable(generation.prompt()));
  generation.Begin(state.past);
  while (!generation.done()) {
    generation.Take(state.Forward(generation.Next(kPieceTokens)));
  }
  return generation.Finish();
}

namespace {
void NeedRoom(size_t tokens, int64_t context) {
  if (static_cast<int64_t>(tokens) <= context) return;
  throw Error(ErrorCode::kContextOverflow,
              {.where = "text",
               .what = "more tokens than the context holds",
               .expected = Format("at most {}", context),
               .got = std::to_string(tokens)});
}
}  // namespace

void Session::Score(
    std::span<const int32_t> tokens,
    const std::function<void(int64_t, std::span<const float>)>& visit) {
  NeedRoom(tokens.size(), state_->context);
  Clear();
  constexpr size_t kRows = 128;  // bounds the memory of the logits
  const size_t vocab =
      static_cast<size_t>(state_->model->decoder().spec().vocab_size);
  for (size_t at = 0; at < tokens.size(); at += kRows) {
    const size_t count = std::min(kRows, tokens.size() - at);
    const auto logits = ScoreNext(tokens.subspan(at, count));
    for (size_t i = 0; i < count; ++i) {
      visit(static_cast<int64_t>(at + i), logits.subspan(i * vocab, vocab));
    }
  }
}

std::span<const float> Session::ScoreNext(std::span<const int32_t> tokens) {
  std::vector<int32_t>& held = state_->past.tokens;
  NeedRoom(held.size() + tokens.size(), state_->context);
  const auto logits = state_->Forward(
      {state_->past.sequence.get(), tokens, models::LogitsFor::kAll});
  held.insert(held.end(), tokens.begin(), tokens.end());
  return logits;
}

int64_t Session::context() const { return state_->context; }
size_t Session::memory_bytes() const {
  return state_->past.sequence->bytes() + state_->arena.capacity_bytes();
}
void Session::Clear() { state_->past.Truncate(0); }
void Session::SetTap(Tap tap) { state_->tap = std::move(tap); }

}  // namespace malmoi::generate
