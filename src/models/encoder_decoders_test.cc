// Every encoder-decoder against transformers in float32: what enters the first
// layer of each stack, the rows after each, the logits, 20 tokens.
// Values: tools/make_golden_seq2seq.py.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include "models/encoder_decoder.h"
#include "models/families/distance_bias.h"
#include "models/testing/reference.h"

namespace malmoi::models {
namespace {

namespace fs = std::filesystem;

const fs::path kGolden = MALMOI_SOURCE_DIR "/tests/golden/zoo_seq2seq";
constexpr double kTolerance = 1e-4;

using Seen = std::map<std::string, std::vector<float>, std::less<>>;

class EncoderDecoderTest : public ::testing::TestWithParam<const char*> {
 protected:
  std::unique_ptr<Sequence> Encode(Exec& exec,
                                   const std::vector<int32_t>& ids) const {
    const std::span<const int32_t> text = ids;
    return std::move(model_->Encode(exec, {&text, 1}).front());
  }
  // The worst difference of a stack's layers.
  double CompareLayers(const Seen& seen, const std::string& stack,
                       const std::string& text, int64_t layers) const {
    EXPECT_LT(Difference(seen.at(stack + ".embedding"),
                         expected_.Floats(text + stack + "_embedding")),
              1e-5);
    const auto want = expected_.Floats(text + stack + "_layers");
    const size_t size = want.size() / static_cast<size_t>(layers);
    double worst = 0;
    for (int64_t i = 0; i < layers; ++i) {
      const double difference = Difference(
          seen.at(stack + ".layer." + std::to_string(i) + ".output"),
          std::span(want).subspan(static_cast<size_t>(i) * size, size));
      EXPECT_LT(difference, kTolerance) << stack << " layer " << i;
      worst = std::max(worst, difference);
    }
    return worst;
  }

