// The one thread pool. A region hands out numbered tasks; which thread runs a
// task never changes a result, so every algorithm above is deterministic for
// any thread count. Threads spin for some tens of microseconds between
// regions (a decoder layer is a handful of regions) before they sleep.
#ifndef MALMOI_BASE_THREAD_POOL_H_
#define MALMOI_BASE_THREAD_POOL_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <span>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace malmoi {

// A non-owning reference to a callable void(int task, int thread).
class TaskRef {
 public:
  template <typename F, typename = std::enable_if_t<
                            !std::is_same_v<std::decay_t<F>, TaskRef>>>
  TaskRef(F&& f)  // NOLINT: implicit by design
      : object_(const_cast<void*>(static_cast<const void*>(&f))),
        call_([](void* object, int task, int thread) {
          (*static_cast<std::remove_reference_t<F>*>(object))(task, thread);
        }) {}
  void operator()(int task, int thread) const { call_(object_, task, thread); }

 private:
  void* object_;
  void (*call_)(void*, int, int);
};

class ThreadPool {
 public:
  // `threads` counts the caller too; 0 means one per usable processor (the
  // affinity mask and the cgroup's processor quota both count).
  explicit ThreadPool(int threads = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  // Runs task(i, thread) for each i in [0, tasks), thread in [0, threads()).
  // Returns when all are done. The first exception is rethrown here. Calls
  // from several threads take turns. A call from inside a task runs serially.
  void Run(int tasks, TaskRef task);

  // Memory that the next region will read first: threads without a task fetch
  // it into their cache, until there is another. A hint: nothing is accessed.
  void FetchAhead(std::span<const std::byte> bytes);

  // How many regions with more than one task have run: a design figure.
  uint64_t regions() const { return regions_.load(std::memory_order_relaxed); }

  static int UsableProcessors();

 private:
  void Work(int thread);
  bool TryTask(int thread);
  bool FetchSome();

  std::vector<std::thread> workers_;
  std::mutex run_mutex_;
  // Epoch (16 bits), task count (24), next task (24), so that one fetch_add
  // claims a task and tells how many there are.
  alignas(64) std::atomic<uint64_t> ticket_{0};
  alignas(64) std::atomic<uint32_t> completed_{0};
  alignas(64) std::atomic<uint32_t> epoch_{0};
  // What is left to fetch: begins at ahead_ + fetched_, of ahead_bytes_.
  alignas(64) std::atomic<const std::byte*> ahead_{nullptr};
  std::atomic<size_t> ahead_bytes_{0};
  std::atomic<size_t> fetched_{0};
  alignas(64) std::atomic<int> sleepers_{0};
  std::atomic<bool> stop_{false};
  std::atomic<const TaskRef*> task_{nullptr};
  std::atomic<uint64_t> regions_{0};
  std::mutex error_mutex_;
  std::exception_ptr error_;
};

}  // namespace malmoi

#endif  // MALMOI_BASE_THREAD_POOL_H_
