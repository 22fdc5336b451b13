// Many answers in one forward are the answers of as many sessions, bit for
// bit; and the memory, the order and the errors of requests.
#include "generate/batch/batcher.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <stdexcept>
#include <string>

#include "base/error.h"
#include "generate/testing/completions.h"

namespace malmoi::generate {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kContext = 320;
constexpr size_t kPageBytes = 2 * 2 * 64 * 32 * 2;  // of the toy's two layers

struct Case {
  std::vector<int32_t> prompt;
  GenerateOptions options;
};

GenerateOptions Options(double temperature, int64_t tokens) {
  GenerateOptions options;
  options.sampling.temperature = temperature;
  options.max_tokens = tokens;
  options.ignore_end = true;
  return options;
}

class BatcherTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    file_ = fs::temp_directory_path() /
            ("malmoi_batcher_" + std::to_string(getpid()) + ".gguf");
    model_ = ToyModel(file_, 3);
  }
  static void TearDownTestSuite() {
    model_.reset();
    fs::remove(file_);
  }

  static Completion Alone(const Case& each) {
    Session session(model_, kContext);
    return session.Generate(each.prompt, each.options);
  }

  // Different lengths around the pages' bounds, different samplings and ends.
  static std::vector<Case> EightCases() {
    std::vector<Case> cases;
    for (size_t length : {1, 20, 63, 64, 65, 130, 200, 400}) {
      const uint64_t seed = length;
      Case each = {ToyPrompt(length, seed), Options(0.7, 60)};
      each.options.sampling.seed = seed;
      cases.push_back(std::move(each));
    }
    cases[0].options = Options(0, 100);
    cases[1].options.top_logprobs = 2;
    cases[2].options = Options(0, 200);
    cases[2].options.lookup = Lookup::kOn;
    cases[3].options.sampling.repetition_penalty = 1.2;
    cases[3].options.lookup = Lookup::kOff;
    cases[4].options.stop = {Alone(cases[4]).text.substr(20, 3)};
    cases[5].options.sampling.dry_multiplier = 0.5;
    cases[5].options.top_logprobs = 0;
    cases[6].options.ignore_end = false;
    cases[6].options.max_tokens = -1;
    cases[7].options.sliding_window = 300;  // slides after 20 tokens
    return cases;
  }
  static std::vector<Completion> EachAlone(const std::vector<Case>& cases) {
    std::vector<Completion> alone;
    for (const Case& each : cases) alone.push_back(Alone(each));
    return alone;
  }

  static std::shared_ptr<Request> Add(Batcher& batcher, const Case& each) {
    auto request = batcher.NewRequest(each.prompt, each.options);
    batcher.Add(request);
    return request;
  }

  // Steps to the end; what never may happen, looked for after each step.
  static int Finish(Batcher& batcher, const SchedulerOptions& options) {
    int steps = 0;
    while (batcher.Step()) {
      ++steps;
      const SchedulerStats stats = batcher.stats();
      EXPECT_LE(stats.bytes, stats.memory_bytes);
      EXPECT_LE(stats.running, options.max_sequences);
      EXPECT_LE(stats.step_rows,
                std::max(options.step_tokens, options.max_sequences + 1));
    }
    const SchedulerStats stats = batcher.stats();
    EXPECT_EQ(stats.waiting, 0);
    EXPECT_EQ(stats.running, 0);
    return steps;
  }

  static inline fs::path file_;
  static inline std::shared_ptr<const LanguageModel> model_;
};

TEST_F(BatcherTest, EightAtOnceAreAsAlone) {
  const std::vector<Case> cases = EightCases();
  const std::vector<Completion> alone = EachAlone(cases);
  EXPECT_EQ(alone[4].finish_reason, FinishReason::kStop);
  EXPECT_EQ(alone[7].tokens.size(), 60u);
  for (int threads : {1, 2}) {
    const std::shared_ptr<const LanguageModel> model =
        LanguageModel::Load(file_, {.threads = threads});
    for (int64_t step_tokens : {1, 7, 64, 512}) {
      for (int64_t max_sequences : {8, 3}) {
        const SchedulerOptions options = {.context = kContext,
                                          .max_sequences = max_sequences,
                                          .step_tokens = step_tokens};
        Batcher batcher(model, options);
        std::vector<std::shared_ptr<Request>> requests;
        for (const Case& each : cases) requests.push_back(Add(batcher, each));
        Finish(batcher, options);
        for (size_t i = 0; i < cases.size(); ++i) {
          SCOPED_TRACE(testing::Message() << i << " of " << step_tokens);
          ExpectSameCompletion(alone[i], requests[i]->Wait());
        }
        EXPECT_EQ(batcher.stats().finished, 8);
      }
    }
  }
}

