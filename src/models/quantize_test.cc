// Which tensor gets which type, by llama.cpp's rules as its file of a 16-layer
// model shows them, and what a quantized file holds.
#include "models/quantize.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <map>
#include <set>
#include <string>

#include "base/error.h"
#include "formats/testing/gguf_writer.h"

namespace malmoi::models {
namespace {

namespace fs = std::filesystem;

std::shared_ptr<const formats::GgufFile> Toy(int layers, int64_t width,
                                             bool tied, int experts = 0) {
  formats::GgufWriter writer;
  writer.String("general.architecture", "toy");
  writer.U32("toy.block_count", static_cast<uint32_t>(layers));
  if (experts > 0) {
    writer.U32("toy.expert_count", static_cast<uint32_t>(experts));
  }
  const auto matrix = [&](const std::string& name) {
    writer.F32Tensor(name, {2, width},
                     std::vector<float>(static_cast<size_t>(2 * width), 0.5f));
  };
  matrix("token_embd.weight");
  if (!tied) matrix("output.weight");
  for (int i = 0; i < layers; ++i) {
    const std::string layer = "blk." + std::to_string(i) + ".";
    for (const char* name :
         {"attn_q", "attn_k", "attn_v", "attn_output", "ffn_down", "ffn_up",
          "ffn_gate_inp", "attn_norm"}) {
      matrix(layer + name + ".weight");
    }
    writer.F32Tensor(layer + "attn_q.bias", {4}, {1, 2, 3, 4});
  }
  auto bytes = std::make_shared<std::string>(writer.Finish());
  return formats::GgufFile::Parse(
      {reinterpret_cast<const std::byte*>(bytes->data()), bytes->size()}, bytes,
      "toy");
}

std::map<std::string, DType> Types(const formats::GgufFile& file,
                                   const char* type) {
  std::map<std::string, DType> types;
  for (const auto& tensor : PlanQuantize(file, FindQuantizeType(type)).tensors)
    types[tensor.name] = tensor.dtype;
  return types;
}

std::set<int> LayersWith(const std::map<std::string, DType>& types,
                         const std::string& name, DType dtype) {
  std::set<int> layers;
  for (int i = 0; i < 16; ++i) {
    const std::string key = "blk." + std::to_string(i) + "." + name + ".weight";
    if (types.at(key) == dtype) layers.insert(i);
  }
  return layers;
}

TEST(Quantize, MixturesSpendBitsAsLlamaCppDoes) {
  const auto file = Toy(16, 256, false);
  // The first and the last two of 16, and every third between.
  const std::set<int> more = {0, 1, 4, 7, 10, 13, 14, 15};
  auto types = Types(*file, "Q4_K_M");
  EXPECT_EQ(LayersWith(types, "attn_v", DType::kQ6_K), more);
  EXPECT_EQ(LayersWith(types, "ffn_down", DType::kQ6_K), more);
  EXPECT_EQ(LayersWith(types, "attn_q", DType::kQ4_K).size(), 16u);
  EXPECT_EQ(LayersWith(types, "ffn_gate_inp", DType::kF32).size(), 16u);
  EXPECT_EQ(LayersWith(types, "attn_norm", DType::kF32).size(), 16u);
  EXPECT_EQ(types["output.weight"], DType::kQ6_K);
  EXPECT_EQ(types["token_embd.weight"], DType::kQ4_K);
  EXPECT_EQ(types["blk.3.attn_q.bias"], DType::kF32);

  types = Types(*file, "Q4_K_S");
  EXPECT_EQ(LayersWith(types, "attn_v", DType::kQ5_K),
            (std::set<int>{0, 1, 2, 3}));
  EXPECT_EQ(LayersWith(types, "ffn_down", DType::kQ5_K), (std::set<int>{0, 1}));
  types = Types(*file, "Q5_K_M");
  EXPECT_EQ(LayersWith(types, "attn_v", DType::kQ6_K), more);
  EXPECT_EQ(LayersWith(types, "ffn_up", DType::kQ5_K).size(), 16u);
  types = Types(*file, "Q5_K_S");
  EXPECT_EQ(LayersWith(types, "ffn_down", DType::kQ5_K).size(), 16u);
  EXPECT_EQ(Types(*Toy(16, 256, true), "Q4_K_S")["token_embd.weight"],
            DType::kQ6_K);
  types = Types(*Toy(16, 256, false, 8), "Q4_K_M");
  EXPECT_EQ(LayersWith(types, "attn_v", DType::kQ8_0).size(), 16u);
  EXPECT_EQ(LayersWith(types, "attn_output", DType::kQ5_K).size(), 16u);
}

TEST(Quantize, RowsThatAreNoWholeBlocksGetAnotherType) {
  const auto file = Toy(16, 96, true);
  const QuantizePlan plan = PlanQuantize(*file, FindQuantizeType("q4_k_m"));
  ASSERT_EQ(plan.fallbacks.size(), 2u);
  for (const Fallback& fallback : plan.fallbacks) {
    const bool four = fallback.chosen == DType::kQ4_K;
    EXPECT_EQ(fallback.used, four ? DType::kQ5_0 : DType::kQ8_0);
    EXPECT_EQ(fallback.tensors, four ? 4 * 16 + 16 : 16);
  }
  EXPECT_EQ(Types(*file, "Q5_K")["blk.0.attn_q.weight"], DType::kQ5_1);
  EXPECT_EQ(Types(*Toy(1, 48, true), "Q4_0")["blk.0.attn_q.weight"],
            DType::kF16);
  EXPECT_THROW(FindQuantizeType("Q3"), Error);
}

}  // namespace
}  // namespace malmoi::models