  const Expected expected_{kGolden / FolderOf(GetParam())};
  ThreadPool pool_{2};
  const std::unique_ptr<EncoderDecoder> model_ = EncoderDecoder::Load(
      Checkpoint::Open(ModelOf(kGolden, GetParam())), Precision::kExact, pool_);
};
class EncoderDecoderFolderTest : public EncoderDecoderTest {};

TEST_P(EncoderDecoderTest, EqualsTheReference) {
  double worst = 0;
  for (const std::string text : {"0.", "1."}) {
    SCOPED_TRACE(text);
    Seen seen;
    Arena arena;
    Exec exec{pool_, arena,
              [&](std::string_view name, std::span<const float> values, int64_t,
                  int64_t) {
                seen[std::string(name)].assign(values.begin(), values.end());
              },
              nullptr};
    exec.tap.attention = [](std::string_view name) {
      return name.ends_with("cross_attention");
    };
    const auto memory = Encode(exec, expected_.Ids(text + "ids"));
    worst = std::max(worst, CompareLayers(seen, "encoder", text,
                                          model_->spec().encoder.layers));
    EXPECT_LT(Difference(seen["encoder.output"],
                         expected_.Floats(text + "encoder_output")),
              kTolerance);
    const auto ids = expected_.Ids(text + "decoder_ids");
    const auto sequence = model_->NewSequence(40);
    const DecodeInput input = {sequence.get(), memory.get(), ids,
                               LogitsFor::kAll};
    const auto logits = model_->Forward(exec, {&input, 1});
    worst = std::max(worst, CompareLayers(seen, "decoder", text,
                                          model_->spec().decoder.layers));
    const double difference =
        Difference(logits, expected_.Floats(text + "logits"));
    EXPECT_LT(difference, kTolerance) << "logits";
    worst = std::max(worst, difference);
    // Each head of a row looks at the memory with weights that sum to 1.
    const auto& weights = seen["decoder.layer.0.cross_attention"];
    EXPECT_EQ(static_cast<int64_t>(weights.size()),
              static_cast<int64_t>(ids.size()) * model_->spec().decoder.heads *
                  memory->length());
    EXPECT_NEAR(std::accumulate(weights.begin(), weights.end(), 0.0),
                static_cast<double>(ids.size()) *
                    static_cast<double>(model_->spec().decoder.heads),
                1e-3);
  }
  Enter(FolderOf(GetParam()), IsGguf(GetParam()) ? "gguf" : "folder", worst);
}

TEST_P(EncoderDecoderTest, WritesTheReferencesTokens) {
  for (const std::string text : {"0.", "1."}) {
    Arena arena;
    Exec exec{pool_, arena, {}, nullptr};
    const auto memory = Encode(exec, expected_.Ids(text + "ids"));
    const auto sequence = model_->NewSequence(40);
    std::vector<int32_t> next = {expected_.Ids(text + "decoder_ids")[0]};
    for (const int32_t token : expected_.Ids(text + "greedy")) {
      const DecodeInput input = {sequence.get(), memory.get(), next};
      const auto logits = model_->Forward(exec, {&input, 1});
      next[0] = static_cast<int32_t>(
          std::max_element(logits.begin(), logits.end()) - logits.begin());
      ASSERT_EQ(next[0], token);
    }
  }
}

// Memories and logits are the same bits, whatever else is in the batch, how
// tokens are cut into calls, and with any number of threads.
TEST_P(EncoderDecoderTest, BatchEqualsOneAtATime) {
  const std::vector<std::vector<int32_t>> texts = {expected_.Ids("0.ids"),
                                                   expected_.Ids("1.ids")};
  const std::vector<std::vector<int32_t>> outputs = {
      expected_.Ids("0.decoder_ids"), expected_.Ids("1.decoder_ids")};
  ThreadPool one(1);
  Arena arena, other;
  Exec exec{pool_, arena, {}, nullptr};
  Exec alone{one, other, {}, nullptr};
  std::vector<float> want;
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto memory = Encode(alone, texts[i]);
    for (int beams = 0; beams < 2; ++beams) {
      const auto sequence = model_->NewSequence(40);
      for (const int32_t token : outputs[i]) {
        const DecodeInput input = {
            sequence.get(), memory.get(), {&token, 1}, LogitsFor::kLast};
        const auto logits = model_->Forward(alone, {&input, 1});
        want.insert(want.end(), logits.begin(), logits.end());
      }
    }
  }
  const std::vector<std::span<const int32_t>> both = {texts[0], texts[1]};
  const auto memories = model_->Encode(exec, both);
  std::vector<std::unique_ptr<Sequence>> sequences;
  std::vector<DecodeInput> inputs;
  for (size_t i : {size_t{0}, size_t{0}, size_t{1}, size_t{1}}) {
    sequences.push_back(model_->NewSequence(40));
    inputs.push_back({sequences.back().get(), memories[i].get(), outputs[i],
                      LogitsFor::kAll});
  }
  const auto together = model_->Forward(exec, inputs);
  ASSERT_EQ(together.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) ASSERT_EQ(together[i], want[i]);
}

// The configuration as transformers 4 wrote it says the same.
TEST_P(EncoderDecoderFolderTest, ReadsOldConfigurations) {
  const fs::path folder =
      fs::path(::testing::TempDir()) / ("old-" + std::string(GetParam()));
  fs::create_directories(folder);
  const fs::path from = kGolden / GetParam();
  const auto copy = fs::copy_options::overwrite_existing;
  fs::copy_file(from / "config_old.json", folder / "config.json", copy);
  fs::copy_file(from / "model.safetensors", folder / "model.safetensors", copy);
  const auto old =
      EncoderDecoder::Load(Checkpoint::Open(folder), Precision::kExact, pool_);
  Arena arena;
  Exec exec{pool_, arena, {}, nullptr};
  const auto ids = expected_.Ids("0.decoder_ids");
  const auto logits = [&](const EncoderDecoder& model) {
    const auto text = expected_.Ids("0.ids");
    const std::span<const int32_t> span = text;
    const auto memory = model.Encode(exec, {&span, 1});
    const auto sequence = model.NewSequence(40);
    const DecodeInput input = {sequence.get(), memory[0].get(), ids};
    const auto values = model.Forward(exec, {&input, 1});
    return std::vector<float>(values.begin(), values.end());
  };
  EXPECT_EQ(logits(*old), logits(*model_));
}

std::string NameOfTest(const ::testing::TestParamInfo<const char*>& info) {
  std::string name = info.param;
  std::erase(name, '-');
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
}
const auto kFolders = ::testing::Values("bart", "flan-t5", "m2m-100", "marian",
                                        "mbart", "mt5", "t5", "t5-32");
INSTANTIATE_TEST_SUITE_P(All, EncoderDecoderTest, kFolders, NameOfTest);
INSTANTIATE_TEST_SUITE_P(Gguf, EncoderDecoderTest,
                         ::testing::Values("flan-t5.gguf", "t5-32.gguf"),
                         NameOfTest);
INSTANTIATE_TEST_SUITE_P(All, EncoderDecoderFolderTest, kFolders, NameOfTest);

TEST(DistanceBuckets, EqualTorchs) {
  const auto tensors =
      formats::SafetensorsFile::Open(kGolden / "buckets.safetensors").tensors;
  const auto ints = [&](const std::string& name) {
    const Tensor& tensor = tensors.at(name);
    EXPECT_EQ(tensor.dtype, DType::kI32);
    const auto* values = reinterpret_cast<const int32_t*>(tensor.data.data());
    return std::vector<int32_t>(values, values + tensor.elements());
  };
  const auto distances = ints("distances");
  for (const auto& [count, farthest] :
       {std::pair{12, 20}, std::pair{10, 40}, std::pair{32, 128}}) {
    for (const bool both_ways : {true, false}) {
      const auto want =
          ints(std::string(both_ways ? "t5.encoder." : "t5.decoder.") +
               std::to_string(count) + "." + std::to_string(farthest));
      for (size_t i = 0; i < want.size(); ++i) {
        ASSERT_EQ(BucketOf(distances[i], {count, farthest, both_ways}), want[i])
            << count << " " << distances[i];
      }
    }
  }
}

}  // namespace
}  // namespace malmoi::models