TEST_F(BatcherTest, NeitherOrderNorTimeOfArrivalMatters) {
  const std::vector<Case> cases = EightCases();
  const std::vector<Completion> alone = EachAlone(cases);
  for (size_t shift : {0, 3, 5}) {
    const SchedulerOptions options = {.context = kContext, .step_tokens = 16};
    Batcher batcher(model_, options);
    std::map<size_t, std::shared_ptr<Request>> requests;
    std::map<size_t, std::vector<Step>> steps;
    for (size_t i = 0; i < cases.size(); ++i) {
      const size_t at = (i * 3 + shift) % cases.size();
      Case each = cases[at];
      each.options.on_step = [&steps, at](const Step& step) {
        steps[at].push_back(step);
      };
      requests[at] = Add(batcher, each);
      for (size_t k = 0; k < i * shift; ++k) batcher.Step();
    }
    Finish(batcher, options);
    for (size_t i = 0; i < cases.size(); ++i) {
      ExpectSameCompletion(alone[i], requests[i]->Wait());
      std::string text;
      for (const Step& step : steps[i]) text += step.text;
      EXPECT_EQ(text, alone[i].text);
    }
  }
}

TEST_F(BatcherTest, GuessesAreTheSameAndUsed) {
  const SchedulerOptions options = {.context = kContext, .step_tokens = 64};
  Batcher batcher(model_, options);
  std::vector<Case> cases;
  std::vector<std::shared_ptr<Request>> requests;
  for (uint64_t seed = 0; seed < 4; ++seed) {
    cases.push_back({ToyPrompt(20, seed), Options(0, 200)});
    cases.back().options.lookup = Lookup::kOn;
    requests.push_back(Add(batcher, cases.back()));
  }
  const int steps = Finish(batcher, options);
  int64_t accepted = 0;
  for (size_t i = 0; i < cases.size(); ++i) {
    const Completion expected = Alone(cases[i]);
    const Completion& got = requests[i]->Wait();
    ExpectSameCompletion(expected, got);
    EXPECT_EQ(got.usage.lookup_proposed, expected.usage.lookup_proposed);
    accepted += got.usage.lookup_accepted;
  }
  EXPECT_GT(accepted, 100);
  EXPECT_LT(steps, 190);
}

TEST_F(BatcherTest, MemoryStaysWithinItsBound) {
  const std::vector<Case> cases = EightCases();
  const std::vector<Completion> alone = EachAlone(cases);
  for (size_t pages : {5, 6, 7, 9, 12}) {
    const SchedulerOptions options = {.context = kContext,
                                      .step_tokens = 32,
                                      .memory_bytes = pages * kPageBytes};
    Batcher batcher(model_, options);
    EXPECT_EQ(batcher.stats().memory_bytes, pages * kPageBytes);
    for (int round = 0; round < 2; ++round) {
      std::vector<std::shared_ptr<Request>> requests;
      for (const Case& each : cases) requests.push_back(Add(batcher, each));
      size_t most = 0;
      int64_t together = 0;
      while (batcher.Step()) {
        const SchedulerStats stats = batcher.stats();
        ASSERT_LE(stats.bytes, pages * kPageBytes);
        most = std::max(most, stats.bytes);
        together = std::max(together, stats.running);
      }
      EXPECT_GE(most, (pages - 1) * kPageBytes);  // it is used, too
      EXPECT_GE(together, 2);
      for (size_t i = 0; i < cases.size(); ++i) {
        ExpectSameCompletion(alone[i], requests[i]->Wait());
      }
    }
    EXPECT_GT(batcher.stats().evicted_sequences, 0);
  }
}

