#include "generate/session.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "base/error.h"
#include "base/format.h"

namespace malmoi::generate {

namespace {

constexpr int64_t kPieceTokens = 512;  // of a prompt per forward

double Now() {
  return std::chrono::duration<double>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// Holds text back while it may be the beginning of a stop string.
class StopFilter {
 public:
  explicit StopFilter(const std::vector<std::string>& stops) : stops_(stops) {
    for (const std::string& stop : stops_) {
      if (stop.empty()) {
        throw Error(ErrorCode::kInvalidArgument,
                    {.where = "stop", .what = "an empty stop string"});
      }
    }
  }

  // What may be shown; `stopped()` once a stop string is complete.
  std::string Push(const std::string& text) {
    if (stops_.empty()) return text;
    held_ += text;
    size_t first = std::string::npos;
    for (const std::string& stop : stops_) {
      first = std::min(first, held_.find(stop));
    }
    if (first != std::string::npos) {
      stopped_ = true;
      return held_.substr(0, first);
    }
    size_t keep = 0;
    for (const std::string& stop : stops_) {
      for (size_t n = std::min(stop.size() - 1, held_.size()); n > keep; --n) {
        if (std::string_view(held_).ends_with(stop.substr(0, n))) keep = n;
      }
    }
    std::string ready = held_.substr(0, held_.size() - keep);
    held_.erase(0, held_.size() - keep);
    return ready;
  }
  std::string Finish() { return stopped_ ? "" : std::move(held_); }
  bool stopped() const { return stopped_; }

 private:
  const std::vector<std::string>& stops_;
  std::string held_;
  bool stopped_ = false;
};

}  // namespace

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

struct Session::State {
  std::shared_ptr<const LanguageModel> model;
  int64_t context = 0;
  std::unique_ptr<models::Sequence> sequence;
  std::vector<int32_t> tokens;  // what the sequence holds
  Arena arena;
  Tap tap;

  Exec MakeExec() { return {model->pool(), arena, tap, nullptr}; }

  // Appends tokens; logits of the last. Empty when cancelled.
  std::span<const float> Feed(std::span<const int32_t> input,
                              const GenerateOptions& options) {
    Exec exec = MakeExec();
    std::span<const float> logits;
    const int64_t total = static_cast<int64_t>(input.size());
    for (int64_t done = 0; done < total;) {
      if (done > 0 && options.cancelled && options.cancelled()) return {};
      const int64_t count = std::min(kPieceTokens, total - done);
      const bool last = done + count == total;
      const models::SequenceInput piece = {
          sequence.get(),
          input.subspan(static_cast<size_t>(done), static_cast<size_t>(count)),
          last ? models::LogitsFor::kLast : models::LogitsFor::kNone};
      logits = model->decoder().Forward(exec, {&piece, 1});
      tokens.insert(tokens.end(), piece.tokens.begin(), piece.tokens.end());
      done += count;
      if (options.on_prompt) options.on_prompt(done, total);
    }
    return logits;
  }

  // Keeps the longest common prefix of what is held and `prompt`, at least
  // one token of which must be fed again for its logits.
  int64_t Reuse(std::span<const int32_t> prompt) {
    size_t common = 0;
    while (common < tokens.size() && common + 1 < prompt.size() &&
           tokens[common] == prompt[common]) {
      ++common;
    }
    sequence->Truncate(static_cast<int64_t>(common));
    tokens.resize(common);
    return static_cast<int64_t>(common);
  }

  // Drops the oldest tokens, so that `window` of them stay, and computes the
  // rest anew: positions are what they would have been in a fresh prompt.
  std::span<const float> Slide(int64_t window, const GenerateOptions& options) {
    const int64_t keep = std::max<int64_t>(1, window);
    const std::vector<int32_t> kept(tokens.end() - keep, tokens.end());
    sequence->Truncate(0);
    tokens.clear();
    GenerateOptions quiet;
    quiet.cancelled = options.cancelled;
    return Feed(kept, quiet);
  }
};

Session::Session(std::shared_ptr<const LanguageModel> model, int64_t context)
    : state_(std::make_unique<State>()) {
  const int64_t trained = model->decoder().spec().context;
  if (context < 0 || context > trained) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = "context",
                 .what = "more than the model was trained for",
                 .expected = Format("1 to {} tokens", trained),
                 .got = std::to_string(context)});
  }
  state_->context = context > 0 ? context : trained;
  state_->sequence = model->decoder().NewSequence(state_->context);
  state_->model = std::move(model);
}
Session::~Session() = default;

