// What a tap is shown of attention, and the logits of any layer's stream,
// against transformers: every kind of mask, bias, cap and sink that there is.
// Values: tools/make_golden_inspect.py.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "formats/safetensors.h"
#include "models/decoder.h"
#include "models/encoder.h"
#include "models/encoder_decoder.h"
#include "models/testing/reference.h"

namespace malmoi::models {
namespace {

namespace fs = std::filesystem;

const fs::path kGolden = MALMOI_SOURCE_DIR "/tests/golden";
constexpr double kTolerance = 1e-4;

using Seen = std::map<std::string, std::vector<float>, std::less<>>;

class InspectTest : public ::testing::TestWithParam<const char*> {
 protected:
  InspectTest()
      : folder_(kGolden / GetParam()),
        expected_(folder_),
        values_(formats::SafetensorsFile::Open(
                    kGolden / "inspect" /
                    (folder_.filename().string() + ".safetensors"))
                    .tensors) {
    exec_.tap = [this](std::string_view name, std::span<const float> values,
                       int64_t, int64_t) {
      seen_[std::string(name)].assign(values.begin(), values.end());
    };
    exec_.tap.inputs = false;
    exec_.tap.attention = [](std::string_view) { return true; };
  }

  Checkpoint Open() const { return Checkpoint::Open(folder_); }
  std::string Key(const std::string& prompt, const std::string& name) const {
    return expected_.Has(prompt + name) ? prompt + name : name;
  }

  // `name` of the values: [layers that attend][heads][rows][positions]; shown
  // row by row with its heads.
  void Compare(const std::string& name, const std::string& prefix,
               const std::string& kind, int64_t layers) {
    std::vector<std::vector<float>> shown;
    for (int64_t i = 0; i < layers; ++i) {
      const auto it =
          seen_.find(prefix + "layer." + std::to_string(i) + "." + kind);
      if (it != seen_.end()) shown.push_back(it->second);
    }
    const auto found = values_.find(name);
    if (found == values_.end()) {
      EXPECT_TRUE(shown.empty());
      return;
    }
    const Tensor& tensor = found->second;
    const auto* values = reinterpret_cast<const float*>(tensor.data.data());
    const auto dim = [&](size_t k) { return tensor.shape[k]; };
    ASSERT_EQ(static_cast<int64_t>(shown.size()), dim(0));
    for (int64_t i = 0; i < dim(0); ++i) {
      const auto& own = shown[static_cast<size_t>(i)];
      ASSERT_EQ(static_cast<int64_t>(own.size()), dim(1) * dim(2) * dim(3));
      double worst = 0;
      for (int64_t h = 0; h < dim(1); ++h) {
        for (int64_t r = 0; r < dim(2); ++r) {
          for (int64_t p = 0; p < dim(3); ++p) {
            const auto at = static_cast<size_t>((r * dim(1) + h) * dim(3) + p);
            worst = std::max(
                worst, std::fabs(static_cast<double>(own[at] - *values++)));
          }
        }
      }
      EXPECT_LT(worst, kTolerance) << name << " " << i;
    }
  }