// It gives up pages that it shares with a kept sequence, which go on to count.
TEST_F(BatcherTest, AWindowThatSlidesNeedsPagesOfItsOwn) {
  const SchedulerOptions options = {.context = kContext,
                                    .memory_bytes = 6 * kPageBytes};
  Batcher batcher(model_, options);
  Add(batcher, {ToyPrompt(190), Options(0, 1)});
  Finish(batcher, options);
  EXPECT_EQ(batcher.stats().bytes, 3 * kPageBytes);
  Case slider = {ToyPrompt(190), Options(0.7, 200)};
  slider.prompt.push_back(5);
  slider.options.sliding_window = 250;
  const auto request = Add(batcher, slider);
  Finish(batcher, options);
  EXPECT_EQ(request->Wait().usage.cached_tokens, 190);
  EXPECT_EQ(batcher.stats().evicted_sequences, 1);
  ExpectSameCompletion(Alone(slider), request->Wait());
}

TEST_F(BatcherTest, TheFirstToComeIsNotOvertaken) {
  std::string order;
  const auto add = [&](Batcher& batcher, char name, size_t prompt) {
    Case each = {ToyPrompt(prompt, prompt), Options(0, 60)};
    each.options.on_prompt = [&order, name](int64_t, int64_t) {
      if (order.find(name) == std::string::npos) order += name;
    };
    Add(batcher, each);
  };
  const SchedulerOptions options = {.context = kContext,
                                    .memory_bytes = 5 * kPageBytes};
  Batcher batcher(model_, options);
  add(batcher, 'a', 190);  // 4 pages
  add(batcher, 'b', 100);  // 3 pages: no room beside the first
  add(batcher, 'c', 4);    // 1 page: there would be
  batcher.Step();
  batcher.Step();
  EXPECT_EQ(order, "a");
  EXPECT_EQ(batcher.stats().waiting, 2);
  Finish(batcher, options);
  EXPECT_EQ(order, "abc");

  order.clear();
  const SchedulerOptions one = {.context = kContext, .max_sequences = 1};
  Batcher single(model_, one);
  for (char name : {'a', 'b', 'c', 'd'}) {
    add(single, name, static_cast<size_t>(200 - 50 * (name - 'a')));
  }
  Finish(single, one);
  EXPECT_EQ(order, "abcd");
}

TEST_F(BatcherTest, AnswersGoOnWhilePromptsAreRead) {
  const SchedulerOptions options = {.context = kContext, .step_tokens = 9};
  Batcher batcher(model_, options);
  const Case talker = {ToyPrompt(3), Options(0.7, 100)};
  const auto talking = Add(batcher, talker);
  batcher.Step();
  std::vector<int64_t> read(2);
  int drawn = 0;
  Case counted = talker;
  counted.options.on_step = [&](const Step&) { ++drawn; };
  counted.options.lookup = Lookup::kOff;
  Add(batcher, counted);
  batcher.Step();
  const int before = drawn;
  for (size_t i = 0; i < 2; ++i) {
    Case each = {ToyPrompt(i == 0 ? 200 : 150, 7 + i), Options(0, 1)};
    each.options.on_prompt = [&read, i](int64_t done, int64_t) {
      read[i] = done;
    };
    Add(batcher, each);
  }
  int steps = 0;
  while (read[1] < 150) {
    const auto last = read;
    ASSERT_TRUE(batcher.Step());
    ++steps;
    EXPECT_EQ(drawn - before, steps);  // one in every step
    EXPECT_LE(batcher.stats().step_rows, 9);
    EXPECT_GE(batcher.stats().step_prompt_rows, 4);
    for (size_t i = 0; i < 2; ++i) EXPECT_GT(read[i], last[i]);
    if (read[1] < 150) EXPECT_LE(std::abs(read[0] - read[1]), 1);
  }
  ExpectSameCompletion(Alone(talker),
                       (Finish(batcher, options), talking->Wait()));
}