Completion Session::Generate(std::span<const int32_t> prompt,
                             const GenerateOptions& options) {
  State& state = *state_;
  if (prompt.empty()) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = "prompt", .what = "the prompt is empty"});
  }
  const int64_t size = static_cast<int64_t>(prompt.size());
  if (options.sliding_window < 0 || options.sliding_window >= state.context) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = "sliding-window",
                 .what = "value out of range",
                 .expected = Format("below the context of {}", state.context),
                 .got = std::to_string(options.sliding_window)});
  }
  if (size > state.context) {
    if (options.sliding_window == 0) {
      throw Error(ErrorCode::kContextOverflow,
                  {.where = "prompt",
                   .what = "more tokens than the context holds",
                   .expected = Format("at most {}", state.context),
                   .got = std::to_string(size),
                   .hint = "a shorter prompt or --sliding-window"});
    }
    prompt = prompt.last(static_cast<size_t>(options.sliding_window));
  }
  Sampler sampler(options.sampling);
  StopFilter filter(options.stop);
  const text::Tokenizer& tokenizer = state.model->tokenizer();
  text::StreamDecoder decoder(
      state.model->shared_tokenizer(), !options.ignore_end,
      !prompt.empty() && !tokenizer.IsSpecial(prompt.back()));
  Completion completion;
  completion.usage.prompt_tokens = size;
  const double start = Now();
  completion.usage.cached_tokens = state.Reuse(prompt);
  std::span<const float> logits = state.Feed(
      prompt.subspan(static_cast<size_t>(completion.usage.cached_tokens)),
      options);
  const double prompt_done = Now();
  completion.timings.prompt_tokens_per_s =
      static_cast<double>(size - completion.usage.cached_tokens) /
      (prompt_done - start);
  completion.finish_reason = FinishReason::kLength;
  std::vector<int32_t> history(prompt.begin(), prompt.end());
  const std::vector<int32_t>& ends = state.model->end_tokens();
  const bool want_logprobs = options.top_logprobs >= 0;
  double first_token = prompt_done;

  const auto show = [&](Step step, const std::string& text) {
    step.text = text;
    completion.text += text;
    if (options.on_step) options.on_step(step);
    if (want_logprobs) completion.steps.push_back(std::move(step));
  };
  while (true) {
    if (logits.empty() || (options.cancelled && options.cancelled())) {
      completion.finish_reason = FinishReason::kCancelled;
      break;
    }
    if (options.max_tokens >= 0 &&
        completion.usage.completion_tokens >= options.max_tokens) {
      break;
    }
    Step step;
    step.token = sampler.Pick(logits, history);
    if (completion.usage.completion_tokens == 0) first_token = Now();
    if (want_logprobs) {
      const double total = LogSumExp(logits);
      step.logprob = static_cast<float>(
          static_cast<double>(logits[static_cast<size_t>(step.token)]) - total);
      step.top = TopLogprobs(logits, options.top_logprobs);
    }
    if (!options.ignore_end &&
        std::find(ends.begin(), ends.end(), step.token) != ends.end()) {
      completion.finish_reason = FinishReason::kStop;
      break;
    }
    ++completion.usage.completion_tokens;
    completion.tokens.push_back(step.token);
    history.push_back(step.token);
    const std::string text = filter.Push(decoder.Push(step.token));
    const int32_t token = step.token;
    show(std::move(step), text);
    if (filter.stopped()) {
      completion.finish_reason = FinishReason::kStop;
      break;
    }
    if (options.max_tokens >= 0 &&
        completion.usage.completion_tokens >= options.max_tokens) {
      break;  // the last token need not be fed
    }
    if (state.sequence->length() == state.context) {
      if (options.sliding_window == 0) break;
      logits = state.Slide(options.sliding_window, options);
      if (logits.empty()) continue;
    }
    const models::SequenceInput input = {
        state.sequence.get(), {&token, 1}, models::LogitsFor::kLast};
    Exec exec = state.MakeExec();
    logits = state.model->decoder().Forward(exec, {&input, 1});
    state.tokens.push_back(token);
  }
  const double end = Now();
  std::string rest;
  if (!filter.stopped()) {
    rest = filter.Push(decoder.Finish());
    rest += filter.Finish();
  }
  if (!rest.empty()) {
    completion.text += rest;
    if (options.on_step) {
      Step step;
      step.token = -1;
      step.text = rest;
      options.on_step(step);
    }
  }
  completion.timings.first_token_ms = (first_token - start) * 1e3;
  const int64_t later = completion.usage.completion_tokens - 1;
  if (later > 0 && end > first_token) {
    completion.timings.decode_tokens_per_s =
        static_cast<double>(later) / (end - first_token);
  }
  return completion;
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
  State& state = *state_;
  NeedRoom(state.tokens.size() + tokens.size(), state.context);
  Exec exec = state.MakeExec();
  const models::SequenceInput input = {state.sequence.get(), tokens,
                                       models::LogitsFor::kAll};
  const auto logits = state.model->decoder().Forward(exec, {&input, 1});
  state.tokens.insert(state.tokens.end(), tokens.begin(), tokens.end());
  return logits;
}

int64_t Session::context() const { return state_->context; }
size_t Session::memory_bytes() const {
  return state_->sequence->bytes() + state_->arena.capacity_bytes();
}
void Session::Clear() {
  state_->sequence->Truncate(0);
  state_->tokens.clear();
}
void Session::SetTap(Tap tap) { state_->tap = std::move(tap); }

}  // namespace malmoi::generate
