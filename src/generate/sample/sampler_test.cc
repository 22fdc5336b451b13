// Each option on distributions computed by hand from its definition.
#include "generate/sample/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>

#include "base/error.h"

namespace malmoi::generate {
namespace {

// Logits of these probabilities.
std::vector<float> Logits(const std::vector<double>& probabilities) {
  std::vector<float> logits;
  for (double p : probabilities) {
    logits.push_back(static_cast<float>(std::log(p)));
  }
  return logits;
}

SamplingOptions Plain() {
  SamplingOptions options;
  options.temperature = 1;
  options.top_k = 0;
  options.top_p = 1;
  return options;
}

std::map<int32_t, int> Draw(const SamplingOptions& options,
                            const std::vector<float>& logits, int count,
                            const std::vector<int32_t>& history = {}) {
  Sampler sampler(options);
  std::map<int32_t, int> counts;
  for (int i = 0; i < count; ++i) ++counts[sampler.Pick(logits, history)];
  return counts;
}

std::set<int32_t> Kept(const SamplingOptions& options,
                       const std::vector<float>& logits,
                       const std::vector<int32_t>& history = {}) {
  std::set<int32_t> kept;
  for (const auto& [id, count] : Draw(options, logits, 4000, history)) {
    kept.insert(id);
  }
  return kept;
}

const std::vector<double> kFive = {0.05, 0.4, 0.3, 0.1, 0.15};

TEST(Sampler, DrawsFollowTheProbabilities) {
  const int n = 20000;
  const auto counts = Draw(Plain(), Logits(kFive), n);
  double chi_square = 0;
  for (size_t i = 0; i < kFive.size(); ++i) {
    const double expected = kFive[i] * n;
    const double got = counts.at(static_cast<int32_t>(i));
    chi_square += (got - expected) * (got - expected) / expected;
  }
  EXPECT_LT(chi_square, 18.5);  // 4 degrees of freedom, p = 0.001
}

TEST(Sampler, TemperatureSquaresProbabilitiesAtOneHalf) {
  SamplingOptions options = Plain();
  options.temperature = 0.5;
  const int n = 20000;
  const auto counts = Draw(options, Logits({0.6, 0.3, 0.1}), n);
  // p² normalized: 0.36, 0.09, 0.01 of 0.46.
  EXPECT_NEAR(counts.at(0) / static_cast<double>(n), 0.36 / 0.46, 0.012);
  EXPECT_NEAR(counts.at(2) / static_cast<double>(n), 0.01 / 0.46, 0.006);
  options.temperature = 0;
  EXPECT_EQ(Draw(options, Logits(kFive), 10).at(1), 10);
}

TEST(Sampler, GreedyTiesGoToTheLowestId) {
  SamplingOptions options = Plain();
  options.temperature = 0;
  EXPECT_EQ(Draw(options, {1, 3, 3, 2}, 5).at(1), 5);
}

TEST(Sampler, FiltersKeepWhatTheirDefinitionsSay) {
  SamplingOptions options = Plain();
  options.top_k = 2;
  EXPECT_EQ(Kept(options, Logits(kFive)), (std::set<int32_t>{1, 2}));
  options = Plain();
  options.top_p = 0.75;  // 0.4 + 0.3 < 0.75 <= 0.4 + 0.3 + 0.15
  EXPECT_EQ(Kept(options, Logits(kFive)), (std::set<int32_t>{1, 2, 4}));
  options = Plain();
  options.min_p = 0.3;  // at least 0.12
  EXPECT_EQ(Kept(options, Logits(kFive)), (std::set<int32_t>{1, 2, 4}));
  options = Plain();
  // Entropy 1.39; surprises 3.00, 0.92, 1.20, 2.30, 1.90: nearest are 2
  // (0.19), 1 (0.47), 4 (0.51): 0.3 + 0.4 reach 0.7.
  options.typical_p = 0.7;
  EXPECT_EQ(Kept(options, Logits(kFive)), (std::set<int32_t>{1, 2}));
  options.typical_p = 0.2;
  EXPECT_EQ(Kept(options, Logits(kFive)), (std::set<int32_t>{2}));
}

TEST(Sampler, PenaltiesActOnTheHistoryInTheWindow) {
  SamplingOptions options = Plain();
  options.temperature = 0;
  options.repetition_penalty = 2;  // positive halves, negative doubles
  EXPECT_EQ(Draw(options, {4, 3, -1}, 1, {0}).begin()->first, 1);
  EXPECT_EQ(Draw(options, {-1, -1.5f}, 1, {0}).begin()->first, 1);
  options = Plain();
  options.temperature = 0;
  options.presence_penalty = 1.5;
  EXPECT_EQ(Draw(options, {4, 3}, 1, {0, 0, 0}).begin()->first, 1);
  options.presence_penalty = 0.9;
  EXPECT_EQ(Draw(options, {4, 3}, 1, {0, 0, 0}).begin()->first, 0);
  options.presence_penalty = 0;
  options.frequency_penalty = 0.4;
  EXPECT_EQ(Draw(options, {4, 3}, 1, {0, 0}).begin()->first, 0);
  EXPECT_EQ(Draw(options, {4, 3}, 1, {0, 0, 0}).begin()->first, 1);
  options.penalty_window = 1;
  EXPECT_EQ(Draw(options, {4, 3}, 1, {0, 0, 1}).begin()->first, 0);
}

TEST(Sampler, DryGrowsWithTheRepeatedLength) {
  SamplingOptions options = Plain();
  options.temperature = 0;
  options.dry_multiplier = 1;
  options.dry_base = 2;
  options.dry_allowed_length = 2;
  // After 1 2 3 4 ... 1 2 3, the token 4 would extend a repeat of 3: it loses
  // 1·2^(3-2) = 2.
  const std::vector<int32_t> history = {1, 2, 3, 4, 9, 1, 2, 3};
  EXPECT_EQ(Draw(options, {3.1f, 0, 0, 0, 5, 0, 0, 0, 0, 0}, 1, history)
                .begin()
                ->first,
            0);
  EXPECT_EQ(Draw(options, {2.9f, 0, 0, 0, 5, 0, 0, 0, 0, 0}, 1, history)
                .begin()
                ->first,
            4);
  options.dry_breakers = {3};  // a breaker ends the repeat
  EXPECT_EQ(Draw(options, {3.1f, 0, 0, 0, 5, 0, 0, 0, 0, 0}, 1, history)
                .begin()
                ->first,
            4);
}

TEST(Sampler, RefusesValuesOutOfRangeByName) {
  SamplingOptions options;
  options.top_p = 1.5;
  try {
    Sampler sampler(options);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_EQ(error.parts().where, "top-p");
  }
}

TEST(Logprobs, AreThoseOfTheUnmodifiedLogits) {
  const auto top = TopLogprobs(Logits(kFive), 3);
  ASSERT_EQ(top.size(), 3u);
  EXPECT_EQ(top[0].id, 1);
  EXPECT_EQ(top[1].id, 2);
  EXPECT_EQ(top[2].id, 4);
  EXPECT_NEAR(top[0].logprob, std::log(0.4), 1e-6);
  const std::vector<float> shifted = {1000, 1001};
  EXPECT_NEAR(LogSumExp(shifted), 1001 + std::log1p(std::exp(-1.0)), 1e-4);
}

}  // namespace
}  // namespace malmoi::generate
