#include "generate/batch/request.h"

#include <algorithm>
#include <utility>

#include "generate/batch/page_count.h"

namespace malmoi::generate {

namespace {

// How many positions the past may grow to: the last token that is drawn is
// not fed. More than `context` stands for any more.
int64_t MostTokens(int64_t prompt, const GenerateOptions& options,
                   int64_t context) {
  if (options.max_tokens < 0 || options.max_tokens > context) {
    return context + 1;
  }
  return prompt + std::max<int64_t>(0, options.max_tokens - 1);
}

}  // namespace

Request::Request(const LanguageModel& model, std::vector<int32_t> prompt,
                 GenerateOptions options, std::function<void()> on_done,
                 int64_t context)
    : prompt_(std::move(prompt)),
      options_(std::move(options)),
      on_done_(std::move(on_done)),
      generation_(model, prompt_, options_, options_.lookup, context) {
  const int64_t most = MostTokens(
      static_cast<int64_t>(generation_.prompt().size()), options_, context);
  most_tokens_ = std::min(most, context);
  may_slide_ = options_.sliding_window > 0 && most > context;
}

bool Request::done() const {
  const std::lock_guard lock(mutex_);
  return done_;
}

const Completion& Request::Wait() const {
  std::unique_lock lock(mutex_);
  ended_.wait(lock, [&] { return done_; });
  if (error_) std::rethrow_exception(error_);
  return completion_;
}

void Request::Succeed(Completion completion) {
  {
    const std::lock_guard lock(mutex_);
    completion_ = std::move(completion);
  }
  Close();
}

void Request::Fail(std::exception_ptr error) {
  {
    const std::lock_guard lock(mutex_);
    error_ = std::move(error);
  }
  Close();
}

void Request::Close() {
  past_ = {};
  {
    const std::lock_guard lock(mutex_);
    done_ = true;
    ended_.notify_all();
  }
  if (!on_done_) return;
  try {
    on_done_();
  } catch (...) {  // the request has its end
  }
}

}  // namespace malmoi::generate
