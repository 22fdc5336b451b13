#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <vector>

namespace malmoi {
namespace {

TEST(ThreadPool, RunsEachTaskOnce) {
  for (int threads : {1, 2, 3, 8}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.threads(), threads);
    for (int round = 0; round < 500; ++round) {
      const int tasks = round % 37;
      std::vector<std::atomic<int>> counts(40);
      pool.Run(tasks, [&](int task, int thread) {
        ASSERT_LT(thread, threads);
        counts[task].fetch_add(1);
      });
      for (int i = 0; i < 40; ++i) EXPECT_EQ(counts[i], i < tasks ? 1 : 0);
    }
  }
}

TEST(ThreadPool, WakesSleepingThreads) {
  ThreadPool pool(4);
  std::atomic<int> sum{0};
  for (int i = 0; i < 5; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    pool.Run(100, [&](int task, int) { sum += task; });
  }
  EXPECT_EQ(sum, 5 * 4950);
}

TEST(ThreadPool, RethrowsTheFirstExceptionAndStaysUsable) {
  ThreadPool pool(2);
  EXPECT_THROW(pool.Run(10,
                        [](int task, int) {
                          if (task == 7) throw std::runtime_error("seven");
                        }),
               std::runtime_error);
  std::atomic<int> count{0};
  pool.Run(10, [&](int, int) { ++count; });
  EXPECT_EQ(count, 10);
}

TEST(ThreadPool, NestedRunsAreSerial) {
  ThreadPool pool(3);
  std::atomic<int> count{0};
  pool.Run(6, [&](int, int) { pool.Run(5, [&](int, int) { ++count; }); });
  EXPECT_EQ(count, 30);
}

TEST(ThreadPool, SeveralCallersTakeTurns) {
  ThreadPool pool(2);
  std::atomic<int> count{0};
  std::vector<std::thread> callers;
  for (int c = 0; c < 4; ++c) {
    callers.emplace_back([&] {
      for (int i = 0; i < 50; ++i) pool.Run(8, [&](int, int) { ++count; });
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(count, 4 * 50 * 8);
}

}  // namespace
}  // namespace malmoi
