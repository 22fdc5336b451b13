// Generation with and without lookup: the same answer to the last bit,
// whatever ends it and whatever the options.
#include "generate/session.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>

#include "generate/testing/completions.h"
#include "generate/testing/toy_model.h"

namespace malmoi::generate {
namespace {

namespace fs = std::filesystem;

class LookupTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    file_ = fs::temp_directory_path() /
            ("malmoi_session_" + std::to_string(getpid()) + ".gguf");
    model_ = ToyModel(file_, 3);
  }
  static void TearDownTestSuite() {
    model_.reset();
    fs::remove(file_);
  }

  static std::vector<int32_t> Prompt(size_t count, uint64_t seed = 1) {
    return ToyPrompt(count, seed);
  }

  // Generates in all three modes in sessions of their own; the answer without
  // lookup, once the others equal it. `change` may count on being called anew
  // for each.
  static Completion Same(
      const std::vector<int32_t>& prompt, GenerateOptions options,
      int64_t context = 0,
      const std::function<void(GenerateOptions&)>& change = {},
      const std::shared_ptr<const LanguageModel>& model = model_) {
    Completion expected;
    proposed_ = accepted_ = 0;
    for (Lookup lookup : {Lookup::kOff, Lookup::kOn, Lookup::kAutomatic}) {
      GenerateOptions own = options;
      own.lookup = lookup;
      if (change) change(own);
      std::vector<Step> steps;
      const auto given = own.on_step;
      own.on_step = [&](const Step& step) {
        steps.push_back(step);
        if (given) given(step);
      };
      Session session(model, context);
      Completion got = session.Generate(prompt, own);
      got.steps = steps;
      // What is held after it is the same, too.
      const int64_t held =
          session.Generate(WithAnswer(prompt, got), Zero()).usage.cached_tokens;
      if (lookup == Lookup::kOff) {
        EXPECT_EQ(got.usage.lookup_proposed, 0);
        expected = std::move(got);
        held_ = held;
        continue;
      }
      proposed_ += got.usage.lookup_proposed;
      accepted_ += got.usage.lookup_accepted;
      ExpectSameCompletion(expected, got);
      EXPECT_EQ(held, held_);
    }
    EXPECT_LE(accepted_, proposed_);
    return expected;
  }

  static std::vector<int32_t> WithAnswer(std::vector<int32_t> prompt,
                                         const Completion& completion) {
    prompt.insert(prompt.end(), completion.tokens.begin(),
                  completion.tokens.end());
    if (prompt.size() > 40) prompt.resize(40);  // into any context here
    return prompt;
  }
  static GenerateOptions Zero() {
    GenerateOptions options;
    options.max_tokens = 0;
    return options;
  }
  static GenerateOptions Options(double temperature, int64_t tokens = 200) {
    GenerateOptions options;
    options.sampling.temperature = temperature;
    options.max_tokens = tokens;
    options.ignore_end = true;
    return options;
  }

  static inline fs::path file_;
  static inline std::shared_ptr<const LanguageModel> model_;
  static inline int64_t proposed_ = 0, accepted_ = 0, held_ = 0;
};

TEST_F(LookupTest, GreedyIsTheSame) {
  for (uint64_t seed = 0; seed < 8; ++seed) {
    const Completion answer = Same(Prompt(20, seed), Options(0));
    EXPECT_EQ(answer.tokens.size(), 200u);
    EXPECT_GT(proposed_, 0);
  }
  EXPECT_GT(accepted_, 100);  // a toy of random weights goes in circles
}

TEST_F(LookupTest, SamplingIsTheSame) {
  int64_t accepted = 0, wrong = 0;
  for (uint64_t seed = 0; seed < 8; ++seed) {
    GenerateOptions options = Options(seed < 4 ? 0.2 : 1.0);
    options.sampling.seed = seed;
    options.top_logprobs = 3;
    Same(Prompt(20), options);
    accepted += accepted_;
    wrong += proposed_ - accepted_;
  }
  EXPECT_GT(accepted, 50);
  EXPECT_GT(wrong, 50);
}

TEST_F(LookupTest, PenaltiesAreTheSame) {
  const std::vector<std::function<void(SamplingOptions&)>> penalties = {
      [](auto& s) { s.repetition_penalty = 1.1; },
      [](auto& s) { s.frequency_penalty = 0.05; },
      [](auto& s) { s.presence_penalty = 0.5; },
      [](auto& s) { s.dry_multiplier = 0.3; },
      [](auto& s) { s.typical_p = 0.5; },
      [](auto& s) { s.min_p = 0.1; }};
  for (const auto& penalize : penalties) {
    for (double temperature : {0.0, 0.5}) {
      GenerateOptions options = Options(temperature, 120);
      penalize(options.sampling);
      Same(Prompt(20), options);
      EXPECT_GT(proposed_, 0);
    }
  }
}

