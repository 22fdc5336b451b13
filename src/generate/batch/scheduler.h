// The thread that steps a Batcher: prompts come from any thread and are
// answered together, each as if it were alone.
#ifndef MALMOI_GENERATE_BATCH_SCHEDULER_H_
#define MALMOI_GENERATE_BATCH_SCHEDULER_H_

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "generate/batch/batcher.h"

namespace malmoi::generate {

class Scheduler {
 public:
  // Throws kInvalidArgument for options out of range.
  Scheduler(std::shared_ptr<const LanguageModel> model,
            const SchedulerOptions& options = {});
  // Cancels all requests and waits for the thread. Not from a callback.
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // From any thread, callbacks included. The answer is that of
  // Session::Generate, bit for bit; requests begin in the order they came.
  // Throws at once for a prompt or options that can never be answered
  // (Batcher::NewRequest). All callbacks of the options and `on_done` are
  // called on the scheduler's thread, where they hold up every answer: they
  // should be short, and must not wait for a request.
  std::shared_ptr<Request> Submit(std::vector<int32_t> prompt,
                                  GenerateOptions options,
                                  std::function<void()> on_done = {});

  // As of the last step.
  SchedulerStats stats() const;

 private:
  void Run();

  Batcher batcher_;  // of the thread, but for NewRequest
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<std::shared_ptr<Request>> incoming_;
  SchedulerStats stats_;
  bool stop_ = false;
  std::thread thread_;  // the last: it uses the others
};

}  // namespace malmoi::generate

#endif  // MALMOI_GENERATE_BATCH_SCHEDULER_H_
