// FP8 folders against torch. Values: tools/make_golden_fp8.py.
#include "models/fp8.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>

#include "models/convert_folder.h"
#include "models/decoder.h"
#include "models/decoder_plan.h"
#include "models/testing/reference.h"

namespace malmoi::models {
namespace {

namespace fs = std::filesystem;

class Fp8Test : public ::testing::TestWithParam<const char*> {
 protected:
  const fs::path folder_ =
      fs::path(MALMOI_SOURCE_DIR "/tests/golden/fp8") / GetParam();
};

TEST_P(Fp8Test, MatricesAreTorchsBitForBit) {
  const Checkpoint checkpoint = Checkpoint::Open(folder_);
  const auto wanted =
      formats::SafetensorsFile::Open(folder_ / "expected.safetensors").tensors;
  int seen = 0;
  for (const auto& [name, tensor] : wanted) {
    if (tensor.dtype != DType::kBF16) continue;
    std::string problem;
    const Tensor got = DequantizeFp8(
        checkpoint, name, checkpoint.tensors().find(name)->second, problem);
    EXPECT_EQ(problem, "");
    ASSERT_EQ(got.data.size(), tensor.data.size());
    EXPECT_EQ(
        std::memcmp(got.data.data(), tensor.data.data(), tensor.data.size()), 0)
        << name;
    ++seen;
  }
  EXPECT_EQ(seen, 2);
}

// A folder without FP8 holds the same numbers.
TEST_P(Fp8Test, ConvertedMatricesAreTorchsToo) {
  const fs::path folder =
      fs::path(::testing::TempDir()) / (std::string("from-fp8-") + GetParam());
  fs::remove_all(folder);
  ConvertToFolder(Checkpoint::Open(folder_), folder, {});
  const Checkpoint converted = Checkpoint::Open(folder);
  EXPECT_FALSE(converted.folder->config.contains("quantization_config"));
  const auto wanted =
      formats::SafetensorsFile::Open(folder_ / "expected.safetensors").tensors;
  int seen = 0;
  for (const auto& [name, tensor] : wanted) {
    if (tensor.dtype != DType::kBF16) continue;
    const Tensor& got = converted.tensors().find(name)->second;
    ASSERT_EQ(got.data.size(), tensor.data.size());
    EXPECT_EQ(
        std::memcmp(got.data.data(), tensor.data.data(), tensor.data.size()), 0)
        << name;
    ++seen;
  }
  EXPECT_EQ(seen, 2);
  for (const auto& [name, tensor] : converted.tensors()) {
    EXPECT_EQ(name.find("scale"), std::string::npos) << name;
  }
  fs::remove_all(folder);
}

TEST_P(Fp8Test, LogitsAreTransformers) {
  const Expected expected(folder_);
  ThreadPool pool(2);
  const Checkpoint checkpoint = Checkpoint::Open(folder_);
  const auto decoder = Decoder::Load(checkpoint, Precision::kExact, pool);
  const std::vector<int32_t> ids = expected.Ids("ids");
  Arena arena;
  Exec exec{pool, arena, {}, nullptr};
  const auto sequence = decoder->NewSequence(64);
  const SequenceInput input = {sequence.get(), ids, LogitsFor::kAll};
  EXPECT_LT(Difference(decoder->Forward(exec, {&input, 1}),
                       expected.Floats("logits")),
            1e-4);
  // What is planned is what is loaded.
  EXPECT_EQ(Decoder::Load(checkpoint, Precision::kFast, pool)->weight_bytes(),
            PlanDecoder(checkpoint).packed_bytes());
}

INSTANTIATE_TEST_SUITE_P(All, Fp8Test,
                         ::testing::Values("blocks", "cut-blocks", "channels",
                                           "tensors"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::erase(name, '-');
                           return name;
                         });

TEST(Fp8, ScalesThatDoNotFitAreAProblem) {
  const Checkpoint checkpoint =
      Checkpoint::Open(MALMOI_SOURCE_DIR "/tests/golden/fp8/blocks");
  const std::string name = "model.layers.0.self_attn.k_proj.weight";
  Tensor tensor = checkpoint.tensors().find(name)->second;
  std::string problem;
  DequantizeFp8(checkpoint, "other", tensor, problem);
  EXPECT_EQ(problem, "other_scale_inv is missing");
  tensor.shape = {tensor.shape[0] / 2 - 1, 66};
  DequantizeFp8(checkpoint, name, tensor, problem);
  EXPECT_NE(problem.find("expected one for"), std::string::npos);
}

}  // namespace
}  // namespace malmoi::models
