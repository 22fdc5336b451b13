// Session::Generate: one answer, token by token. Guessed tokens are fed with
// the last one and looked at in order: each is drawn as if it came alone, and
// as the logits are the same bit for bit, so is the answer.
#include <algorithm>
#include <chrono>

#include "base/error.h"
#include "base/format.h"
#include "generate/session_state.h"
#include "generate/stop_filter.h"

namespace malmoi::generate {

namespace {

double Now() {
  return std::chrono::duration<double>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

class Generation {
 public:
  // `prompt` fits into the context.
  Generation(SessionState& state, std::span<const int32_t> prompt,
             const GenerateOptions& options)
      : state_(state),
        options_(options),
        prompt_(prompt),
        vocab_(static_cast<size_t>(state.model->decoder().spec().vocab_size)),
        sampler_(options.sampling),
        filter_(options.stop),
        decoder_(state.model->shared_tokenizer(), !options.ignore_end,
                 !state.model->tokenizer().IsSpecial(prompt.back())),
        history_(prompt.begin(), prompt.end()),
        policy_(state.tap ? Lookup::kOff : options.lookup) {
    if (Guessing()) {
      for (int32_t token : prompt) index_.Append(token);
    }
  }

  Completion Run() {
    const double start = Now();
    Usage& usage = completion_.usage;
    usage.cached_tokens = state_.Reuse(prompt_);
    logits_ = state_.Feed(
        prompt_.subspan(static_cast<size_t>(usage.cached_tokens)), options_);
    first_token_ = Now();
    Timings& timings = completion_.timings;
    timings.prompt_tokens_per_s =
        static_cast<double>(static_cast<int64_t>(prompt_.size()) -
                            usage.cached_tokens) /
        (first_token_ - start);
    completion_.finish_reason = Decode();
    DropGuesses();
    const double end = Now();
    ShowRest();
    timings.first_token_ms = (first_token_ - start) * 1e3;
    const int64_t later = usage.completion_tokens - 1;
    if (later > 0 && end > first_token_) {
      timings.decode_tokens_per_s =
          static_cast<double>(later) / (end - first_token_);
    }
    return std::move(completion_);
  }

 private:
  bool Guessing() const {
    return !state_.tap && options_.lookup != Lookup::kOff;
  }
  bool IsEnd(int32_t token) const {
    const std::vector<int32_t>& ends = state_.model->end_tokens();
    return !options_.ignore_end &&
           std::find(ends.begin(), ends.end(), token) != ends.end();
  }
  bool Complete() const {
    return options_.max_tokens >= 0 &&
           completion_.usage.completion_tokens >= options_.max_tokens;
  }

  FinishReason Decode() {
    while (true) {
      if (logits_.empty() || (options_.cancelled && options_.cancelled())) {
        return FinishReason::kCancelled;
      }
      if (Complete()) return FinishReason::kLength;
      Step step = Choose();
      const int32_t token = step.token;
      if (IsEnd(token)) return FinishReason::kStop;
      Show(std::move(step));
      if (filter_.stopped()) return FinishReason::kStop;
      if (Complete()) return FinishReason::kLength;  // it need not be fed
      if (row_ < guess_.size() && guess_[row_] == token) {
        ++row_;  // it was fed already
        continue;
      }
      DropGuesses();
      if (state_.sequence->length() == state_.context) {
        if (options_.sliding_window == 0) return FinishReason::kLength;
        logits_ = state_.Slide(options_.sliding_window, options_);
        if (logits_.empty()) continue;
      }
      FeedWithGuesses(token);
    }
  }

  Step Choose() {
    const auto logits = logits_.subspan(row_ * vocab_, vocab_);
    Step step;
    step.token = sampler_.Pick(logits, history_);
    if (completion_.usage.completion_tokens == 0) first_token_ = Now();
    if (options_.top_logprobs < 0) return step;
    const double total = LogSumExp(logits);
    step.logprob = static_cast<float>(
        static_cast<double>(logits[static_cast<size_t>(step.token)]) - total);
    step.top = TopLogprobs(logits, options_.top_logprobs);
    return step;
  }

  void Show(Step step) {
    ++completion_.usage.completion_tokens;
    completion_.tokens.push_back(step.token);
    history_.push_back(step.token);
    if (Guessing()) index_.Append(step.token);
    step.text = filter_.Push(decoder_.Push(step.token));
    completion_.text += step.text;
    if (options_.on_step) options_.on_step(step);
    if (options_.top_logprobs >= 0) {
      completion_.steps.push_back(std::move(step));
    }
  }

  // What the filter and the decoder held back.
  void ShowRest() {
    if (filter_.stopped()) return;
    Step step;
    step.token = -1;
    step.text = filter_.Push(decoder_.Finish());
    step.text += filter_.Finish();
    if (step.text.empty()) return;
    completion_.text += step.text;
    if (options_.on_step) options_.on_step(step);
  }

  std::vector<int32_t> Guess() {
    // The token before the guesses takes a position, the draw after them one
    // of the tokens that are left.
    int64_t most = state_.context - state_.sequence->length() - 1;
    if (options_.max_tokens >= 0) {
      most = std::min(
          most, options_.max_tokens - completion_.usage.completion_tokens - 1);
    }
    std::vector<int32_t> guess =
        index_.Guess(std::min(policy_.Count(), std::max<int64_t>(0, most)));
    // What follows the end is never looked at.
    guess.erase(std::find_if(guess.begin(), guess.end(),
                             [&](int32_t token) { return IsEnd(token); }),
                guess.end());
    return guess;
  }

  void FeedWithGuesses(int32_t token) {
    guess_ = Guess();
    std::vector<int32_t> fed = {token};
    fed.insert(fed.end(), guess_.begin(), guess_.end());
    logits_ = state_.Append(fed, models::LogitsFor::kAll);
  }

  // Forgets the guesses that were wrong or not looked at.
  void DropGuesses() {
    if (guess_.empty()) return;
    const int64_t proposed = static_cast<int64_t>(guess_.size());
    const int64_t accepted = static_cast<int64_t>(row_);
    state_.Truncate(state_.sequence->length() - (proposed - accepted));
    policy_.Record(proposed, accepted);
    completion_.usage.lookup_proposed += proposed;
    completion_.usage.lookup_accepted += accepted;
    guess_.clear();
    row_ = 0;
  }

  SessionState& state_;
  const GenerateOptions& options_;
  std::span<const int32_t> prompt_;
  size_t vocab_;
  Sampler sampler_;
  StopFilter filter_;
  text::StreamDecoder decoder_;
  std::vector<int32_t> history_;
  LookupIndex index_;
  LookupPolicy policy_;
  std::vector<int32_t> guess_;     // fed after the last token that was drawn
  size_t row_ = 0;                 // how many of them are known to be right
  std::span<const float> logits_;  // [1 + guesses, vocab]
  double first_token_ = 0;
  Completion completion_;
};

}  // namespace

Completion Session::Generate(std::span<const int32_t> prompt,
                             const GenerateOptions& options) {
  SessionState& state = *state_;
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
  Completion completion = Generation(state, prompt, options).Run();
  completion.usage.prompt_tokens = size;
  return completion;
}

}  // namespace malmoi::generate