  fs::path folder_;
  Expected expected_;
  formats::TensorMap values_;
  ThreadPool pool_{2};
  Arena arena_;
  Exec exec_{pool_, arena_, {}, nullptr};
  Seen seen_;
};

class DecoderInspectTest : public InspectTest {};

TEST_P(DecoderInspectTest, AttentionAndLensEqualTheReference) {
  const auto decoder = Decoder::Load(Open(), Precision::kExact, pool_);
  const auto ids = expected_.Ids(Key("0.", "ids"));
  const auto count = static_cast<int64_t>(ids.size());
  auto sequence = decoder->NewSequence(count);
  const SequenceInput input = {sequence.get(), ids, LogitsFor::kAll};
  const auto forward = decoder->Forward(exec_, {&input, 1});
  const size_t vocab = static_cast<size_t>(decoder->spec().vocab_size);
  const std::vector<float> logits(forward.end() - static_cast<long>(vocab),
                                  forward.end());
  Compare("attention", "", "attention", decoder->spec().layers);

  const Tensor& lens = values_.at("lens");
  const auto* want = reinterpret_cast<const float*>(lens.data.data());
  const size_t width = static_cast<size_t>(decoder->spec().width);
  exec_.tap = {};
  for (int64_t i = 0; i <= decoder->spec().layers; ++i) {
    const auto& stream =
        i == 0 ? seen_.at("embedding")
               : seen_.at("layer." + std::to_string(i - 1) + ".output");
    const auto got = decoder->LogitsOf(exec_, std::span(stream).last(width));
    EXPECT_LT(Difference(got, {want + static_cast<size_t>(i) * vocab, vocab}),
              kTolerance)
        << "layer " << i;
    if (i == decoder->spec().layers) {  // the forward's own, to the bit
      EXPECT_TRUE(std::equal(got.begin(), got.end(), logits.begin()));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, DecoderInspectTest,
    ::testing::Values(
        "architectures/llama", "architectures/gemma3", "zoo/gpt2", "zoo/gemma2",
        "zoo/gpt_oss", "zoo/falcon-alibi", "zoo/falcon-new", "zoo/qwen2-window",
        "zoo/qwen3", "zoo/olmo2", "zoo/phi", "zoo/cohere2", "zoo/granite",
        "zoo/exaone4-hybrid", "zoo/gpt_neox", "zoo/olmoe", "zoo/lfm2",
        "zoo/stablelm-parallel", "zoo_state_space/falcon-h1",
        "zoo_state_space/granite-hybrid-attention", "zoo_state_space/mamba"));

class EncoderInspectTest : public InspectTest {};

TEST_P(EncoderInspectTest, AttentionEqualsTheReference) {
  const auto encoder = Encoder::Load(Open(), Precision::kExact, pool_);
  const auto ids = expected_.Ids("2.ids");
  const auto types = expected_.Has("2.types") ? expected_.Ids("2.types")
                                              : std::vector<int32_t>();
  const EncoderInput input = {ids, types};
  encoder->Forward(exec_, {&input, 1});
  Compare("attention", "", "attention", encoder->spec().layers);
}

INSTANTIATE_TEST_SUITE_P(
    All, EncoderInspectTest,
    ::testing::Values("zoo_encoders/bert", "zoo_encoders/distilbert",
                      "zoo_encoders/deberta-v2", "zoo_encoders/modernbert",
                      "zoo_encoders/mpnet", "zoo_encoders/nomic-bert",
                      "zoo_encoders/albert", "zoo_encoders/roberta"));

class EncoderDecoderInspectTest : public InspectTest {};

TEST_P(EncoderDecoderInspectTest, AttentionAndLogitsEqualTheReference) {
  const auto model = EncoderDecoder::Load(Open(), Precision::kExact, pool_);
  const auto ids = expected_.Ids("1.ids");
  const auto decoder_ids = expected_.Ids("1.decoder_ids");
  const std::span<const int32_t> text = ids;
  const auto memory = std::move(model->Encode(exec_, {&text, 1}).front());
  const auto sequence =
      model->NewSequence(static_cast<int64_t>(decoder_ids.size()));
  const DecodeInput input = {sequence.get(), memory.get(), decoder_ids,
                             LogitsFor::kAll};
  model->Forward(exec_, {&input, 1});
  const EncoderDecoderSpec& spec = model->spec();
  Compare("encoder", "encoder.", "attention", spec.encoder.layers);
  Compare("decoder", "decoder.", "attention", spec.decoder.layers);
  Compare("cross", "decoder.", "cross_attention", spec.decoder.layers);
  // Of the last layer's stream, what the model says.
  exec_.tap = {};
  const auto& stream = seen_.at(
      "decoder.layer." + std::to_string(spec.decoder.layers - 1) + ".output");
  EXPECT_LT(
      Difference(model->LogitsOf(exec_, stream), expected_.Floats("1.logits")),
      kTolerance);
}

INSTANTIATE_TEST_SUITE_P(
    All, EncoderDecoderInspectTest,
    ::testing::Values("zoo_seq2seq/t5", "zoo_seq2seq/flan-t5",
                      "zoo_seq2seq/bart", "zoo_seq2seq/marian",
                      "zoo_seq2seq/m2m-100", "zoo_seq2seq/mbart"));

}  // namespace
}  // namespace malmoi::models
