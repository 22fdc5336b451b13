#include "base/thread_pool.h"

#include <sched.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>

#include "base/check.h"
#include "base/signals.h"

namespace malmoi {

namespace {

constexpr int kIndexBits = 24;
constexpr uint64_t kIndexMask = (uint64_t{1} << kIndexBits) - 1;

// Long enough to bridge the serial work between two regions of a layer,
// short enough not to burn a laptop's battery while the user types.
constexpr auto kSpinTime = std::chrono::microseconds(60);

thread_local bool inside_task = false;

void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Processors granted by the control group, e.g. 2.0; 0 where unlimited.
double CgroupProcessors() {
  std::FILE* file = std::fopen("/sys/fs/cgroup/cpu.max", "r");
  if (file == nullptr) return 0;
  double quota = 0, period = 0;
  const int fields = std::fscanf(file, "%lf %lf", &quota, &period);
  std::fclose(file);
  return fields == 2 && period > 0 ? quota / period : 0;
}

}  // namespace

int ThreadPool::UsableProcessors() {
  int count = static_cast<int>(std::thread::hardware_concurrency());
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) count = CPU_COUNT(&set);
  if (const double quota = CgroupProcessors(); quota > 0) {
    count = std::min(count, static_cast<int>(std::ceil(quota)));
  }
  return std::max(count, 1);
}

ThreadPool::ThreadPool(int threads) {
  if (threads <= 0) threads = UsableProcessors();
  workers_.reserve(static_cast<size_t>(threads - 1));
  const NoSignals quiet;
  for (int i = 1; i < threads; ++i) {
    workers_.emplace_back([this, i] { Work(i); });
  }
}

ThreadPool::~ThreadPool() {
  stop_.store(true);
  epoch_.fetch_add(1);
  epoch_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

bool ThreadPool::TryTask(int thread) {
  uint64_t ticket = ticket_.load(std::memory_order_acquire);
  if ((ticket & kIndexMask) >= ((ticket >> kIndexBits) & kIndexMask)) {
    return false;
  }
  ticket = ticket_.fetch_add(1, std::memory_order_acq_rel);
  const uint64_t index = ticket & kIndexMask;
  if (index >= ((ticket >> kIndexBits) & kIndexMask)) return false;
  // The region cannot end before this task is counted, so task_ is its own.
  try {
    (*task_.load(std::memory_order_acquire))(static_cast<int>(index), thread);
  } catch (...) {
    std::lock_guard lock(error_mutex_);
    if (!error_) error_ = std::current_exception();
  }
  completed_.fetch_add(1, std::memory_order_acq_rel);
  return true;
}

void ThreadPool::FetchAhead(std::span<const std::byte> bytes) {
  if (workers_.empty()) return;
  // Between the stores a thread may fetch from the old memory: harmless.
  ahead_bytes_.store(0, std::memory_order_relaxed);
  ahead_.store(bytes.data(), std::memory_order_relaxed);
  fetched_.store(0, std::memory_order_relaxed);
  ahead_bytes_.store(bytes.size(), std::memory_order_release);
}

bool ThreadPool::FetchSome() {
  constexpr size_t kPiece = 1024;
  const size_t bytes = ahead_bytes_.load(std::memory_order_acquire);
  if (fetched_.load(std::memory_order_relaxed) >= bytes) return false;
  const size_t at = fetched_.fetch_add(kPiece, std::memory_order_relaxed);
  if (at >= bytes) return false;
  const std::byte* from = ahead_.load(std::memory_order_relaxed) + at;
  for (size_t i = 0; i < kPiece; i += 64) __builtin_prefetch(from + i);
  return true;
}

void ThreadPool::Work(int thread) {
  inside_task = true;  // a nested Run stays on this thread
  while (!stop_.load(std::memory_order_relaxed)) {
    const auto spin_end = std::chrono::steady_clock::now() + kSpinTime;
    bool worked = false;
    for (int i = 0;; ++i) {
      if (TryTask(thread)) {
        worked = true;
        break;
      }
      if (!FetchSome()) Pause();
      if (i % 64 == 63 && std::chrono::steady_clock::now() > spin_end) break;
    }
    if (worked) continue;
    const uint32_t epoch = epoch_.load();
    sleepers_.fetch_add(1);
    // A region posted before this line is seen here; one posted after it
    // sees the sleeper and changes the epoch.
    if (!TryTask(thread) && !stop_.load()) epoch_.wait(epoch);
    sleepers_.fetch_sub(1);
  }
}

void ThreadPool::Run(int tasks, TaskRef task) {
  if (tasks <= 0) return;
  if (tasks == 1 || workers_.empty() || inside_task) {
    for (int i = 0; i < tasks; ++i) task(i, 0);
    return;
  }
  MALMOI_CHECK(static_cast<uint64_t>(tasks) < kIndexMask / 2);
  std::lock_guard lock(run_mutex_);
  inside_task = true;
  regions_.fetch_add(1, std::memory_order_relaxed);
  task_.store(&task, std::memory_order_release);
  completed_.store(0, std::memory_order_relaxed);
  const uint64_t epoch = epoch_.load() + 1;
  ticket_.store((epoch << (2 * kIndexBits)) |
                (static_cast<uint64_t>(tasks) << kIndexBits));
  epoch_.store(static_cast<uint32_t>(epoch));
  if (sleepers_.load() > 0) epoch_.notify_all();
  while (TryTask(0)) {
  }
  int spins = 0;
  while (completed_.load(std::memory_order_acquire) <
         static_cast<uint32_t>(tasks)) {
    if (!FetchSome()) Pause();
    if (++spins % 4096 == 0) std::this_thread::yield();
  }
  inside_task = false;
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
}

}  // namespace malmoi
