// Every architecture against transformers in float32, from a Hugging Face
// folder and from a GGUF of the same weights: the stream after each layer,
// logits at every position, greedy tokens.
// Values: tools/make_golden_architectures.py, tools/make_golden_zoo.py.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "models/decoder.h"
#include "models/testing/reference.h"

namespace malmoi::models {
namespace {

namespace fs = std::filesystem;

const fs::path kGolden = MALMOI_SOURCE_DIR "/tests/golden";

struct Case {
  const char* folder;
  const char* prefix;  // of the names of expected tensors
  int64_t capacity;    // of the sequence
};

void PrintTo(const Case& item, std::ostream* out) {
  *out << item.folder << " " << item.prefix;
}

class ArchitectureTest : public ::testing::TestWithParam<Case> {
 protected:
  // Sums in another order; a fault moves logits a hundred times further
  // (tests/golden/architectures/README.md).
  static constexpr double kTolerance = 1e-4;

  void Check(const fs::path& path, const std::string& from) {
    SCOPED_TRACE(path.string());
    const Case& item = GetParam();
    const Expected expected(kGolden / item.folder);
    ThreadPool pool(2);
    const auto decoder =
        Decoder::Load(Checkpoint::Open(path), Precision::kExact, pool);
    if (!std::string_view(item.prefix).empty() || !expected.Has("0.ids")) {
      CheckPrompt(*decoder, pool, expected, item.prefix);
    } else {
      for (const char* prompt : {"0.", "1.", "2."}) {
        CheckPrompt(*decoder, pool, expected, prompt);
      }
    }
    const std::string name(item.folder);
    Enter(name.substr(name.find('/') + 1), from, worst_);
  }

  void CheckPrompt(const Decoder& decoder, ThreadPool& pool,
                   const Expected& expected, const std::string& prefix) {
    SCOPED_TRACE(prefix);
    const std::vector<int32_t> ids = expected.Ids(prefix + "ids");
    std::map<std::string, std::vector<float>, std::less<>> seen;
    Arena arena;
    Exec exec{pool, arena,
              [&](std::string_view name, std::span<const float> values, int64_t,
                  int64_t) {
                seen[std::string(name)].assign(values.begin(), values.end());
              },
              nullptr};
    const int64_t capacity = GetParam().capacity;
    auto sequence = decoder.NewSequence(
        capacity > 0 ? capacity : static_cast<int64_t>(ids.size()));
    const SequenceInput input = {sequence.get(), ids, LogitsFor::kAll};
    const auto logits = decoder.Forward(exec, {&input, 1});
    EXPECT_LT(
        Difference(seen["embedding"], expected.Floats(prefix + "embedding")),
        1e-6);
    if (expected.Has(prefix + "layers")) {
      const std::vector<float> layers = expected.Floats(prefix + "layers");
      const size_t size =
          layers.size() / static_cast<size_t>(decoder.spec().layers);
      for (int64_t i = 0; i < decoder.spec().layers; ++i) {
        const double difference = Difference(
            seen["layer." + std::to_string(i) + ".output"],
            std::span(layers).subspan(static_cast<size_t>(i) * size, size));
        worst_ = std::max(worst_, difference);
        EXPECT_LT(difference, kTolerance) << "layer " << i;
      }
    }
    // Of some prompts only the last position's are kept.
    const std::vector<float> wanted = expected.Floats(prefix + "logits");
    const double difference =
        Difference(logits.last(std::min(logits.size(), wanted.size())), wanted);
    worst_ = std::max(worst_, difference);
    EXPECT_LT(difference, kTolerance);
    if (capacity == 0 || !expected.Has(prefix + "greedy")) return;
    CheckGreedy(decoder, exec, *sequence, logits,
                expected.Ids(prefix + "greedy"));
  }

  double worst_ = 0;

