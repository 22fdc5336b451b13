#include "kernels/layout_kernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/random.h"

namespace malmoi::kernels {
namespace {

// Every target moves points as the plain twin does, in any number of
// dimensions and with more others than a vector has lanes.
TEST(LayoutKernels, MoveAsTheScalarOneDoes) {
  constexpr int64_t kPoints = 50;
  for (const int64_t dims : {1, 2, 3, 5}) {
    for (const int negatives : {0, 3, 5, 7, 12}) {
      Random random(1);
      std::vector<float> positions(static_cast<size_t>(dims * kPoints));
      for (float& x : positions) {
        x = static_cast<float>(random.Uniform() * 10);
      }
      std::vector<int64_t> starts = {0};
      std::vector<int32_t> others;
      for (int32_t v = 0; v < kPoints; ++v) {
        for (uint32_t e = 0; e < 1 + random.Below(4); ++e) {
          others.push_back(static_cast<int32_t>(random.Below(kPoints)));
        }
        starts.push_back(static_cast<int64_t>(others.size()));
      }
      const std::vector<float> intervals(others.size(), 2.0f);
      LayoutStep step = {.positions = positions.data(),
                         .points = kPoints,
                         .dimensions = dims,
                         .starts = starts.data(),
                         .others = others.data(),
                         .intervals = intervals.data(),
                         .epoch = 3,
                         .rate = 0.05f,
                         .a = 1.577f,
                         .b = 0.895f,
                         .negatives = negatives,
                         .seed = 7};
      const auto move = [&](const LayoutKernelTable& table,
                            std::vector<float>& due,
                            std::vector<float>& pulls) {
        due.assign(others.size(), 3.0f);
        due[0] = 4;  // not yet
        step.due = due.data();
        std::vector<float> moved(positions.size());
        std::vector<int32_t> pulled(others.size());
        pulls.assign(others.size() * static_cast<size_t>(dims), 0);
        EXPECT_EQ(table.move(step, 0, kPoints, moved.data(),
                             {pulled.data(), pulls.data()}),
                  static_cast<int64_t>(others.size()) - 1);
        // In any order: their sums for each point.
        std::vector<float> sums(positions.size());
        for (size_t i = 0; i + 1 < others.size(); ++i) {
          for (size_t d = 0; d < static_cast<size_t>(dims); ++d) {
            sums[static_cast<size_t>(pulled[i] * dims) + d] +=
                pulls[i * static_cast<size_t>(dims) + d];
          }
        }
        pulls = std::move(sums);
        return moved;
      };
      std::vector<float> plain_due, due, plain_pulls, pulls;
      const auto plain = move(ScalarLayoutKernels(), plain_due, plain_pulls);
      EXPECT_EQ(plain_due[0], 4);
      EXPECT_EQ(plain_due[1], 5);
      for (const LayoutKernelTable* table : AllLayoutKernels()) {
        const auto own = move(*table, due, pulls);
        EXPECT_EQ(due, plain_due) << table->name;
        for (size_t i = 0; i < own.size(); ++i) {
          EXPECT_NEAR(own[i], plain[i], 2e-3)
              << table->name << " " << dims << " " << negatives;
        }
        for (size_t i = 0; i < pulls.size(); ++i) {
          EXPECT_NEAR(pulls[i], plain_pulls[i], 2e-3) << table->name;
        }
      }
    }
  }
}

// By hand: two points at distance 2 on a line, a = b = 1: the edge draws both
// by the derivative 2d/(1 + d²) = 0.8 of -log(1/(1 + d²)).
TEST(LayoutKernels, DrawsByTheDerivativeOfTheCrossEntropy) {
  const float positions[] = {0, 2};
  const int64_t starts[] = {0, 1, 1};
  const int32_t others[] = {1};
  const float intervals[] = {1};
  for (const LayoutKernelTable* table : AllLayoutKernels()) {
    float due[] = {1}, moved[2], change;
    int32_t other;
    table->move({.positions = positions,
                 .points = 2,
                 .dimensions = 1,
                 .starts = starts,
                 .others = others,
                 .intervals = intervals,
                 .due = due,
                 .epoch = 1,
                 .negatives = 0},
                0, 2, moved, {&other, &change});
    EXPECT_NEAR(moved[0], 0.8, 1e-5) << table->name;
    EXPECT_EQ(moved[1], 2);
    EXPECT_EQ(other, 1);
    EXPECT_NEAR(change, -0.8, 1e-5);
  }
}

}  // namespace
}  // namespace malmoi::kernels
