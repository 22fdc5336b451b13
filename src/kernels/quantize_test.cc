// Quantizing against gguf-py (tools/make_golden_quantize.py), bit by bit where
// its rounding is the reference; against llama.cpp's error where scales are
// searched for.
#include "kernels/quantize.h"

#include <gtest/gtest.h>

#include <algorithm>
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

constexpr DType kImportant[] = {DType::kQ4_0, DType::kQ4_1,  DType::kQ5_0,
                                DType::kQ5_1, DType::kQ4_K,  DType::kQ5_K,
                                DType::kQ6_K, DType::kIQ4_NL};

double WeightedError(DType dtype, const std::vector<float>& row,
                     const std::vector<float>& importance, bool given) {
  const auto back =
      Values(dtype, Quantized(dtype, row, given ? importance.data() : nullptr),
             row.size());
  double sum = 0;
  for (size_t i = 0; i < row.size(); ++i) {
    sum += static_cast<double>(importance[i]) *
           std::pow(static_cast<double>(back[i]) - row[i], 2);
  }
  return sum;
}

// As tools/make_golden_quantize.py has it.
std::vector<float> Importance(size_t columns) {
  std::vector<float> importance(columns);
  for (size_t i = 0; i < columns; ++i) {
    importance[i] = std::ldexp(1.0f, static_cast<int>(i * 7 % 9) - 4);
  }
  return importance;
}

TEST(Quantize, WithImportanceIsNoWorseThanLlamaCpp) {
  const Rows rows = NormalRows();
  const std::vector<float> importance = Importance(1024);
  for (const DType dtype : kImportant) {
    const std::string name(Info(dtype).name);
    double sum = 0, plain = 0;
    for (const auto& row : rows) {
      sum += WeightedError(dtype, row, importance, true);
      plain += WeightedError(dtype, row, importance, false);
    }
    const double count = 1024.0 * static_cast<double>(rows.size());
    EXPECT_LT(std::sqrt(sum / count),
              Golden()["important_error"][name].get<double>() * 1.01)
        << name;
    // What counts is approximated better at the cost of what does not.
    EXPECT_LT(sum, 0.9 * plain) << name;
  }
}

// Rows of every kind, the extremes too, and importance with outliers and
// columns that never see an input.
TEST(Quantize, ImportanceNeverMakesTheWeightedErrorLarger) {
  const Rows rows = MakeRows(64, 512);
  uint32_t state = 7;
  int better = 0;
  for (const auto& row : rows) {
    std::vector<float> importance(row.size());
    for (float& value : importance) {
      state = state * 1664525u + 1013904223u;
      const int power = static_cast<int>(state >> 27);  // 0 to 31
      value = power < 4 ? 0 : std::ldexp(1.0f, power - 20);
    }
    for (const DType dtype : kImportant) {
      const double with = WeightedError(dtype, row, importance, true);
      const double without = WeightedError(dtype, row, importance, false);
      // Blocks are compared in f32.
      EXPECT_LE(with, without * (1 + 1e-5)) << Info(dtype).name;
      better += with < 0.99 * without ? 1 : 0;
    }
  }
  EXPECT_GT(better, 400);  // of 512
}

TEST(Quantize, EqualImportanceIsNone) {
  const std::vector<float> equal(512, 0.25f), nothing(512, 0.0f);
  std::vector<float> halves(512, 0.0f);
  std::fill(halves.begin(), halves.begin() + 256, 1.0f);
  for (const auto& row : MakeRows(64, 512)) {
    for (const DType dtype : kTypes) {
      const auto plain = Quantized(dtype, row);
      EXPECT_EQ(Quantized(dtype, row, equal.data()), plain);
      EXPECT_EQ(Quantized(dtype, row, nothing.data()), plain);
      // Where all inputs are zero no error counts: such blocks stay plain.
      const auto half = Quantized(dtype, row, halves.data());
      EXPECT_TRUE(std::equal(half.begin() + half.size() / 2, half.end(),
                             plain.begin() + plain.size() / 2));
    }
  }
}

TEST(Quantize, ImportanceIsIgnoredWhereNothingIsSearchedFor) {
  const std::vector<float> importance = Importance(256);
  EXPECT_FALSE(UsesImportance(DType::kF16));
  EXPECT_FALSE(UsesImportance(DType::kQ8_0));
  for (const DType dtype : kImportant) EXPECT_TRUE(UsesImportance(dtype));
  for (const auto& row : MakeRows(64, 256)) {
    EXPECT_EQ(Quantized(DType::kQ8_0, row, importance.data()),
              Quantized(DType::kQ8_0, row));
  }
}

}  // namespace
}  // namespace malmoi::kernels
