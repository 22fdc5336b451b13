// SmolLM2 against its reference values, on the real weights: every prompt's
// tokens, logits at both precisions, greedy continuations, perplexity, and
// the residual stream layer by layer. Needs MALMOI_TEST_MODEL.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "formats/safetensors.h"
#include "generate/evaluate.h"
#include "generate/session.h"

namespace malmoi::generate {
namespace {

const char* ModelPath() { return std::getenv("MALMOI_TEST_MODEL"); }

#define REQUIRE_MODEL()                                                   \
  if (ModelPath() == nullptr) {                                           \
    GTEST_SKIP() << "MALMOI_TEST_MODEL is not set (malmoi pull smollm2)"; \
  }

Json Golden(const std::string& name) {
  return ParseJson(ReadFile(MALMOI_SOURCE_DIR "/tests/golden/smollm2/" + name),
                   name);
}

TEST(Parity, VerifyPasses) {
  REQUIRE_MODEL();
  const VerifyReport report = VerifyModel(ModelPath(), 0);
  ASSERT_EQ(report.checks.size(), 5u);
  for (const VerifyCheck& check : report.checks) {
    EXPECT_TRUE(check.passed) << check.name << ": " << check.measured;
  }
}

// Gemma 3, whose matrices are Q8_0, Q5_0, Q4_K and Q6_K.
TEST(Parity, Gemma3VerifyPasses) {
  const char* path = std::getenv("MALMOI_TEST_GEMMA3");
  if (path == nullptr) {
    GTEST_SKIP() << "MALMOI_TEST_GEMMA3 is not set (malmoi pull gemma3-270m)";
  }
  const VerifyReport report = VerifyModel(path, 0);
  ASSERT_EQ(report.checks.size(), 5u);
  for (const VerifyCheck& check : report.checks) {
    EXPECT_TRUE(check.passed) << check.name << ": " << check.measured;
  }
}

TEST(Parity, LogitsAtEveryPositionOfEveryPromptEqualTheReference) {
  REQUIRE_MODEL();
  const auto golden = formats::SafetensorsFile::Open(
      MALMOI_SOURCE_DIR "/tests/golden/smollm2/logits.safetensors");
  const auto floats = [&](const std::string& name) {
    const Tensor& tensor = golden.tensors.at(name);
    return reinterpret_cast<const float*>(tensor.data.data());
  };
  const auto ints = [&](const std::string& name) {
    const Tensor& tensor = golden.tensors.at(name);
    return reinterpret_cast<const int32_t*>(tensor.data.data());
  };
  const auto model = LanguageModel::Load(
      ModelPath(), {.precision = models::Precision::kExact});
  Session session(model);
  int64_t positions = 0;
  double largest = 0;
  const int32_t* fixed = ints("fixed_ids");
  for (const Json& prompt : Golden("prompts.json")) {
    const std::string name = prompt["name"].get<std::string>();
    const auto ids = prompt["ids"].get<std::vector<int32_t>>();
    EXPECT_EQ(model->tokenizer().Encode(prompt["text"].get<std::string>()).ids,
              ids);
    session.Score(ids, [&](int64_t at, std::span<const float> logits) {
      const auto note = [&](double expected, double got) {
        largest = std::max(largest, std::fabs(expected - got));
      };
      const auto of = [&](int32_t id) {
        return static_cast<double>(logits[static_cast<size_t>(id)]);
      };
      for (int64_t i = 0; i < 16; ++i) {
        note(static_cast<double>(floats(name + "/top16_logits")[at * 16 + i]),
             of(ints(name + "/top16_ids")[at * 16 + i]));
      }
      for (int64_t i = 0; i < 8; ++i) {
        note(static_cast<double>(floats(name + "/fixed_logits")[at * 8 + i]),
             of(fixed[i]));
      }
      note(static_cast<double>(floats(name + "/logsumexp")[at]),
           LogSumExp(logits));
      ++positions;
    });
  }
  EXPECT_EQ(positions, 2223);
  // Sums in another order; f16 keys and values alone would make 0.059 (README
  // of the values).
  EXPECT_LE(largest, 0.005);
}

TEST(Parity, ResidualStreamEqualsTheReferenceLayerByLayer) {
  REQUIRE_MODEL();
  const Json golden = Golden("layers.json");
  const auto model = LanguageModel::Load(
      ModelPath(), {.precision = models::Precision::kExact});
  Session session(model);
  std::map<std::string, std::vector<float>> taps;
  session.SetTap([&](std::string_view name, std::span<const float> values,
                     int64_t rows, int64_t columns) {
    const auto last = values.last(static_cast<size_t>(columns));
    taps[std::string(name)].assign(last.begin(), last.end());
  });
  session.Score(golden["ids"].get<std::vector<int32_t>>(),
                [](int64_t, std::span<const float>) {});
  for (size_t i = 0; i < golden["hidden"].size(); ++i) {
    const std::string name =
        i == 0 ? "embedding" : "layer." + std::to_string(i - 1) + ".output";
    const auto expected = golden["hidden"][i].get<std::vector<float>>();
    ASSERT_EQ(taps[name].size(), expected.size()) << name;
    double error = 0, size = 0;
    for (size_t k = 0; k < expected.size(); ++k) {
      error += std::pow(static_cast<double>(taps[name][k] - expected[k]), 2);
      size += std::pow(static_cast<double>(expected[k]), 2);
    }
    // Keys and values in f16 are the largest difference.
    EXPECT_LE(std::sqrt(error / size), i == 0 ? 1e-5 : 1e-3) << name;
  }
}

TEST(Parity, PerplexityEqualsTheReference) {
  REQUIRE_MODEL();
  const auto exact = LanguageModel::Load(
      ModelPath(), {.precision = models::Precision::kExact});
  const auto fast = LanguageModel::Load(ModelPath());
  const Json golden = Golden("perplexity.json");
  for (const Json& item : golden["texts"]) {
    const std::string text = item["text"].get<std::string>();
    const double expected = item["nll"].get<double>();
    const Perplexity a = EvaluatePerplexity(exact, text);
    EXPECT_EQ(a.tokens, item["tokens"].get<int64_t>());
    EXPECT_NEAR(a.nll, expected, 1e-4 * expected);
    EXPECT_NEAR(EvaluatePerplexity(fast, text).nll, expected, 1e-2 * expected);
  }
}

TEST(Parity, BatchInvarianceOfTheRealModel) {
  REQUIRE_MODEL();
  const auto model = LanguageModel::Load(ModelPath(), {.threads = 2});
  std::vector<int32_t> tokens;
  for (int i = 0; i < 300; ++i) tokens.push_back(i * 7919 % 49152);
  const auto last = [&](std::vector<size_t> pieces, int threads) {
    ThreadPool pool(threads);
    Arena arena;
    Exec exec{pool, arena, {}, nullptr};
    auto sequence = model->decoder().NewSequence(512);
    std::span<const float> logits;
    size_t at = 0;
    for (size_t i = 0; at < tokens.size(); ++i) {
      const size_t count =
          std::min(pieces[i % pieces.size()], tokens.size() - at);
      const models::SequenceInput input = {sequence.get(),
                                           std::span(tokens).subspan(at, count),
                                           models::LogitsFor::kLast};
      logits = model->decoder().Forward(exec, {&input, 1});
      at += count;
    }
    return std::vector<float>(logits.begin(), logits.end());
  };
  const auto once = last({300}, 2);
  EXPECT_EQ(once, last({300}, 1));
  EXPECT_EQ(once, last({1}, 2));
  EXPECT_EQ(once, last({100, 3, 17}, 1));
}

TEST(Generation, ReusesThePrefixAndRepeatsWithTheSeed) {
  REQUIRE_MODEL();
  const auto model = LanguageModel::Load(ModelPath());
  const auto prompt = model->EncodePrompt(model->RenderChat(
      {{{"role", "user"}, {"content", "Name three colours."}}}));
  Session session(model), other(model, 256);
  GenerateOptions options;
  options.max_tokens = 24;
  options.sampling.seed = 5;
  const Completion first = session.Generate(prompt, options);
  const Completion again = session.Generate(prompt, options);
  EXPECT_EQ(first.text, again.text);
  EXPECT_EQ(first.text, other.Generate(prompt, options).text);
  EXPECT_EQ(first.usage.cached_tokens, 0);
  EXPECT_EQ(again.usage.cached_tokens, static_cast<int64_t>(prompt.size()) - 1);
  options.sampling.seed = 6;
  EXPECT_NE(session.Generate(prompt, options).text, first.text);
}

TEST(Generation, StopsAtStringsAcrossTokens) {
  REQUIRE_MODEL();
  const auto model = LanguageModel::Load(ModelPath());
  Session session(model);
  const auto prompt = model->EncodePrompt("1, 2, 3, 4, 5, 6,");
  GenerateOptions options;
  options.sampling.temperature = 0;
  options.max_tokens = 30;
  const std::string whole = session.Generate(prompt, options).text;
  ASSERT_NE(whole.find("9, 1"), std::string::npos) << whole;
  options.stop = {"9, 1"};
  std::string streamed;
  options.on_step = [&](const Step& step) { streamed += step.text; };
  const Completion cut = session.Generate(prompt, options);
  EXPECT_EQ(cut.text, whole.substr(0, whole.find("9, 1")));
  EXPECT_EQ(streamed, cut.text);
  EXPECT_EQ(cut.finish_reason, FinishReason::kStop);
}

TEST(Generation, OverflowIsAnErrorUnlessTheWindowSlides) {
  REQUIRE_MODEL();
  const auto model = LanguageModel::Load(ModelPath());
  Session session(model, 16);
  const std::vector<int32_t> prompt(20, 100);
  GenerateOptions options;
  options.sampling.temperature = 0;
  try {
    session.Generate(prompt, options);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kContextOverflow);
    EXPECT_EQ(error.parts().expected, "at most 16");
    EXPECT_EQ(error.parts().got, "20");
  }
  options.sliding_window = 8;
  options.max_tokens = 40;
  options.ignore_end = true;
  const Completion slid = session.Generate(prompt, options);
  EXPECT_EQ(slid.usage.completion_tokens, 40);
  options.sliding_window = 0;
  const Completion full =
      session.Generate(std::vector<int32_t>(10, 100), options);
  EXPECT_EQ(full.finish_reason, FinishReason::kLength);
  EXPECT_EQ(full.usage.completion_tokens, 7);  // 6 fed, one more picked
}

}  // namespace
}  // namespace malmoi::generate
