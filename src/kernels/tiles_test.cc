// The steps in tiles against their definitions in double.
#include "kernels/tiles.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "base/random.h"
#include "kernels/kernels.h"
#include "kernels/testing/panels.h"

namespace malmoi::kernels {
namespace {

constexpr double kHalfStep = 1.0 / 256;  // of a bf16, over its value

class TilesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const KernelTable* table : AllKernels()) {
      if (table->tiles != nullptr) tiles_ = table->tiles;
    }
    if (tiles_ == nullptr) GTEST_SKIP() << "no tiles of bf16 here";
  }

  std::vector<uint16_t> Rows(int64_t count, float size) {
    std::vector<uint16_t> rows(static_cast<size_t>(count));
    for (uint16_t& value : rows) value = FloatToBF16(Uniform(random_) * size);
    return rows;
  }

  Random random_{21};
  const TileKernels* tiles_ = nullptr;
};

TEST_F(TilesTest, FinishingFollowsItsFormula) {
  constexpr int64_t kRows = 3, kStride = 80, kOut = 90;
  std::vector<float> values(kRows * kStride), bias(kStride);
  for (float& value : values) value = Uniform(random_) * 6;
  for (float& value : bias) value = Uniform(random_);
  for (const int64_t count : {1, 16, 31, 64, 77}) {
    for (const bool gelu : {false, true}) {
      for (const bool has_bias : {false, true}) {
        std::vector<uint16_t> out(kRows * kOut, 7);
        const float scale = gelu ? 1.0f : 0.3f;
        tiles_->finish({.values = values.data(),
                        .stride = kStride,
                        .rows = kRows,
                        .count = count,
                        .bias = has_bias ? bias.data() : nullptr,
                        .scale = scale,
                        .gelu = gelu,
                        .out = out.data(),
                        .out_stride = kOut});
        for (int64_t i = 0; i < kRows * kOut; ++i) {
          const int64_t r = i / kOut, k = i % kOut;
          if (k >= count) {
            ASSERT_EQ(out[static_cast<size_t>(i)], 7);
            continue;
          }
          double x =
              static_cast<double>(values[static_cast<size_t>(r * kStride + k)]);
          if (has_bias) x += static_cast<double>(bias[static_cast<size_t>(k)]);
          const double want =
              gelu ? x * (1 + std::erf(x / std::numbers::sqrt2)) / 2
                   : x * static_cast<double>(scale);
          const double off = gelu ? 2e-5 + 4e-5 * std::fabs(x) : 1e-6;
          ASSERT_NEAR(BF16ToFloat(out[static_cast<size_t>(i)]), want,
                      kHalfStep * std::fabs(want) + off);
        }
      }
    }
  }
}

// Columns around the sizes of vectors; something added first, or not.
TEST_F(TilesTest, NormFollowsItsFormula) {
  constexpr int64_t kRows = 3;
  for (const int64_t columns : {1, 15, 32, 33, 100, 384}) {
    const auto size = static_cast<size_t>(kRows * columns);
    std::vector<float> x(size), add(size), bias(size), weight(size);
    for (auto* each : {&x, &add, &bias, &weight}) {
      for (float& value : *each) value = Uniform(random_) * 3;
    }
    std::vector<float> first = x, second = x;
    std::vector<uint16_t> out(size), other(size);
    Norming in = {.x = first.data(),
                  .rows = kRows,
                  .columns = columns,
                  .weight = weight.data(),
                  .bias = bias.data(),
                  .epsilon = 1e-5f,
                  .out = out.data(),
                  .add = add.data(),
                  .add_stride = columns,
                  .add_bias = weight.data()};
    tiles_->norm(in);
    // One after the other: the same bits.
    for (int64_t r = 0; r < kRows; ++r) {
      Kernels().add_two(second.data() + r * columns, add.data() + r * columns,
                        weight.data(), columns);
    }
    std::vector<double> sums(second.begin(), second.end());
    in.x = second.data();
    in.out = other.data();
    in.add = in.add_bias = nullptr;
    tiles_->norm(in);
    EXPECT_EQ(first, second);
    EXPECT_EQ(out, other);
    for (int64_t r = 0; r < kRows; ++r) {
      const double* row = sums.data() + r * columns;
      double mean = 0, variance = 0;
      for (int64_t k = 0; k < columns; ++k) mean += row[k] / columns;
      for (int64_t k = 0; k < columns; ++k) {
        variance += (row[k] - mean) * (row[k] - mean) / columns;
      }
      for (int64_t k = 0; k < columns; ++k) {
        const auto i = static_cast<size_t>(r * columns + k);
        const double want = (row[k] - mean) / std::sqrt(variance + 1e-5) *
                                static_cast<double>(weight[k]) +
                            static_cast<double>(bias[k]);
        ASSERT_NEAR(first[i], want, 2e-5) << columns;
        ASSERT_NEAR(BF16ToFloat(out[i]), first[i],
                    kHalfStep * std::fabs(first[i]));
      }
    }
  }
}