TEST_F(BatcherTest, ACommonBeginningIsComputedOnce) {
  const SchedulerOptions options = {.context = kContext};
  Batcher batcher(model_, options);
  const auto run = [&](const Case& each) {
    const auto request = Add(batcher, each);
    Finish(batcher, options);
    ExpectSameCompletion(Alone(each), request->Wait());
    return request->Wait();
  };
  const Case first = {ToyPrompt(130), Options(0.7, 30)};
  const Completion answer = run(first);
  EXPECT_EQ(answer.usage.cached_tokens, 0);

  // The next turn: all of the first and its answer, but for the last token,
  // which was drawn and not fed.
  Case next = first;
  next.prompt.insert(next.prompt.end(), answer.tokens.begin(),
                     answer.tokens.end());
  EXPECT_EQ(run(next).usage.cached_tokens, 130 + 29);
  EXPECT_EQ(run(first).usage.cached_tokens, 129);

  // Another end, in the middle of a page, twice at once; then the first again,
  // which writing to copies has left as it was.
  std::vector<std::shared_ptr<Request>> requests;
  std::vector<Case> cases;
  for (uint64_t seed : {5, 6}) {
    Case each = first;
    each.prompt.resize(100);
    const auto tail = ToyPrompt(50, seed);
    each.prompt.insert(each.prompt.end(), tail.begin(), tail.end());
    cases.push_back(each);
    requests.push_back(Add(batcher, each));
  }
  Finish(batcher, options);
  for (size_t i = 0; i < cases.size(); ++i) {
    EXPECT_GE(requests[i]->Wait().usage.cached_tokens, 100);
    EXPECT_LE(requests[i]->Wait().usage.cached_tokens, 101);
    ExpectSameCompletion(Alone(cases[i]), requests[i]->Wait());
  }
  EXPECT_EQ(run(first).usage.cached_tokens, 129);
  EXPECT_EQ(run({ToyPrompt(130, 99), Options(0, 5)}).usage.cached_tokens, 0);
}

TEST_F(BatcherTest, RunningRequestsShareAsWell) {
  const SchedulerOptions options = {.context = kContext, .step_tokens = 50};
  std::vector<Case> cases;
  for (uint64_t seed = 0; seed < 6; ++seed) {
    Case each = {ToyPrompt(200), Options(0.7, 40)};
    each.prompt.push_back(static_cast<int32_t>(3 + seed));
    each.options.sampling.seed = seed;
    each.options.lookup = Lookup::kOff;
    cases.push_back(each);
  }
  Batcher batcher(model_, options);
  std::vector<std::shared_ptr<Request>> requests;
  for (const Case& each : cases) requests.push_back(Add(batcher, each));
  int64_t prompt_rows = 0;
  size_t most = 0;
  while (batcher.Step()) {
    prompt_rows += batcher.stats().step_prompt_rows;
    most = std::max(most, batcher.stats().bytes);
  }
  EXPECT_EQ(prompt_rows, 201 + 5 * (201 - 192));
  // Three full pages in common, one page of each one's own.
  EXPECT_EQ(most, (3 + 6) * kPageBytes);
  for (size_t i = 0; i < cases.size(); ++i) {
    EXPECT_EQ(requests[i]->Wait().usage.cached_tokens, i == 0 ? 0 : 192);
    ExpectSameCompletion(Alone(cases[i]), requests[i]->Wait());
  }

  // What is shared counts once against the bound: all six fit into 11 pages
  // one by one, as the others join when the first has read its prompt.
  Batcher tight(model_, {.context = kContext,
                         .step_tokens = 50,
                         .memory_bytes = 11 * kPageBytes});
  requests.clear();
  requests.push_back(Add(tight, cases[0]));
  for (int i = 0; i < 5; ++i) tight.Step();
  for (size_t i = 1; i < 6; ++i) requests.push_back(Add(tight, cases[i]));
  tight.Step();
  EXPECT_EQ(tight.stats().running, 6);
  Finish(tight, options);
  for (size_t i = 0; i < cases.size(); ++i) {
    ExpectSameCompletion(Alone(cases[i]), requests[i]->Wait());
  }
}

