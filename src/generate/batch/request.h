// One prompt on its way through the scheduler: what the caller holds to wait
// for it or to cancel it, and what the batcher knows of it.
#ifndef MALMOI_GENERATE_BATCH_REQUEST_H_
#define MALMOI_GENERATE_BATCH_REQUEST_H_

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "generate/generation.h"
#include "generate/token_sequence.h"

namespace malmoi::generate {

class Request {
 public:
  // Throws what Generation does.
  Request(const LanguageModel& model, std::vector<int32_t> prompt,
          GenerateOptions options, std::function<void()> on_done,
          int64_t context);

  // From any thread, any number of times. Takes effect before the next step;
  // the request then ends with kCancelled and what it has of the text.
  void Cancel() { cancelled_.store(true, std::memory_order_relaxed); }

  // From any thread.
  bool done() const;
  // Waits for the end. Throws what ended the request if that was no regular
  // end: an Error of its prompt, or what a callback of it threw. The
  // completion lives as long as the request.
  const Completion& Wait() const;

 private:
  friend class Batcher;

  bool CancelledByFlag() const {
    return cancelled_.load(std::memory_order_relaxed);
  }
  // Either ends it and frees its sequence; then on_done is called.
  void Succeed(Completion completion);
  void Fail(std::exception_ptr error);
  void Close();

  const std::vector<int32_t> prompt_;
  const GenerateOptions options_;
  const std::function<void()> on_done_;
  std::atomic<bool> cancelled_{false};

  // Of the thread that steps.
  Generation generation_;
  TokenSequence past_;   // no sequence before the first fork or token
  int64_t most_tokens_;  // that it may ever have
  bool may_slide_;       // it may compute all its pages anew
  bool begun_ = false;   // its first tokens have been fed

  mutable std::mutex mutex_;  // of what follows
  mutable std::condition_variable ended_;
  bool done_ = false;
  Completion completion_;
  std::exception_ptr error_;
};

}  // namespace malmoi::generate

#endif  // MALMOI_GENERATE_BATCH_REQUEST_H_