  void CheckGreedy(const Decoder& decoder, Exec& exec, Sequence& sequence,
                   std::span<const float> logits, std::vector<int32_t> greedy) {
    const size_t vocab = static_cast<size_t>(decoder.spec().vocab_size);
    const size_t room =
        static_cast<size_t>(sequence.max_tokens() - sequence.length());
    if (greedy.size() > room) greedy.resize(room);
    std::vector<int32_t> got;
    while (true) {
      const auto last = logits.last(vocab);
      const int32_t token = static_cast<int32_t>(
          std::max_element(last.begin(), last.end()) - last.begin());
      got.push_back(token);
      if (got.size() >= greedy.size()) break;
      const SequenceInput next = {
          &sequence, {&got.back(), 1}, LogitsFor::kLast};
      logits = decoder.Forward(exec, {&next, 1});
    }
    EXPECT_EQ(got, greedy);
  }
};

TEST_P(ArchitectureTest, FolderEqualsTheReference) {
  Check(kGolden / GetParam().folder, "folder");
}

class GgufTest : public ArchitectureTest {};
TEST_P(GgufTest, EqualsTheReference) {
  Check(kGolden / GetParam().folder / "model.gguf", "gguf");
}

// The same bits for every row, whatever else is in the batch and however a
// prompt is cut.
TEST_P(ArchitectureTest, ABatchOfMixedLengthsEqualsEachAlone) {
  const Case& item = GetParam();
  const Expected expected(kGolden / item.folder);
  ThreadPool pool(2);
  const auto decoder = Decoder::Load(Checkpoint::Open(kGolden / item.folder),
                                     Precision::kFast, pool);
  Arena arena;
  Exec exec{pool, arena, {}, nullptr};
  const int64_t capacity = item.capacity > 0 ? item.capacity : 96;
  const auto forward = [&](const std::vector<SequenceInput>& inputs) {
    const auto logits = decoder->Forward(exec, inputs);
    return std::vector<float>(logits.begin(), logits.end());
  };
  std::vector<std::vector<int32_t>> ids;
  std::vector<std::unique_ptr<Sequence>> sequences;
  std::vector<SequenceInput> first, rest;
  std::vector<float> alone;
  for (const size_t part : {0, 1, 2}) {
    // Of models with one prompt, ever longer parts of it.
    const std::string name = std::to_string(part) + ".ids";
    if (expected.Has(name)) {
      ids.push_back(expected.Ids(name));
    } else {
      ids.push_back(expected.Ids(std::string(item.prefix) + "ids"));
      ids.back().resize(ids.back().size() * (part + 1) / 3);
    }
    const auto sequence = decoder->NewSequence(capacity);
    const auto logits =
        forward({{sequence.get(), ids.back(), LogitsFor::kLast}});
    alone.insert(alone.end(), logits.begin(), logits.end());
  }
  for (size_t i = 0; i < ids.size(); ++i) {
    sequences.push_back(decoder->NewSequence(capacity));
    const std::span<const int32_t> all(ids[i]);
    const size_t cut = 2 + i;
    first.push_back({sequences[i].get(), all.first(cut), LogitsFor::kNone});
    rest.push_back({sequences[i].get(), all.subspan(cut), LogitsFor::kLast});
  }
  forward(first);
  EXPECT_EQ(forward(rest), alone);
}

// Configurations as older releases wrote them describe the same model.
class OlderConfigurationTest : public ArchitectureTest {};
TEST_P(OlderConfigurationTest, EqualsTheReference) {
  const fs::path folder =
      fs::temp_directory_path() / ("malmoi_old_" + std::to_string(getpid()));
  fs::remove_all(folder);
  fs::create_directories(folder);
  const fs::path from = kGolden / GetParam().folder;
  fs::copy_file(from / "config_old.json", folder / "config.json");
  fs::copy_file(from / "model.safetensors", folder / "model.safetensors");
  Check(folder, "older-config");
  fs::remove_all(folder);
}

// A capacity of 0 is the prompt's length.
const Case kCases[] = {
    {"architectures/llama", "", 128},
    {"architectures/phi3", "", 128},
    // Capacity, not length, chooses LongRoPE's factors.
    {"architectures/phi3-longrope", "short.", 24},
    {"architectures/phi3-longrope", "long.", 96},
    {"architectures/gemma3", "", 128},
    {"zoo/cohere", "", 72},
    {"zoo/cohere-qk-norm", "", 72},
    {"zoo/cohere2", "", 72},
    {"zoo/exaone", "", 72},
    {"zoo/exaone4", "", 72},
    {"zoo/exaone4-hybrid", "", 72},
    {"zoo/falcon", "", 72},
    {"zoo/falcon-alibi", "", 72},
    {"zoo/falcon-new", "", 72},
    {"zoo/falcon-new-one-norm", "", 72},
    {"zoo/gemma", "", 72},
    {"zoo/gemma2", "", 72},
    {"zoo/gpt2", "", 72},
    {"zoo/gpt_neox", "", 72},
    {"zoo/gpt_neox-serial", "", 72},
    {"zoo/gpt_oss", "", 72},
    {"zoo/gpt_oss-mxfp4", "", 72},
    {"zoo/granite", "", 72},
    {"zoo/hyperclovax", "", 72},
    {"zoo/lfm2", "", 72},
    {"zoo/llama-bias", "", 72},
    {"zoo/llama-linear", "", 72},
    {"zoo/llama-yarn", "", 72},
    {"zoo/mistral", "", 72},
    {"zoo/mistral-full", "", 72},
    {"zoo/olmo", "", 72},
    {"zoo/olmo2", "", 72},
    {"zoo/olmo3", "", 72},
    {"zoo/phi", "", 72},
    {"zoo/qwen2", "", 72},
    {"zoo/qwen2-window", "", 72},
    {"zoo/qwen3", "", 72},
    {"zoo/smollm3", "", 72},
    {"zoo/smollm3-list", "", 72},
    {"zoo/stablelm", "", 72},
    {"zoo/stablelm-parallel", "", 72},
    {"zoo/starcoder2", "", 72},
    {"zoo/starcoder2-window", "", 72},
    {"zoo/mixtral", "", 72},
    {"zoo/qwen2_moe", "", 72},
    {"zoo/qwen2_moe-mixed", "", 72},
    {"zoo/qwen3_moe", "", 72},
    {"zoo/qwen3_moe-mixed", "", 72},
    {"zoo/olmoe", "", 72},
    {"zoo/olmoe-free", "", 72},
    {"zoo/granitemoe", "", 72},
    {"zoo_state_space/falcon-h1", "", 80},
    {"zoo_state_space/falcon-h1-norm", "", 80},
    {"zoo_state_space/falcon-mamba", "", 80},
    {"zoo_state_space/falcon-mamba-bias", "", 80},
    {"zoo_state_space/granite-hybrid", "", 80},
    {"zoo_state_space/granite-hybrid-attention", "", 80},
    {"zoo_state_space/granite-hybrid-experts", "", 80},
    {"zoo_state_space/mamba", "", 80},
    {"zoo_state_space/mamba2", "", 80},
    {"zoo_state_space/mamba2-groups", "", 80},
    // As the reference's, frequencies grow with the sequence.
    {"zoo/llama-dynamic", "", 0},
    {"zoo/phi4-mini", "", 0},
};

// Not every model is known to GGUF, or has an older configuration.
std::vector<Case> CasesWith(const char* file) {
  std::vector<Case> cases;
  for (const Case& item : kCases) {
    if (fs::exists(kGolden / item.folder / file)) cases.push_back(item);
  }
  return cases;
}

std::string CaseName(const ::testing::TestParamInfo<Case>& info) {
  std::string name = std::string(info.param.folder) + "_" + info.param.prefix;
  name = name.substr(name.find('/') + 1);
  std::erase_if(name, [](char c) { return !std::isalnum(c); });
  return name;
}

INSTANTIATE_TEST_SUITE_P(All, ArchitectureTest, ::testing::ValuesIn(kCases),
                         CaseName);
INSTANTIATE_TEST_SUITE_P(All, GgufTest,
                         ::testing::ValuesIn(CasesWith("model.gguf")),
                         CaseName);
INSTANTIATE_TEST_SUITE_P(All, OlderConfigurationTest,
                         ::testing::ValuesIn(CasesWith("config_old.json")),
                         CaseName);

}  // namespace
}  // namespace malmoi::models