TEST_F(LookupTest, EveryNumberOfTokensIsTheSame) {
  for (int64_t tokens = 0; tokens < 40; ++tokens) {
    const Completion answer = Same(Prompt(20), Options(0, tokens));
    EXPECT_EQ(answer.usage.completion_tokens, tokens);
  }
}

TEST_F(LookupTest, StopStringsAreTheSame) {
  const std::string whole = Same(Prompt(20), Options(0)).text;
  ASSERT_GT(whole.size(), 100u);
  for (size_t at : {3u, 10u, 37u, 61u}) {
    GenerateOptions options = Options(0);
    options.stop = {whole.substr(at, 5)};
    const Completion answer = Same(Prompt(20), options);
    EXPECT_EQ(answer.finish_reason, FinishReason::kStop);
    EXPECT_EQ(answer.text, whole.substr(0, whole.find(options.stop[0])));
  }
}

TEST_F(LookupTest, TheEndOfTheTurnIsTheSame) {
  int stopped = 0;
  for (uint64_t seed = 0; seed < 40; ++seed) {
    GenerateOptions options = Options(0.7);
    options.sampling.seed = seed;
    options.ignore_end = false;
    // The end within the prompt makes guesses that hold it.
    std::vector<int32_t> prompt = Prompt(20, seed);
    prompt.insert(prompt.begin() + 10, kToyEnd);
    const Completion answer = Same(prompt, options);
    stopped += answer.finish_reason == FinishReason::kStop;
  }
  EXPECT_GT(stopped, 0);
}

TEST_F(LookupTest, AFullContextIsTheSame) {
  for (int64_t context = 41; context < 60; ++context) {
    const Completion answer = Same(Prompt(20), Options(0, -1), context);
    EXPECT_EQ(answer.finish_reason, FinishReason::kLength);
    EXPECT_EQ(answer.usage.completion_tokens, context - 20 + 1);
  }
}

TEST_F(LookupTest, ASlidingWindowIsTheSame) {
  for (int64_t window : {1, 7, 32, 47}) {
    GenerateOptions options = Options(0.3);
    options.sliding_window = window;
    const Completion answer = Same(Prompt(60), options, 48);
    EXPECT_EQ(answer.usage.completion_tokens, 200);
    EXPECT_EQ(proposed_ > 0, window < 47);  // that leaves no room
  }
}

TEST_F(LookupTest, CancellingIsTheSame) {
  for (int calls : {1, 2, 9, 30, 64}) {
    const Completion answer =
        Same(Prompt(20), Options(0), 0, [&](GenerateOptions& options) {
          options.cancelled = [left = calls]() mutable { return left-- == 0; };
        });
    EXPECT_EQ(answer.finish_reason, FinishReason::kCancelled);
    EXPECT_EQ(answer.usage.completion_tokens, calls);
  }
}

TEST_F(LookupTest, ATapSeesNoGuesses) {
  Session session(model_);
  int64_t most = 0;
  session.SetTap([&](std::string_view, std::span<const float>, int64_t rows,
                     int64_t) { most = std::max(most, rows); });
  GenerateOptions options = Options(0);
  options.lookup = Lookup::kOn;
  const auto answer = session.Generate(Prompt(1), options);
  EXPECT_EQ(answer.usage.lookup_proposed, 0);
  EXPECT_EQ(most, 1);
}

TEST_F(LookupTest, ARealModelAnswersTheSame) {
  const char* path = std::getenv("MALMOI_TEST_MODEL");
  if (path == nullptr) GTEST_SKIP() << "MALMOI_TEST_MODEL is not set";
  const std::shared_ptr<const LanguageModel> model = LanguageModel::Load(path);
  const auto prompt = model->EncodePrompt(
      "one two three four five, one two three four five, one two three four");
  for (double temperature : {0.0, 0.7}) {
    GenerateOptions options;
    options.sampling.temperature = temperature;
    options.max_tokens = 48;
    options.top_logprobs = 2;
    Same(prompt, options, 0, {}, model);
    EXPECT_GT(proposed_, 0);
  }
}

}  // namespace
}  // namespace malmoi::generate
