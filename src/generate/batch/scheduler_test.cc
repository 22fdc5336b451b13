// The scheduler's thread: prompts from several threads, callbacks that use
// the scheduler, an end in the middle of answers.
#include "generate/batch/scheduler.h"

#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <string>
#include <thread>

#include "base/error.h"
#include "generate/testing/completions.h"

namespace malmoi::generate {
namespace {

namespace fs = std::filesystem;

class SchedulerTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    file_ = fs::temp_directory_path() /
            ("malmoi_scheduler_" + std::to_string(getpid()) + ".gguf");
    model_ = ToyModel(file_, 5);
  }
  static void TearDownTestSuite() {
    model_.reset();
    fs::remove(file_);
  }
  static GenerateOptions Options(uint64_t seed, int64_t tokens = 40) {
    GenerateOptions options;
    options.sampling.seed = seed;
    options.max_tokens = tokens;
    options.ignore_end = true;
    return options;
  }

  static inline fs::path file_;
  static inline std::shared_ptr<const LanguageModel> model_;
};

TEST_F(SchedulerTest, ManyThreadsGetTheirAnswers) {
  constexpr size_t kThreads = 4, kEach = 6;
  std::vector<Completion> alone;
  for (uint64_t i = 0; i < kThreads * kEach; ++i) {
    Session session(model_);
    alone.push_back(session.Generate(ToyPrompt(5 + 7 * i, i % 5), Options(i)));
  }
  std::atomic<int> done = 0;
  std::vector<std::vector<std::shared_ptr<Request>>> requests(kThreads);
  Scheduler scheduler(model_, {.max_sequences = 5, .step_tokens = 40});
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (size_t k = 0; k < kEach; ++k) {
        const uint64_t i = t * kEach + k;
        requests[t].push_back(scheduler.Submit(ToyPrompt(5 + 7 * i, i % 5),
                                               Options(i), [&] { ++done; }));
        if (k % 2 == 1) requests[t].back()->Wait();
        EXPECT_LE(scheduler.stats().running, 5);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (size_t t = 0; t < kThreads; ++t) {
    for (size_t k = 0; k < kEach; ++k) {
      ExpectSameCompletion(alone[t * kEach + k], requests[t][k]->Wait());
    }
  }
  while (done < static_cast<int>(kThreads * kEach)) std::this_thread::yield();
}

TEST_F(SchedulerTest, CallbacksMayUseTheScheduler) {
  Scheduler scheduler(model_);
  std::shared_ptr<Request> second;
  std::atomic<bool> submitted = false;
  GenerateOptions options = Options(1);
  options.on_step = [&](const Step&) {
    if (submitted) return;
    second = scheduler.Submit(ToyPrompt(9), Options(2));
    submitted = true;
  };
  const auto first = scheduler.Submit(ToyPrompt(8), options);
  EXPECT_EQ(first->Wait().tokens.size(), 40u);
  ASSERT_TRUE(submitted);
  EXPECT_EQ(second->Wait().tokens.size(), 40u);
}

TEST_F(SchedulerTest, CancelEndsAnAnswerUnderWay) {
  Scheduler scheduler(model_);
  std::atomic<int> drawn = 0;
  std::atomic<bool> go = false;
  GenerateOptions options = Options(1, 400);
  options.on_step = [&](const Step&) {
    if (++drawn == 10) {
      while (!go) std::this_thread::yield();
    }
  };
  const auto request = scheduler.Submit(ToyPrompt(8), options);
  const auto other = scheduler.Submit(ToyPrompt(30), Options(7));
  while (drawn < 10) std::this_thread::yield();
  request->Cancel();
  go = true;
  EXPECT_EQ(request->Wait().finish_reason, FinishReason::kCancelled);
  EXPECT_LT(request->Wait().tokens.size(), 100u);
  Session session(model_);
  ExpectSameCompletion(session.Generate(ToyPrompt(30), Options(7)),
                       other->Wait());
}

TEST_F(SchedulerTest, TheEndCancelsWhatIsLeft) {
  std::vector<std::shared_ptr<Request>> requests;
  std::atomic<int> done = 0;
  {
    Scheduler scheduler(model_, {.max_sequences = 2});
    for (uint64_t i = 0; i < 6; ++i) {
      requests.push_back(
          scheduler.Submit(ToyPrompt(8, i), Options(i, 500), [&] { ++done; }));
    }
  }
  EXPECT_EQ(done, 6);
  for (const auto& request : requests) {
    ASSERT_TRUE(request->done());
    request->Wait();
  }
  EXPECT_EQ(requests[5]->Wait().finish_reason, FinishReason::kCancelled);
}

TEST_F(SchedulerTest, ErrorsComeFromSubmitOrWait) {
  Scheduler scheduler(model_);
  EXPECT_THROW(scheduler.Submit({}, Options(1)), Error);
  EXPECT_THROW(scheduler.Submit(ToyPrompt(kToyContext + 1), Options(1)), Error);
  const auto bad = scheduler.Submit({3, kToyVocab}, Options(1));
  EXPECT_THROW(bad->Wait(), Error);
  GenerateOptions thrower = Options(1);
  thrower.on_step = [](const Step&) { throw std::string("mine"); };
  const auto thrown = scheduler.Submit(ToyPrompt(8), thrower, [] { throw 1; });
  EXPECT_THROW(thrown->Wait(), std::string);
  EXPECT_EQ(scheduler.Submit(ToyPrompt(8), Options(1))->Wait().tokens.size(),
            40u);
}

}  // namespace
}  // namespace malmoi::generate
