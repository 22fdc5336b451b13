#include "generate/session.h"

#include <algorithm>

#include "base/error.h"
#include "base/format.h"
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

std::span<const float> SessionState::Append(std::span<const int32_t> input,
                                            models::LogitsFor wanted) {
  Exec exec = MakeExec();
  const models::SequenceInput piece = {sequence.get(), input, wanted};
  const auto logits = model->decoder().Forward(exec, {&piece, 1});
  tokens.insert(tokens.end(), input.begin(), input.end());
  return logits;
}

std::span<const float> SessionState::Feed(std::span<const int32_t> input,
                                          const GenerateOptions& options) {
  constexpr int64_t kPieceTokens = 512;  // of a prompt per forward
  std::span<const float> logits;
  const int64_t total = static_cast<int64_t>(input.size());
  for (int64_t done = 0; done < total;) {
    if (done > 0 && options.cancelled && options.cancelled()) return {};
    const int64_t count = std::min(kPieceTokens, total - done);
    logits = Append(
        input.subspan(static_cast<size_t>(done), static_cast<size_t>(count)),
        done + count == total ? models::LogitsFor::kLast
                              : models::LogitsFor::kNone);
    done += count;
    if (options.on_prompt) options.on_prompt(done, total);
  }
  return logits;
}

void SessionState::Truncate(int64_t length) {
  sequence->Truncate(length);
  tokens.resize(static_cast<size_t>(length));
}

int64_t SessionState::Reuse(std::span<const int32_t> prompt) {
  size_t common = 0;
  while (common < tokens.size() && common + 1 < prompt.size() &&
         tokens[common] == prompt[common]) {
    ++common;
  }
  Truncate(static_cast<int64_t>(common));
  return static_cast<int64_t>(common);
}

std::span<const float> SessionState::Slide(int64_t window,
                                           const GenerateOptions& options) {
  const int64_t keep = std::max<int64_t>(1, window);
  const std::vector<int32_t> kept(tokens.end() - keep, tokens.end());
  Truncate(0);
  GenerateOptions quiet;
  quiet.cancelled = options.cancelled;
  return Feed(kept, quiet);
}

Session::Session(std::shared_ptr<const LanguageModel> model, int64_t context,
                 std::optional<models::KvType> kv_type)
    : state_(std::make_unique<SessionState>()) {
  const int64_t trained = model->decoder().spec().context;
  if (context < 0 || context > trained) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = "context",
                 .what = "more than the model was trained for",
                 .expected = Format("1 to {} tokens", trained),
                 .got = std::to_string(context)});
  }
  state_->context = context > 0 ? context : trained;
  state_->sequence = model->decoder().NewSequence(state_->context, kv_type);
  state_->model = std::move(model);
}
Session::~Session() = default;

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
  NeedRoom(state_->tokens.size() + tokens.size(), state_->context);
  return state_->Append(tokens, models::LogitsFor::kAll);
}

int64_t Session::context() const { return state_->context; }
size_t Session::memory_bytes() const {
  return state_->sequence->bytes() + state_->arena.capacity_bytes();
}
void Session::Clear() { state_->Truncate(0); }
void Session::SetTap(Tap tap) { state_->tap = std::move(tap); }

}  // namespace malmoi::generate
