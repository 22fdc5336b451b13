#include "generate/generation.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/check.h"
#include "base/error.h"
#include "base/format.h"

namespace malmoi::generate {

namespace {

double Now() {
  return std::chrono::duration<double>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// What of the prompt is read.
std::span<const int32_t> Fit(std::span<const int32_t> prompt,
                             const GenerateOptions& options, int64_t context) {
  if (prompt.empty()) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = "prompt", .what = "the prompt is empty"});
  }
  const int64_t size = static_cast<int64_t>(prompt.size());
  if (options.sliding_window < 0 || options.sliding_window >= context) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = "sliding-window",
                 .what = "value out of range",
                 .expected = Format("below the context of {}", context),
                 .got = std::to_string(options.sliding_window)});
  }
  if (size <= context) return prompt;
  if (options.sliding_window == 0) {
    throw Error(ErrorCode::kContextOverflow,
                {.where = "prompt",
                 .what = "more tokens than the context holds",
                 .expected = Format("at most {}", context),
                 .got = std::to_string(size),
                 .hint = "a shorter prompt or --sliding-window"});
  }
  return prompt.last(static_cast<size_t>(options.sliding_window));
}

}  // namespace

int64_t ResolveContext(const LanguageModel& model, int64_t context) {
  const int64_t trained = model.decoder().spec().context;
  if (context < 0 || context > trained) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = "context",
                 .what = "more than the model was trained for",
                 .expected = Format("1 to {} tokens", trained),
                 .got = std::to_string(context)});
  }
  return context > 0 ? context : model.decoder().spec().UsualContext();
}

Generation::Generation(const LanguageModel& model,
                       std::span<const int32_t> prompt,
                       const GenerateOptions& options, Lookup lookup,
                       int64_t context)
    : model_(model),
      options_(options),
      // A wrong guess could not be taken back.
      lookup_(model.decoder().rewinds() ? lookup : Lookup::kOff),
      context_(context),
      vocab_(static_cast<size_t>(model.decoder().spec().vocab_size)),
      prompt_(Fit(prompt, options, context)),
      sampler_(options.sampling),
      filter_(options.stop),
      decoder_(model.shared_tokenizer(), !options.ignore_end,
               !model.tokenizer().IsSpecial(prompt.back())),
      history_(prompt_.begin(), prompt_.end()),
      policy_(lookup_),
      created_(Now()) {
  completion_.usage.prompt_tokens = static_cast<int64_t>(prompt.size());
  if (Guessing()) {
    for (int32_t token : prompt_) index_.Append(token);
  }
}

void Generation::Begin(TokenSequence& past) {
  begun_ = Now();
  past_ = &past;
  completion_.usage.cached_tokens = past.length();
  reading_ = prompt_.subspan(static_cast<size_t>(past.length()));
  MALMOI_CHECK(!reading_.empty());
}

bool Generation::IsEnd(int32_t token) const {
  const std::vector<int32_t>& ends = model_.end_tokens();
  return !options_.ignore_end &&
         std::find(ends.begin(), ends.end(), token) != ends.end();
}

bool Generation::Complete() const {
  return options_.max_tokens >= 0 &&
         completion_.usage.completion_tokens >= options_.max_tokens;
}

models::SequenceInput Generation::Next(int64_t most) {
  MALMOI_CHECK(past_ != nullptr && !done_ && most >= 1);
  models::LogitsFor wanted = models::LogitsFor::kAll;
  if (left() > 0) {
    const auto piece =
        reading_.subspan(read_, static_cast<size_t>(std::min(most, left())));
    fed_.assign(piece.begin(), piece.end());
    const bool last = read_ + piece.size() == reading_.size();
    wanted =
        last && !sliding_ ? models::LogitsFor::kLast : models::LogitsFor::kNone;
  } else {
    guess_ = Guess(most - 1);
    fed_.assign(1, token_);
    fed_.insert(fed_.end(), guess_.begin(), guess_.end());
  }
  return {past_->sequence.get(), fed_, wanted};
}

