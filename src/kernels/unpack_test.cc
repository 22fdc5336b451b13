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
  EXPECT_EQ(golden.size(), 14u);
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
    const size_t group = static_cast<size_t>(GroupSize(dtype));
    std::vector<uint8_t> codes(1024);
    std::vector<float> scales(1024 / group), mins(1024 / group);
    UnpackRow(dtype, blocks.data(), 1024, codes.data(), scales.data(),
              mins.data());
    for (size_t i = 0; i < 1024; ++i) {
      EXPECT_EQ(std::fma(scales[i / group], static_cast<float>(codes[i]),
                         mins[i / group]) +
                    0.0f,
                values[i])
          << name << " " << i;
      if (ZeroPoint(dtype) >= 0) {
        EXPECT_EQ(mins[i / group],
                  -static_cast<float>(ZeroPoint(dtype)) * scales[i / group]);
      }
    }
  }
}

}  // namespace
}  // namespace malmoi::kernels
