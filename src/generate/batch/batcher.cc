#include "generate/batch/batcher.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "base/error.h"
#include "base/format.h"

namespace malmoi::generate {

namespace {

int64_t WholePages(int64_t tokens) {
  return tokens / models::kPagePositions * models::kPagePositions;
}

void RequireAtLeast(int64_t least, const char* where, int64_t value) {
  if (value >= least) return;
  throw Error(ErrorCode::kInvalidArgument,
              {.where = where,
               .what = "value out of range",
               .expected = Format("{} or more", least),
               .got = std::to_string(value)});
}

}  // namespace

Batcher::Batcher(std::shared_ptr<const LanguageModel> model,
                 const SchedulerOptions& options)
    : model_(std::move(model)), options_(options) {
  options_.context = ResolveContext(*model_, options.context);
  RequireAtLeast(1, "max_sequences", options.max_sequences);
  RequireAtLeast(1, "step_tokens", options.step_tokens);
  RequireAtLeast(0, "max_kept", options.max_kept);
  shape_ = model_->decoder().kv_shape(options.kv_type);
  stats_.memory_bytes = options.memory_bytes > 0
                            ? options.memory_bytes
                            : static_cast<size_t>(options.max_sequences) *
                                  shape_.bytes(options_.context);
}

std::shared_ptr<Request> Batcher::NewRequest(
    std::vector<int32_t> prompt, GenerateOptions options,
    std::function<void()> on_done) const {
  auto request =
      std::make_shared<Request>(*model_, std::move(prompt), std::move(options),
                                std::move(on_done), options_.context);
  const size_t most = shape_.bytes(request->most_tokens_);
  if (most > stats_.memory_bytes) {
    throw Error(ErrorCode::kLimit,
                {.where = "memory",
                 .what = "an answer may grow larger than the memory for all",
                 .expected = Format("at most {} bytes", stats_.memory_bytes),
                 .got = std::to_string(most),
                 .hint = "a smaller context or --max-tokens"});
  }
  return request;
}

void Batcher::Add(RequestPtr request) {
  waiting_.push_back(std::move(request));
}

bool Batcher::Step() {
  try {
    EndCancelled();
    Admit();
    std::vector<Share> shares = Plan();
    if (shares.empty()) return false;
    Forward(shares);
  } catch (...) {  // of no request in particular, like a lack of memory
    for (const RequestPtr& request : running_) {
      if (!request->done()) request->Fail(std::current_exception());
    }
  }
  RemoveEnded();
  return true;
}

void Batcher::CancelAll() {
  for (const RequestPtr& request : waiting_) request->Cancel();
  for (const RequestPtr& request : running_) request->Cancel();
  EndCancelled();
}

// Those that wait are asked as those that run are by their generation.
void Batcher::EndCancelled() {
  const auto end = [&](const RequestPtr& request) {
    try {
      const auto& asked = request->options_.cancelled;
      if (!request->CancelledByFlag() &&
          (request->begun_ || !asked || !asked())) {
        return;
      }
      request->generation_.Cancel();
      End(*request);
    } catch (...) {
      request->Fail(std::current_exception());
    }
  };
  std::for_each(waiting_.begin(), waiting_.end(), end);
  std::for_each(running_.begin(), running_.end(), end);
  RemoveEnded();
}

void Batcher::RemoveEnded() {
  const auto ended = [](const RequestPtr& request) { return request->done(); };
  stats_.finished += static_cast<int64_t>(std::erase_if(waiting_, ended) +
                                          std::erase_if(running_, ended));
}

// In the order they came: one for which there is no room holds up those
// behind it, so that it is not overtaken for ever.
void Batcher::Admit() {
  while (!waiting_.empty() && std::ssize(running_) < options_.max_sequences) {
    const RequestPtr request = waiting_.front();
    try {
      Attach(*request);
      if (!MakeRoom(*request)) {
        request->past_ = {};
        return;
      }
      running_.push_back(request);
    } catch (...) {  // a lack of memory
      request->Fail(std::current_exception());
      ++stats_.finished;
    }
    waiting_.pop_front();
  }
}

// Whether all that runs and `request` will find the pages they may need;
// forgets kept sequences where that helps.
bool Batcher::MakeRoom(const Request& request) {
  const size_t limit = stats_.memory_bytes;
  if (MostBytes(&request, /*with_kept=*/false) > limit) return false;
  while (MostBytes(&request, /*with_kept=*/true) > limit) Evict();
  return true;
}

void Batcher::Evict() {
  cache_.Evict();
  ++stats_.evicted_sequences;
}

// Pages that it may need beyond those it has.
int64_t Batcher::Growth(const Request& request, const PageCount& count) const {
  const int64_t most = shape_.pages(request.most_tokens_);
  if (!request.past_.sequence) return most;
  const models::Sequence& sequence = *request.past_.sequence;
  // A window that slides gives up its own pages, and others keep the rest.
  if (request.may_slide_) return most - count.Own(sequence);
  return most - shape_.pages(sequence.length()) + count.WillCopy(sequence);
}

// Memory in use once all that runs, and `also`, have grown as far as they may.
// It never increases but by Admit: what a sequence takes it no longer needs,
// and whoever attaches to a running one takes whole pages, which stay as they
// are.
size_t Batcher::MostBytes(const Request* also, bool with_kept) const {
  PageCount count;
  const auto add = [&](const TokenSequence& past) {
    if (past.sequence) count.Add(*past.sequence);
  };
  for (const RequestPtr& request : running_) add(request->past_);
  if (also != nullptr) add(also->past_);
  if (with_kept) {
    for (const TokenSequence& past : cache_.entries()) add(past);
  }
  int64_t pages = 0;
  for (const RequestPtr& request : running_) pages += Growth(*request, count);
  if (also != nullptr) pages += Growth(*also, count);
  return count.bytes() + static_cast<size_t>(pages) * shape_.page_bytes();
}

// Gives a request that has not begun the longest beginning of its prompt that
// another sequence holds.
void Batcher::Attach(Request& request) {
  const auto prompt = request.generation_.prompt();
  const TokenSequence* kept = cache_.Find(prompt);
  const TokenSequence* best = kept;
  int64_t common = kept != nullptr ? kept->Reusable(prompt) : 0;
  for (const RequestPtr& other : running_) {
    // A window that slides would leave its pages to us, and need new ones.
    if (other.get() == &request || other->may_slide_) continue;
    const int64_t whole = WholePages(other->past_.Reusable(prompt));
    if (whole <= common || !other->past_.sequence->CanTruncate(whole)) continue;
    best = &other->past_;
    common = whole;
  }
  TokenSequence& past = request.past_;
  if (past.sequence && common <= past.length()) return;
  if (best == nullptr) {
    past.sequence =
        model_->decoder().NewSequence(options_.context, options_.kv_type);
    return;
  }
  past = best->Fork(common);
  if (best == kept) cache_.Touch(kept);
}

// Whether an earlier request is still to compute more of this one's beginning
// than there is to attach to: waiting for it costs less than computing it.
bool Batcher::Follows(const Request& request) const {
  // What comes behind it, too, will be in the state by then.
  if (!shape_.rewinds()) return false;
  const auto prompt = request.generation_.prompt();
  for (const RequestPtr& other : running_) {
    if (other.get() == &request) return false;
    if (other->may_slide_) continue;
    const int64_t common = CommonPrefix(other->generation_.prompt(),
                                        prompt.first(prompt.size() - 1));
    if (WholePages(common) > request.past_.length()) return true;
  }
  return false;
}

std::vector<Batcher::Share> Batcher::Plan() {
  std::vector<Share> shares, prompts;
  for (const RequestPtr& request : running_) {
    if (!request->begun_) {
      Attach(*request);  // there may be more by now
      if (Follows(*request)) continue;
      request->begun_ = true;
      request->generation_.Begin(request->past_);
    }
    (request->generation_.left() > 0 ? prompts : shares)
        .push_back({.request = request.get()});
  }
  // Guesses leave half of the rows to prompts.
  const int64_t answers = std::ssize(shares);
  const int64_t guesses = options_.step_tokens - answers -
                          (prompts.empty() ? 0 : options_.step_tokens / 2);
  int64_t left = options_.step_tokens;
  for (Share& share : shares) {
    share.rows = 1 + std::max<int64_t>(0, guesses) / answers;
    share.input = share.request->generation_.Next(share.rows);
    left -= std::ssize(share.input.tokens);
  }
  stats_.step_prompt_rows = 0;
  ShareRows(std::max<int64_t>(1, left), prompts);
  for (Share& share : prompts) {
    if (share.rows == 0) continue;
    share.input = share.request->generation_.Next(share.rows);
    stats_.step_prompt_rows += share.rows;
    shares.push_back(share);
  }
  return shares;
}

// The same to each; what short ones leave and the remainder go to the others in
// turn.
void Batcher::ShareRows(int64_t rows, std::span<Share> prompts) {
  if (prompts.empty()) return;
  const int64_t count = std::ssize(prompts);
  const int64_t each = rows / count;
  for (Share& share : prompts) {
    share.rows = std::min(each, share.request->generation_.left());
    rows -= share.rows;
  }
  if (rows == 0) return;
  ++turn_;
  for (int64_t i = 0; i < count; ++i) {
    Share& share = prompts[static_cast<size_t>((turn_ + i) % count)];
    const int64_t more =
        std::min(rows, share.request->generation_.left() - share.rows);
    share.rows += more;
    rows -= more;
  }
}

void Batcher::Forward(std::vector<Share>& shares) {
  ++stats_.steps;
  stats_.step_sequences = std::ssize(shares);
  stats_.step_rows = 0;
  std::vector<models::SequenceInput> inputs;
  for (const Share& share : shares) {
    inputs.push_back(share.input);
    stats_.step_rows += std::ssize(share.input.tokens);
  }
  Exec exec = {model_->pool(), arena_, {}, nullptr};
  std::span<const float> logits;
  try {
    logits = model_->decoder().Forward(exec, inputs);
  } catch (...) {  // the sequences are unchanged
    return ForwardEach(shares);
  }
  const size_t vocab = static_cast<size_t>(model_->decoder().spec().vocab_size);
  for (const Share& share : shares) {
    size_t wanted = share.input.tokens.size();
    if (share.input.logits == models::LogitsFor::kNone) wanted = 0;
    if (share.input.logits == models::LogitsFor::kLast) wanted = 1;
    Take(*share.request, logits.first(wanted * vocab));
    logits = logits.subspan(wanted * vocab);
  }
}

// One at a time, to find the one that fails: it ends, the others go on.
void Batcher::ForwardEach(std::vector<Share>& shares) {
  Exec exec = {model_->pool(), arena_, {}, nullptr};
  for (const Share& share : shares) {
    std::span<const float> logits;
    try {
      logits = model_->decoder().Forward(exec, {&share.input, 1});
    } catch (...) {
      share.request->Fail(std::current_exception());
      continue;
    }
    Take(*share.request, logits);
  }
}

void Batcher::Take(Request& request, std::span<const float> logits) {
  try {
    request.generation_.Take(logits);
    if (request.generation_.done()) End(request);
  } catch (...) {
    request.Fail(std::current_exception());
  }
}

void Batcher::End(Request& request) {
  Completion completion = request.generation_.Finish();
  if (completion.finish_reason != FinishReason::kCancelled) {
    cache_.Add(std::move(request.past_));
    while (std::ssize(cache_.entries()) > options_.max_kept) Evict();
  }
  request.Succeed(std::move(completion));
}

SchedulerStats Batcher::stats() const {
  SchedulerStats stats = stats_;
  stats.waiting = std::ssize(waiting_);
  stats.running = std::ssize(running_);
  stats.kept_sequences = std::ssize(cache_.entries());
  PageCount count;
  for (const RequestPtr& request : running_) {
    if (request->past_.sequence) count.Add(*request->past_.sequence);
  }
  for (const TokenSequence& past : cache_.entries()) count.Add(*past.sequence);
  stats.bytes = count.bytes();
  return stats;
}

}  // namespace malmoi::generate