void Generation::Take(std::span<const float> logits) {
  past_->tokens.insert(past_->tokens.end(), fed_.begin(), fed_.end());
  if (left() == 0) return Draw(logits);
  read_ += fed_.size();
  if (!sliding_ && options_.on_prompt) {
    options_.on_prompt(static_cast<int64_t>(read_),
                       static_cast<int64_t>(reading_.size()));
  }
  if (left() > 0) {
    if (Cancelled()) End(FinishReason::kCancelled);
    return;
  }
  if (std::exchange(sliding_, false)) return;  // the token drawn is next
  first_token_ = Now();
  completion_.timings.prompt_tokens_per_s =
      static_cast<double>(reading_.size()) / (first_token_ - begun_);
  Draw(logits);
}

// Draws from the logits, [1 + guesses, vocab] or [1, vocab], as far as the
// guesses are right.
void Generation::Draw(std::span<const float> logits) {
  while (true) {
    if (Cancelled()) return End(FinishReason::kCancelled);
    if (Complete()) return End(FinishReason::kLength);
    Step step = Choose(logits.subspan(row_ * vocab_, vocab_));
    token_ = step.token;
    if (IsEnd(token_)) return End(FinishReason::kStop);
    Show(std::move(step));
    if (filter_.stopped()) return End(FinishReason::kStop);
    if (Complete()) return End(FinishReason::kLength);  // it need not be fed
    if (row_ == guess_.size() || guess_[row_] != token_) break;
    ++row_;  // it was fed already
  }
  DropGuesses();
  if (past_->length() < context_) return;
  if (options_.sliding_window == 0) return End(FinishReason::kLength);
  Slide();
}

Step Generation::Choose(std::span<const float> logits) {
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

void Generation::Show(Step step) {
  ++completion_.usage.completion_tokens;
  completion_.tokens.push_back(step.token);
  history_.push_back(step.token);
  if (Guessing()) index_.Append(step.token);
  step.text = filter_.Push(decoder_.Push(step.token));
  completion_.text += step.text;
  if (options_.on_step) options_.on_step(step);
  if (options_.top_logprobs >= 0) completion_.steps.push_back(std::move(step));
}

// What the filter and the decoder held back.
void Generation::ShowRest() {
  if (filter_.stopped()) return;
  Step step;
  step.token = -1;
  step.text = filter_.Push(decoder_.Finish());
  step.text += filter_.Finish();
  if (step.text.empty()) return;
  completion_.text += step.text;
  if (options_.on_step) options_.on_step(step);
}

// Drops the oldest tokens, so that a window of them stays, which is computed
// anew: positions are what they would have been in a fresh prompt.
void Generation::Slide() {
  const int64_t keep = std::max<int64_t>(1, options_.sliding_window);
  kept_.assign(past_->tokens.end() - keep, past_->tokens.end());
  past_->Truncate(0);
  reading_ = kept_;
  read_ = 0;
  sliding_ = true;
}

std::vector<int32_t> Generation::Guess(int64_t most) {
  // The token before the guesses takes a position, the draw after them one
  // of the tokens that are left.
  most = std::min(most, context_ - past_->length() - 1);
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

// Forgets the guesses that were wrong or not looked at.
void Generation::DropGuesses() {
  if (guess_.empty()) return;
  const int64_t proposed = static_cast<int64_t>(guess_.size());
  const int64_t accepted = static_cast<int64_t>(row_);
  past_->Truncate(past_->length() - (proposed - accepted));
  policy_.Record(proposed, accepted);
  completion_.usage.lookup_proposed += proposed;
  completion_.usage.lookup_accepted += accepted;
  guess_.clear();
  row_ = 0;
}

void Generation::End(FinishReason reason) {
  completion_.finish_reason = reason;
  DropGuesses();
  ended_ = Now();
  done_ = true;
}

void Generation::Cancel() {
  if (!done_) End(FinishReason::kCancelled);
}

Completion Generation::Finish() {
  MALMOI_CHECK(done_);
  ShowRest();
  Timings& timings = completion_.timings;
  if (first_token_ > 0) {
    timings.first_token_ms = (first_token_ - created_) * 1e3;
  }
  const int64_t later = completion_.usage.completion_tokens - 1;
  if (later > 0 && ended_ > first_token_) {
    timings.decode_tokens_per_s =
        static_cast<double>(later) / (ended_ - first_token_);
  }
  return std::move(completion_);
}

}  // namespace malmoi::generate