TEST_F(BatcherTest, CancellingFreesMemoryAndLeavesTheOthersAlone) {
  const std::vector<Case> cases = EightCases();
  const std::vector<Completion> alone = EachAlone(cases);
  for (int after : {0, 1, 4, 30, 61}) {
    const SchedulerOptions options = {
        .context = kContext, .max_sequences = 7, .step_tokens = 100};
    Batcher batcher(model_, options);
    std::vector<std::shared_ptr<Request>> requests;
    for (const Case& each : cases) requests.push_back(Add(batcher, each));
    for (int i = 0; i < after; ++i) batcher.Step();
    for (size_t i : {2u, 6u, 7u}) requests[i]->Cancel();  // the last waits
    Finish(batcher, options);
    for (size_t i = 0; i < cases.size(); ++i) {
      const Completion& got = requests[i]->Wait();
      if (i == 2 || i >= 6) {
        if (got.finish_reason != FinishReason::kCancelled) continue;
        EXPECT_EQ(alone[i].text.rfind(got.text, 0), 0u);
        EXPECT_LT(got.tokens.size(), alone[i].tokens.size());
      } else {
        ExpectSameCompletion(alone[i], got);
      }
    }
    if (after <= 4) {
      EXPECT_EQ(requests[2]->Wait().finish_reason, FinishReason::kCancelled);
    }
    if (after == 0) {
      EXPECT_EQ(batcher.stats().kept_sequences, 5);
    }
  }
  Batcher batcher(model_, {.context = kContext});
  const auto request = Add(batcher, cases[6]);
  batcher.Step();
  EXPECT_EQ(batcher.stats().bytes, 4 * kPageBytes);
  request->Cancel();
  EXPECT_FALSE(batcher.Step());
  EXPECT_EQ(batcher.stats().bytes, 0u);
  EXPECT_TRUE(request->done());
}

TEST_F(BatcherTest, TheCallersCancelledIsAsked) {
  Batcher batcher(model_, {.context = kContext, .max_sequences = 1});
  bool stop = false;
  Case each = {ToyPrompt(10), Options(0, 50)};
  each.options.cancelled = [&] { return stop; };
  const auto runs = Add(batcher, each);
  const auto waits = Add(batcher, each);
  batcher.Step();
  batcher.Step();
  stop = true;
  EXPECT_TRUE(batcher.Step());
  EXPECT_FALSE(batcher.Step());
  EXPECT_EQ(runs->Wait().finish_reason, FinishReason::kCancelled);
  EXPECT_GE(runs->Wait().tokens.size(), 2u);
  EXPECT_EQ(waits->Wait().finish_reason, FinishReason::kCancelled);
  EXPECT_EQ(waits->Wait().tokens.size(), 0u);
}

TEST_F(BatcherTest, AnErrorEndsItsRequestOnly) {
  const std::vector<Case> cases = EightCases();
  const std::vector<Completion> alone = EachAlone(cases);
  const SchedulerOptions options = {
      .context = kContext, .max_sequences = 12, .step_tokens = 100};
  Batcher batcher(model_, options);
  std::vector<std::shared_ptr<Request>> requests, bad;
  Case each = {ToyPrompt(30), Options(0.7, 50)};
  for (size_t i = 0; i < cases.size(); ++i) {
    requests.push_back(Add(batcher, cases[i]));
    Case broken = each;
    if (i == 0) broken.prompt[17] = kToyVocab;  // found by the forward
    if (i == 2) {
      broken.options.on_step = [n = 0](const Step&) mutable {
        if (++n == 9) throw std::runtime_error("step");
      };
    }
    if (i == 4) {
      broken.options.on_prompt = [](int64_t, int64_t) { throw 1; };
    }
    if (i == 6) {
      broken.options.cancelled = []() -> bool { throw 2; };
    }
    if (i % 2 == 0) bad.push_back(Add(batcher, broken));
  }
  Finish(batcher, options);
  for (size_t i = 0; i < cases.size(); ++i) {
    ExpectSameCompletion(alone[i], requests[i]->Wait());
  }
  try {
    bad[0]->Wait();
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kLimit);
    EXPECT_EQ(error.parts().what, "a token outside the vocabulary");
  }
  EXPECT_THROW(bad[1]->Wait(), std::runtime_error);
  EXPECT_THROW(bad[2]->Wait(), int);
  EXPECT_THROW(bad[3]->Wait(), int);
}

