// Quantizing against gguf-py (tools/make_golden_quantize.py), bit by bit where
// its rounding is the reference; against llama.cpp's error where scales are
// searched for.
#include "kernels/quantize.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "kernels/unpack.h"

namespace malmoi::kernels {
namespace {

constexpr DType kTypes[] = {DType::kQ4_0, DType::kQ4_1, DType::kQ5_0,
                            DType::kQ5_1, DType::kQ8_0, DType::kQ4_K,
                            DType::kQ5_K, DType::kQ6_K, DType::kIQ4_NL};

using Rows = std::vector<std::vector<float>>;

// The rows of tools/make_golden_quantize.py: about normal, with outliers; the
// first eight are extreme.
Rows MakeRows(size_t count, size_t columns) {
  uint32_t state = 1;
  Rows rows(count, std::vector<float>(columns));
  for (size_t r = 0; r < count; ++r) {
    for (size_t c = 0; c < columns; ++c) {
      int total = 0;
      for (int i = 0; i < 4; ++i) {
        state = state * 1664525u + 1013904223u;
        total += static_cast<int>(state >> 16);
      }
      const float value = std::ldexp(static_cast<float>(total - 131070) / 65536,
                                     static_cast<int>(r % 16) - 12);
      rows[r][c] = r % 4 == 3 && c % 37 == 5 ? value * 8 : value;
      float& x = rows[r][c];
      if (r == 0) x = 0;
      if (r == 1) x = 1.5f;
      if (r == 2) x = -std::fabs(x) - 1;
      if (r == 3) x = std::fabs(x) + 1;
      if (r == 4) x = std::ldexp(x, 22);
      if (r == 5) x = std::ldexp(x, -14);
      if (r == 6) x = std::ldexp(x, -40);
      if (r == 7) x = c == 9 ? -3.0f : 0.0f;
    }
  }
  return rows;
}

std::vector<std::byte> Quantized(DType dtype, const std::vector<float>& row,
                                 const float* importance = nullptr) {
  std::vector<std::byte> out(*ByteSize(dtype, row.size()));
  QuantizeRow(dtype, row.data(), static_cast<int64_t>(row.size()), out.data(),
              importance);
  return out;
}

std::vector<float> Values(DType dtype, const std::vector<std::byte>& blocks,
                          size_t columns) {
  std::vector<float> out(columns);
  DequantizeRow(dtype, blocks.data(), static_cast<int64_t>(columns),
                out.data());
  return out;
}

const Json& Golden() {
  static const Json golden = ParseJson(
      ReadFile(MALMOI_SOURCE_DIR "/tests/golden/quantize/golden.json"),
      "golden.json");
  return golden;
}

TEST(Quantize, EqualsTheReferenceBitForBit) {
  int types = 0;
  for (const DType dtype : kTypes) {
    const std::string name(Info(dtype).name);
    if (!Golden()["blocks"].contains(name)) continue;
    ++types;
    const std::string want = Golden()["blocks"][name].get<std::string>();
    size_t at = 0;
    for (const auto& row : MakeRows(64, 32)) {
      std::string hex;
      for (const std::byte b : Quantized(dtype, row)) {
        hex += "0123456789abcdef"[static_cast<int>(b) >> 4];
        hex += "0123456789abcdef"[static_cast<int>(b) & 15];
      }
      EXPECT_EQ(hex, want.substr(at, hex.size()))
          << name << " row " << at / hex.size();
      at += hex.size();
    }
    EXPECT_EQ(at, want.size());
  }
  EXPECT_EQ(types, 5);
}

// Rows whose mean square is 1, without the extremes.
Rows NormalRows() {
  Rows rows = MakeRows(64, 1024);
  rows.erase(rows.begin(), rows.begin() + 8);
  for (auto& row : rows) {
    double sum = 0;
    for (float x : row) sum += static_cast<double>(x) * x;
    const float rms = static_cast<float>(std::sqrt(sum / 1024));
    for (float& x : row) x /= rms;
  }
  return rows;
}

template <typename F>
double RmsError(const Rows& rows, F&& approximate) {
  double sum = 0;
  for (const auto& row : rows) {
    const std::vector<float> back = approximate(row);
    for (size_t i = 0; i < row.size(); ++i) {
      sum += std::pow(static_cast<double>(back[i]) - row[i], 2);
    }
  }
  return std::sqrt(sum / static_cast<double>(rows.size() * rows[0].size()));
}

// Rounding to `levels` even steps, from the least to the largest element of a
// group or about zero: the plain way, with scales that take no space.
std::vector<float> Plain(const std::vector<float>& row, size_t group,
                         int levels, bool with_min) {
  std::vector<float> out(row.size());
  for (size_t at = 0; at < row.size(); at += group) {
    float low = 0, high = 0;
    for (size_t i = at; i < at + group; ++i) {
      low = std::min(low, row[i]);
      high = std::max(high, row[i]);
    }
    if (!with_min) high = std::max(high, -low);
    const float step = with_min ? (high - low) / static_cast<float>(levels - 1)
                                : high / static_cast<float>(levels / 2 - 1);
    const float base = with_min ? low : 0;
    for (size_t i = at; i < at + group; ++i) {
      out[i] = base + step * std::round((row[i] - base) / step);
    }
  }
  return out;
}

TEST(Quantize, SearchedScalesAreNoWorseThanPlainOnesAndThanLlamaCpp) {
  const Rows rows = NormalRows();
  for (const DType dtype : kTypes) {
    const std::string name(Info(dtype).name);
    const double error = RmsError(rows, [&](const std::vector<float>& row) {
      return Values(dtype, Quantized(dtype, row), row.size());
    });
    const double theirs = Golden()["error"][name].get<double>();
    EXPECT_LT(error, theirs * 1.01) << name;
  }
  const auto plain = [&](size_t group, int levels, bool with_min) {
    return RmsError(rows, [&](const std::vector<float>& row) {
      return Plain(row, group, levels, with_min);
    });
  };
  const auto ours = [&](DType dtype) {
    return RmsError(rows, [&](const std::vector<float>& row) {
      return Values(dtype, Quantized(dtype, row), row.size());
    });
  };
  EXPECT_LE(ours(DType::kQ4_K), plain(32, 16, true));
  EXPECT_LE(ours(DType::kQ5_K), plain(32, 32, true));
  EXPECT_LE(ours(DType::kQ6_K), plain(16, 64, false));
  EXPECT_LE(ours(DType::kIQ4_NL), plain(32, 16, false));
}

TEST(Quantize, EveryValueIsWithinAStep) {
  // The largest error as a share of the largest magnitude of the row.
  const std::map<DType, double> allowed = {
      {DType::kQ4_0, 1.0 / 8},   {DType::kQ4_1, 1.0 / 12},
      {DType::kQ5_0, 1.0 / 16},  {DType::kQ5_1, 1.0 / 28},
      {DType::kQ8_0, 1.0 / 200}, {DType::kQ4_K, 1.0 / 6},
      {DType::kQ5_K, 1.0 / 12},  {DType::kQ6_K, 1.0 / 16},
      {DType::kIQ4_NL, 1.0 / 5}};
  const Rows rows = MakeRows(64, 512);
  for (const auto& [dtype, share] : allowed) {
    for (size_t r = 0; r < rows.size(); ++r) {
      const auto back = Values(dtype, Quantized(dtype, rows[r]), 512);
      float largest = 0;
      for (float x : rows[r]) largest = std::max(largest, std::fabs(x));
      for (size_t i = 0; i < 512; ++i) {
        // Scales are halves: nothing below their least step is told apart.
        ASSERT_NEAR(back[i], rows[r][i], largest * share + 2e-4)
            << Info(dtype).name << " row " << r << " column " << i;
      }
    }
  }
}

TEST(Quantize, QuantizingAgainChangesNothing) {
  for (const DType dtype : {DType::kQ4_0, DType::kQ5_0, DType::kQ8_0}) {
    for (const auto& row : MakeRows(64, 256)) {
      const auto once = Quantized(dtype, row);
      const auto values = Values(dtype, once, row.size());
      const auto twice = Quantized(dtype, values);
      EXPECT_EQ(Values(dtype, twice, row.size()), values) << Info(dtype).name;
    }
  }
}

// What counts is approximated better at the cost of what does not.
TEST(Quantize, ImportanceShiftsTheError) {
  const Rows rows = NormalRows();
  std::vector<float> importance(1024);
  for (size_t i = 0; i < 1024; ++i) importance[i] = i % 4 == 0 ? 16.0f : 0.1f;
  const auto error = [&](DType dtype, const float* weights) {
    double sum = 0;
    for (const auto& row : rows) {
      const auto back = Values(dtype, Quantized(dtype, row, weights), 1024);
      for (size_t i = 0; i < 1024; i += 4) {
        sum += std::pow(static_cast<double>(back[i]) - row[i], 2);
      }
    }
    return sum;
  };
  for (const DType dtype :
       {DType::kQ4_K, DType::kQ5_K, DType::kQ6_K, DType::kIQ4_NL}) {
    EXPECT_LT(error(dtype, importance.data()), 0.95 * error(dtype, nullptr))
        << Info(dtype).name;
  }
}

}  // namespace
}  // namespace malmoi::kernels
