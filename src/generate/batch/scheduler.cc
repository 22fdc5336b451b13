#include "generate/batch/scheduler.h"

#include <utility>

namespace malmoi::generate {

Scheduler::Scheduler(std::shared_ptr<const LanguageModel> model,
                     const SchedulerOptions& options)
    : batcher_(std::move(model), options),
      stats_(batcher_.stats()),
      thread_([this] { Run(); }) {}

Scheduler::~Scheduler() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

std::shared_ptr<Request> Scheduler::Submit(std::vector<int32_t> prompt,
                                           GenerateOptions options,
                                           std::function<void()> on_done) {
  auto request = batcher_.NewRequest(std::move(prompt), std::move(options),
                                     std::move(on_done));
  {
    const std::lock_guard lock(mutex_);
    incoming_.push_back(request);
    ++stats_.waiting;
  }
  wake_.notify_one();
  return request;
}

SchedulerStats Scheduler::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

void Scheduler::Run() {
  bool busy = false;
  while (true) {
    std::vector<std::shared_ptr<Request>> incoming;
    bool stop;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return busy || stop_ || !incoming_.empty(); });
      incoming.swap(incoming_);
      stop = stop_;
    }
    for (auto& request : incoming) batcher_.Add(std::move(request));
    if (stop) return batcher_.CancelAll();
    busy = batcher_.Step();
    SchedulerStats stats = batcher_.stats();
    const std::lock_guard lock(mutex_);
    stats.waiting += static_cast<int64_t>(incoming_.size());
    stats_ = stats;
  }
}

}  // namespace malmoi::generate