// Texts around the sizes of tiles, with what is no number behind them; with a
// bias by distance and without.
TEST_F(TilesTest, AttentionIsTheWeightedMeanOfValues) {
  constexpr int64_t kHeads = 3;
  for (const int64_t dim : {32, 64, 128}) {
    for (const int64_t rows : {1, 2, 15, 16, 17, 31, 32, 33, 47, 64, 131}) {
      const int64_t columns = kHeads * dim, size = (rows + 31) * columns;
      std::vector<uint16_t> queries = Rows(size, 1.5f), keys = Rows(size, 1.0f),
                            values = Rows(size, 2.0f);
      for (auto* behind : {&queries, &keys, &values}) {
        std::fill(behind->begin() + rows * columns, behind->end(),
                  uint16_t{0x7fc0});
      }
      const int64_t stride = 2 * rows - 1;
      std::vector<float> bias(static_cast<size_t>(kHeads * stride));
      for (float& value : bias) value = Uniform(random_);
      std::vector<std::byte> memory(TextAttentionScratch(rows, dim) + 64);
      const size_t past = reinterpret_cast<uintptr_t>(memory.data()) % 64;
      for (const bool has_bias : {false, true}) {
        std::vector<uint16_t> out(static_cast<size_t>(rows * columns));
        TextAttention in = {.queries = queries.data(),
                            .keys = keys.data(),
                            .values = values.data(),
                            .stride = columns,
                            .rows = rows,
                            .heads = kHeads,
                            .head_dim = dim,
                            .bias = has_bias ? bias.data() + rows - 1 : nullptr,
                            .bias_stride = stride,
                            .out = out.data(),
                            .out_stride = columns,
                            .scratch = memory.data() + 64 - past};
        tiles_->attend(in);
        const auto at = [&](const std::vector<uint16_t>& from, int64_t row,
                            int64_t head, int64_t d) {
          return static_cast<double>(BF16ToFloat(
              from[static_cast<size_t>(row * columns + head * dim + d)]));
        };
        for (int64_t head = 0; head < kHeads; ++head) {
          for (int64_t q = 0; q < rows; ++q) {
            std::vector<double> weights;
            double total = 0;
            for (int64_t j = 0; j < rows; ++j) {
              double score = 0;
              for (int64_t d = 0; d < dim; ++d) {
                score += at(queries, q, head, d) * at(keys, j, head, d);
              }
              if (has_bias) {
                score += static_cast<double>(bias[static_cast<size_t>(
                    head * stride + rows - 1 + j - q)]);
              }
              weights.push_back(std::exp2(score));
              total += weights.back();
            }
            for (int64_t d = 0; d < dim; ++d) {
              double sum = 0, most = 0;
              for (int64_t j = 0; j < rows; ++j) {
                const double value = at(values, j, head, d);
                sum += weights[static_cast<size_t>(j)] / total * value;
                most = std::max(most, std::fabs(value));
              }
              // Each weight, their sum and the result are rounded.
              ASSERT_NEAR(at(out, q, head, d), sum, 3.1 * kHalfStep * most)
                  << dim << " " << rows << " " << q << " " << d;
            }
          }
        }
        // Heads are apart.
        std::vector<uint16_t> one(out.size());
        in.queries += dim;
        in.keys += dim;
        in.values += dim;
        if (has_bias) in.bias += stride;
        in.heads = 1;
        in.out = one.data() + dim;
        tiles_->attend(in);
        for (int64_t i = 0; i < rows * columns; ++i) {
          if (i % columns / dim != 1) continue;
          ASSERT_EQ(one[static_cast<size_t>(i)], out[static_cast<size_t>(i)]);
        }
      }
    }
  }
}

// The largest of far scores takes all.
TEST_F(TilesTest, LargeScoresChooseOneValue) {
  constexpr int64_t kDim = 32, kRows = 40;
  std::vector<uint16_t> queries((kRows + 31) * kDim),
      keys = Rows((kRows + 31) * kDim, 0.01f),
      values = Rows((kRows + 31) * kDim, 1.0f), out(kRows * kDim);
  for (int64_t d = 0; d < kDim; ++d) {
    keys[static_cast<size_t>(17 * kDim + d)] = FloatToBF16(1.0f);
    for (int64_t r = 0; r < kRows; ++r) {
      queries[static_cast<size_t>(r * kDim + d)] = FloatToBF16(1e4f);
    }
  }
  alignas(64) std::byte scratch[TextAttentionScratch(kRows, kDim)];
  tiles_->attend({.queries = queries.data(),
                  .keys = keys.data(),
                  .values = values.data(),
                  .stride = kDim,
                  .rows = kRows,
                  .heads = 1,
                  .head_dim = kDim,
                  .out = out.data(),
                  .out_stride = kDim,
                  .scratch = scratch});
  for (int64_t i = 0; i < kRows * kDim; ++i) {
    ASSERT_EQ(out[static_cast<size_t>(i)],
              values[static_cast<size_t>(17 * kDim + i % kDim)]);
  }
}

}  // namespace
}  // namespace malmoi::kernels
