// Experts in MXFP4: the two ways in which files have them are one model, and a
// scale that panels cannot hold is not rounded.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "models/decoder.h"
#include "models/packed_cache.h"
#include "models/testing/reference.h"

namespace malmoi::models {
namespace {

namespace fs = std::filesystem;

const fs::path kModel = MALMOI_SOURCE_DIR "/tests/golden/zoo/gpt_oss-mxfp4";

struct Loaded {
  std::vector<float> logits;
  size_t weight_bytes;
  int64_t parameters;
};

Loaded Load(const fs::path& path, Precision precision,
            PackedCache* cache = nullptr) {
  ThreadPool pool(2);
  Arena arena;
  Exec exec{pool, arena, {}, nullptr};
  const auto decoder =
      Decoder::Load(Checkpoint::Open(path), precision, pool, cache);
  const auto sequence = decoder->NewSequence(64);
  const std::vector<int32_t> ids = Expected(kModel).Ids("2.ids");
  const SequenceInput input = {sequence.get(), ids, LogitsFor::kAll};
  const auto logits = decoder->Forward(exec, {&input, 1});
  return {{logits.begin(), logits.end()},
          decoder->weight_bytes(),
          decoder->parameters()};
}

TEST(Mxfp4, ScalesApartOrInBlocksAreTheSameWeights) {
  const Loaded folder = Load(kModel, Precision::kFast);
  const Loaded file = Load(kModel / "model.gguf", Precision::kFast);
  EXPECT_EQ(folder.logits, file.logits);
  EXPECT_EQ(folder.parameters, file.parameters);
  // 8-bit activations move logits a little.
  EXPECT_LT(Difference(folder.logits, Expected(kModel).Floats("2.logits")),
            0.05);
}

class WideScaleTest : public ::testing::Test {
 protected:
  // The model with one scale of an expert set to 2^-67.
  WideScaleTest()
      : folder_(fs::temp_directory_path() /
                ("malmoi_mxfp4_" + std::to_string(getpid()))) {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    fs::copy_file(kModel / "config.json", folder_ / "config.json");
    std::string bytes = ReadFile(kModel / "model.safetensors");
    const auto file =
        formats::SafetensorsFile::Open(kModel / "model.safetensors");
    const Tensor& scales =
        file.tensors.at("model.layers.0.mlp.experts.down_proj_scales");
    const std::string_view part(
        reinterpret_cast<const char*>(scales.data.data()), scales.data.size());
    const size_t at = bytes.find(part);
    EXPECT_NE(at, std::string::npos);
    bytes[at + 5] = 60;
    std::ofstream(folder_ / "model.safetensors", std::ios::binary) << bytes;
  }
  ~WideScaleTest() override { fs::remove_all(folder_); }

  fs::path folder_;
};

TEST_F(WideScaleTest, IsKeptExactly) {
  const Loaded before = Load(kModel, Precision::kFast);
  const Loaded fast = Load(folder_, Precision::kFast);
  // One matrix of [64, 32] has 32 bits a weight, the others 5.5.
  EXPECT_EQ(fast.weight_bytes - before.weight_bytes, 64u * 32u * 53u / 16u);
  EXPECT_LT(Difference(fast.logits, Load(folder_, Precision::kExact).logits),
            0.05);
}

TEST_F(WideScaleTest, IsFoundInPackedFilesToo) {
  const PackedCacheOptions options = {.folder = folder_ / "packed"};
  std::vector<float> first;
  {
    PackedCache cache(options);
    first = Load(folder_, Precision::kFast, &cache).logits;
    cache.Finish();
  }
  ASSERT_FALSE(fs::is_empty(options.folder));
  PackedCache cache(options);
  EXPECT_EQ(Load(folder_, Precision::kFast, &cache).logits, first);
}

}  // namespace
}  // namespace malmoi::models
