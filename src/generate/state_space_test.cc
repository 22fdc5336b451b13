// Generation with models whose state cannot be rewound: what is reused, what
// must begin anew, and that every answer is that of a fresh session.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/random.h"
#include "generate/batch/batcher.h"
#include "generate/fit.h"
#include "generate/session.h"
#include "generate/testing/completions.h"

namespace malmoi::generate {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kContext = 120;

using Ids = std::vector<int32_t>;

Ids Prompt(size_t count, uint64_t seed = 1) {
  Random random(seed);
  Ids prompt;
  for (size_t i = 0; i < count; ++i) {
    prompt.push_back(static_cast<int32_t>(random.Below(290)));
  }
  return prompt;
}

Ids Joined(Ids a, const Ids& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

class StateSpaceGenerationTest : public ::testing::TestWithParam<const char*> {
 protected:
  StateSpaceGenerationTest()
      : path_(fs::path(MALMOI_SOURCE_DIR "/tests/golden/zoo_state_space") /
              GetParam()),
        model_(LanguageModel::Load(path_, {.threads = 2})) {
    options_.sampling.temperature = 0.8;
    options_.max_tokens = 20;
    options_.top_logprobs = 3;
    options_.ignore_end = true;
  }

  Completion Fresh(const Ids& prompt) const {
    return Session(model_, kContext).Generate(prompt, options_);
  }
  // The answer, which must be a fresh session's; how much it reused.
  int64_t Reused(Session& session, const Ids& prompt, Ids* answer = nullptr) {
    const Completion got = session.Generate(prompt, options_);
    ExpectSameCompletion(Fresh(prompt), got);
    if (answer != nullptr) *answer = got.tokens;
    return got.usage.cached_tokens;
  }

  fs::path path_;
  std::shared_ptr<const LanguageModel> model_;
  GenerateOptions options_;
};

TEST_P(StateSpaceGenerationTest,
       ASessionGoesOnFromAllThatItHoldsOrFromNothing) {
  Session session(model_, kContext);
  Ids answer;
  EXPECT_EQ(Reused(session, Prompt(30), &answer), 0);
  // The next turn of a conversation. The last token drawn was not fed.
  const Ids longer = Joined(Joined(Prompt(30), answer), Prompt(5, 2));
  EXPECT_EQ(Reused(session, longer), 30 + 19);
  // It parts within what is held.
  EXPECT_EQ(Reused(session, Joined(Prompt(25), Prompt(9, 3))), 0);
  EXPECT_EQ(Reused(session, Joined(Prompt(25), Prompt(9, 3))), 0);
}

TEST_P(StateSpaceGenerationTest, NothingIsGuessed) {
  options_.sampling.temperature = 0;
  Ids prompt = Prompt(6);
  prompt = Joined(Joined(prompt, prompt), prompt);
  const Completion expected = Fresh(prompt);
  options_.lookup = Lookup::kOn;
  const Completion got = Fresh(prompt);
  EXPECT_EQ(got.usage.lookup_proposed, 0);
  ExpectSameCompletion(expected, got);
}

TEST_P(StateSpaceGenerationTest, AWindowThatSlidIsReadAnew) {
  options_.sampling.temperature = 0;
  options_.max_tokens = 30;
  options_.sliding_window = 20;
  const Ids answer = Session(model_, 40).Generate(Prompt(30), options_).tokens;
  ASSERT_EQ(answer.size(), 30u);
  // Ten tokens fill the context; the eleventh is fed behind the window.
  const Ids all = Joined(Prompt(30), answer);
  const Ids kept(all.begin() + 20, all.begin() + 41);
  options_.max_tokens = 19;
  EXPECT_EQ(Session(model_, 40).Generate(kept, options_).tokens,
            Ids(answer.begin() + 11, answer.end()));
}

TEST_P(StateSpaceGenerationTest, AFailedForwardIsForgotten) {
  Session session(model_, kContext);
  Ids answer;
  Reused(session, Prompt(30), &answer);
  const Ids longer = Joined(Joined(Prompt(30), answer), Prompt(5, 2));
  session.SetTap([](std::string_view name, auto, auto, auto) {
    if (name == "layer.1.output") throw Error(ErrorCode::kCancelled, {});
  });
  EXPECT_THROW(session.Generate(longer, options_), Error);
  session.SetTap({});
  EXPECT_EQ(Reused(session, longer), 0);
}

TEST_P(StateSpaceGenerationTest, SavedSessionsGoOnToTheBit) {
  const fs::path file = fs::temp_directory_path() /
                        ("malmoi_state_" + std::to_string(getpid()) + ".kv");
  Session first(model_, kContext);
  Ids answer;
  Reused(first, Prompt(30), &answer);
  first.Save(file);
  Session second(model_, kContext);
  EXPECT_EQ(second.Load(file), 49);
  const Ids longer = Joined(Joined(Prompt(30), answer), Prompt(5, 2));
  EXPECT_EQ(Reused(second, longer), 49);
  // A state is not cut to a smaller context.
  EXPECT_EQ(Session(model_, 48).Load(file), 0);
  fs::remove(file);
}

TEST_P(StateSpaceGenerationTest, ManyAtOnceAreAsAlone) {
  std::vector<Ids> prompts = {Prompt(64), Prompt(70), Prompt(20, 4), Prompt(1)};
  prompts.push_back(Joined(Prompt(64), Prompt(9, 5)));
  prompts.push_back(Joined(Prompt(64), Prompt(9, 6)));
  const size_t all =
      model_->decoder().kv_shape().bytes(kContext) * prompts.size();
  for (const size_t memory : {size_t{0}, all / 3}) {
    for (int64_t step_tokens : {1, 64, 512}) {
      Batcher batcher(model_, {.context = kContext,
                               .max_sequences = 4,
                               .step_tokens = step_tokens,
                               .memory_bytes = memory});
      std::vector<std::shared_ptr<Request>> requests;
      for (int round = 0; round < 2; ++round) {
        for (const Ids& prompt : prompts) {
          requests.push_back(batcher.NewRequest(prompt, options_));
          batcher.Add(requests.back());
        }
        while (batcher.Step()) {
          EXPECT_LE(batcher.stats().bytes, batcher.stats().memory_bytes);
        }
      }
      for (size_t i = 0; i < requests.size(); ++i) {
        ExpectSameCompletion(Fresh(prompts[i % prompts.size()]),
                             requests[i]->Wait());
      }
    }
  }
}

TEST_P(StateSpaceGenerationTest, TheNextTurnFindsItsPastAmongKeptOnes) {
  Batcher batcher(model_, {.context = kContext});
  const auto ask = [&](const Ids& prompt) {
    const auto request = batcher.NewRequest(prompt, options_);
    batcher.Add(request);
    while (batcher.Step()) {
    }
    ExpectSameCompletion(Fresh(prompt), request->Wait());
    return request->Wait();
  };
  const Ids answer = ask(Prompt(30)).tokens;
  const Ids one = Joined(Joined(Prompt(30), answer), Prompt(5, 2));
  const Ids two = Joined(Joined(Prompt(30), answer), Prompt(5, 3));
  EXPECT_EQ(ask(one).usage.cached_tokens, 49);
  // The shorter one is still kept, as the longer one cannot stand for it.
  EXPECT_EQ(ask(two).usage.cached_tokens, 49);
  EXPECT_EQ(ask(Prompt(30)).usage.cached_tokens, 0);
}

TEST_P(StateSpaceGenerationTest, FitCountsTheState) {
  const models::DecoderPlan plan =
      models::PlanDecoder(models::Checkpoint::Open(path_));
  const auto sequence = model_->decoder().NewSequence(kContext);
  sequence->Reserve(kContext);
  const PredictedMemory memory = PredictMemory(plan, kContext);
  EXPECT_EQ(memory.kv, sequence->bytes());
  EXPECT_EQ(memory.weights, model_->decoder().weight_bytes());
  const ops::Roofs roofs = {25e9, 600e9, 200e9};
  const PredictedSpeed speed = PredictSpeed(plan, roofs);
  EXPECT_TRUE(std::isfinite(speed.prompt_tokens_per_s));
  EXPECT_GT(speed.prompt_tokens_per_s, speed.decode_tokens_per_s);
  EXPECT_GT(speed.decode_tokens_per_s, 0);
}

INSTANTIATE_TEST_SUITE_P(All, StateSpaceGenerationTest,
                         ::testing::Values("falcon-h1",
                                           "granite-hybrid-experts",
                                           "granite-hybrid", "mamba",
                                           "mamba2-groups"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::erase(name, '-');
                           return name;
                         });

}  // namespace
}  // namespace malmoi::generate
