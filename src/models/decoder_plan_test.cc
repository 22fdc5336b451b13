// Plans from headers against what loading really packs, from GGUF and from
// Hugging Face folders: each way that tensors lie there, experts included.
#include "models/decoder_plan.h"

#include <gtest/gtest.h>

#include "models/decoder.h"

namespace malmoi::models {
namespace {

namespace fs = std::filesystem;

const fs::path kGolden = MALMOI_SOURCE_DIR "/tests/golden";

class DecoderPlanTest : public ::testing::TestWithParam<const char*> {};

TEST_P(DecoderPlanTest, IsWhatALoadPacks) {
  ThreadPool pool(1);
  for (const fs::path& path :
       {kGolden / GetParam(), kGolden / GetParam() / "model.gguf"}) {
    SCOPED_TRACE(path.string());
    if (!fs::exists(path)) continue;  // llama.cpp has no names for it
    const Checkpoint checkpoint = Checkpoint::Open(path);
    const DecoderPlan plan = PlanDecoder(checkpoint);
    const auto decoder = Decoder::Load(checkpoint, Precision::kFast, pool);
    EXPECT_EQ(plan.packed_bytes(), decoder->weight_bytes());
    EXPECT_EQ(plan.spec.vocab_size, decoder->spec().vocab_size);
    EXPECT_EQ(plan.spec.tied_head, decoder->spec().tied_head);
    EXPECT_EQ(plan.kv.bytes(64), decoder->NewSequence(64)->shape().bytes(64));
  }
}

// A folder's tensors get the types that those of a GGUF file get.
TEST_P(DecoderPlanTest, QuantizesFoldersAsItDoesFiles) {
  const Checkpoint folder = Checkpoint::Open(kGolden / GetParam());
  const fs::path gguf = kGolden / GetParam() / "model.gguf";
  if (!fs::exists(gguf)) return;
  const Checkpoint file = Checkpoint::Open(gguf);
  for (const char* name : {"Q8_0", "Q4_0", "Q4_K_M"}) {
    const QuantizeType& type = FindQuantizeType(name);
    const DecoderPlan a = PlanDecoder(folder, &type);
    const DecoderPlan b = PlanDecoder(file, &type);
    EXPECT_EQ(a.packed_bytes(), b.packed_bytes()) << name;
    ASSERT_EQ(a.matrices.size(), b.matrices.size());
    for (size_t i = 0; i < a.matrices.size(); ++i) {
      EXPECT_EQ(a.matrices[i].dtype, b.matrices[i].dtype) << name << " " << i;
      EXPECT_EQ(a.matrices[i].rows, b.matrices[i].rows);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, DecoderPlanTest,
    ::testing::Values("architectures/llama", "architectures/phi3",
                      "architectures/phi3-longrope", "architectures/gemma3",
                      "zoo/gpt2", "zoo/mixtral", "zoo/olmoe", "zoo/qwen2_moe",
                      "zoo/qwen2_moe-mixed", "zoo/qwen3_moe", "zoo/granitemoe",
                      "zoo/gpt_oss", "zoo/lfm2", "zoo_state_space/falcon-h1",
                      "zoo_state_space/granite-hybrid-experts",
                      "zoo_state_space/falcon-mamba",
                      "zoo_state_space/granite-hybrid", "zoo_state_space/mamba",
                      "zoo_state_space/mamba2"));

}  // namespace
}  // namespace malmoi::models