TEST_F(BatcherTest, RefusesWhatItCanNeverAnswer) {
  Batcher batcher(model_,
                  {.context = kContext, .memory_bytes = 4 * kPageBytes});
  const auto code = [&](std::vector<int32_t> prompt,
                        const GenerateOptions& options) {
    try {
      batcher.NewRequest(std::move(prompt), options);
    } catch (const Error& error) {
      return std::string(ErrorCodeName(error.code()));
    }
    return std::string();
  };
  const auto name = [](ErrorCode error) {
    return std::string(ErrorCodeName(error));
  };
  EXPECT_EQ(code(ToyPrompt(kContext + 1), Options(0, 1)),
            name(ErrorCode::kContextOverflow));
  EXPECT_EQ(code(ToyPrompt(200), Options(0, 57)), "");  // 256 are fed
  EXPECT_EQ(code(ToyPrompt(200), Options(0, 58)), name(ErrorCode::kLimit));
  EXPECT_EQ(code(ToyPrompt(20), Options(0, -1)), name(ErrorCode::kLimit));
  EXPECT_EQ(code(ToyPrompt(20), Options(0, INT64_MAX)),
            name(ErrorCode::kLimit));
  EXPECT_EQ(code({}, Options(0, 1)), name(ErrorCode::kInvalidArgument));
  EXPECT_EQ(code(ToyPrompt(9), Options(-1, 1)),
            name(ErrorCode::kInvalidArgument));
  GenerateOptions stop = Options(0, 1);
  stop.stop = {""};
  EXPECT_EQ(code(ToyPrompt(9), stop), name(ErrorCode::kInvalidArgument));
  EXPECT_THROW(Batcher(model_, {.max_sequences = 0}), Error);
  EXPECT_THROW(Batcher(model_, {.step_tokens = 0}), Error);
  EXPECT_THROW(Batcher(model_, {.context = kToyContext + 1}), Error);
}

// Anything at any time: arrivals with beginnings in common, cancellations,
// errors, under a bound that makes them wait.
TEST_F(BatcherTest, ARandomCourseKeepsBoundAndAnswers) {
  Random random(11);
  std::vector<Case> kinds;
  for (uint64_t i = 0; i < 12; ++i) {
    Case each = {ToyPrompt(70 + 60 * (i % 3), i % 2), Options(0.8, 40)};
    each.prompt.resize(each.prompt.size() - random.Below(50));
    const auto tail = ToyPrompt(1 + random.Below(30), i);
    each.prompt.insert(each.prompt.end(), tail.begin(), tail.end());
    each.options.sampling.seed = i;
    if (i % 4 == 3) {
      each.options.sliding_window = 30 + static_cast<int64_t>(i);
      each.options.max_tokens = 250;
    }
    kinds.push_back(each);
  }
  const std::vector<Completion> alone = EachAlone(kinds);
  const SchedulerOptions options = {.context = kContext,
                                    .max_sequences = 5,
                                    .step_tokens = 24,
                                    .memory_bytes = 9 * kPageBytes};
  Batcher batcher(model_, options);
  std::vector<std::pair<size_t, std::shared_ptr<Request>>> requests;
  std::vector<bool> spoilt;
  for (int i = 0; i < 1500; ++i) {
    if (random.Below(12) == 0) {
      const size_t kind = random.Below(12);
      Case each = kinds[kind];
      spoilt.push_back(random.Below(8) == 0);
      if (spoilt.back()) {
        each.options.on_step = [n = random.Below(30)](const Step&) mutable {
          if (n-- == 0) throw std::runtime_error("spoilt");
        };
      }
      requests.emplace_back(kind, Add(batcher, each));
    }
    if (random.Below(40) == 0 && !requests.empty()) {
      requests[random.Below(static_cast<uint32_t>(requests.size()))]
          .second->Cancel();
    }
    batcher.Step();
    const SchedulerStats stats = batcher.stats();
    ASSERT_LE(stats.bytes, stats.memory_bytes);
  }
  Finish(batcher, options);
  int whole = 0, cached = 0;
  for (size_t i = 0; i < requests.size(); ++i) {
    if (spoilt[i]) continue;
    const Completion& got = requests[i].second->Wait();
    if (got.finish_reason == FinishReason::kCancelled) continue;
    ExpectSameCompletion(alone[requests[i].first], got);
    ++whole;
    cached += got.usage.cached_tokens > 0;
  }
  EXPECT_GT(whole, 50);
  EXPECT_GT(cached, 20);
  EXPECT_GT(batcher.stats().evicted_sequences, 5);
}

}  // namespace
}  // namespace malmoi::generate
