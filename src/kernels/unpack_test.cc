// Dequantizing against gguf-py (tools/make_golden_dequant.py), bit by bit.
#include "kernels/unpack.h"

#include <gtest/gtest.h>

#include <cmath>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "base/sha256.h"

namespace malmoi::kernels {
namespace {

DType Named(const std::string& name) {
  for (int i = 0; i <= static_cast<int>(DType::kBool); ++i) {
    if (Info(static_cast<DType>(i)).name == name) return static_cast<DType>(i);
  }
  ADD_FAILURE() << name;
  return DType::kF32;
}

std::vector<std::byte> FromHex(const std::string& hex) {
  std::vector<std::byte> bytes;
  for (size_t i = 0; i < hex.size(); i += 2) {
    bytes.push_back(
        static_cast<std::byte>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

TEST(Dequantize, EqualsTheReferenceBitForBit) {
  const Json golden =
      ParseJson(ReadFile(MALMOI_SOURCE_DIR "/tests/golden/dequant/blocks.json"),
                "blocks.json");
  EXPECT_EQ(golden.size(), 15u);
  for (const auto& [name, item] : golden.items()) {
    const DType dtype = Named(name);
    const auto blocks = FromHex(item["blocks"].get<std::string>());
    std::vector<float> values(1024);
    DequantizeRow(dtype, blocks.data(), 1024, values.data());
    for (float& value : values) value += 0.0f;  // -0 becomes 0
    for (size_t i = 0; i < 4; ++i) {
      EXPECT_EQ(values[i], item["first"][i].get<float>()) << name << " " << i;
    }
    EXPECT_EQ(Sha256Hex(std::as_bytes(std::span(values))),
              item["sha256"].get<std::string>())
        << name;
    if (!IsQuantized(dtype)) continue;
    // Codes, scales and mins say the same.
    const DTypeInfo& info = Info(dtype);
    const int group = GroupSize(dtype), zero = ZeroPoint(dtype);
    for (int k = 0; k < 1024; k += info.block_elements) {
      CodeBlock block;
      UnpackBlock(dtype,
                  blocks.data() + k / info.block_elements * info.block_bytes,
                  block);
      for (int i = 0; i < info.block_elements; ++i) {
        const float scale =
            block.d * static_cast<float>(block.scales[i / group]);
        const float min =
            zero >= 0 ? -static_cast<float>(zero) * scale
                      : -block.dmin * static_cast<float>(block.mins[i / group]);
        EXPECT_EQ(
            std::fma(scale, static_cast<float>(block.codes[i]), min) + 0.0f,
            values[static_cast<size_t>(k + i)])
            << name << " " << k + i;
      }
    }
  }
}

// Half of 2^(scale - 127).
TEST(Dequantize, ScalesOfMxfp4ArePowersOfTwo) {
  for (int scale = 0; scale < 255; ++scale) {
    const float value = Mxfp4Scale(static_cast<uint8_t>(scale));
    EXPECT_EQ(value, std::ldexp(1.0f, scale - 128)) << scale;
    EXPECT_EQ(Mxfp4ScaleFitsHalf(static_cast<uint8_t>(scale)),
              HalfToFloat(FloatToHalf(value)) == value)
        << scale;
  }
  EXPECT_TRUE(std::isnan(Mxfp4Scale(255)));
}

}  // namespace
}  // namespace malmoi::kernels
