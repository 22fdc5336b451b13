#include "kernels/word_kernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "base/random.h"

namespace malmoi::kernels {
namespace {

std::vector<float> Values(size_t count, uint64_t seed) {
  Random random(seed);
  std::vector<float> values(count);
  for (float& value : values) {
    value = static_cast<float>(random.Uniform()) - 0.5f;
  }
  return values;
}

TEST(WordKernels, DotsOfAnySizeAreTheScalarOnes) {
  for (const WordKernelTable* table : AllWordKernels()) {
    for (int64_t columns : {1, 7, 16, 100, 112}) {
      for (int64_t rows : {1, 5, 6, 13}) {
        for (int64_t queries : {1, 2, 5}) {
          const auto q = Values(static_cast<size_t>(queries * columns), 1);
          const auto r = Values(static_cast<size_t>(rows * columns), 2);
          std::vector<const float*> pointers;
          for (int64_t i = 0; i < queries; ++i) {
            pointers.push_back(q.data() + i * columns);
          }
          std::vector<float> own(static_cast<size_t>(queries * rows)),
              plain = own;
          table->dot_queries(pointers.data(), queries, r.data(), columns, rows,
                             columns, own.data(), rows);
          ScalarWordKernels().dot_queries(pointers.data(), queries, r.data(),
                                          columns, rows, columns, plain.data(),
                                          rows);
          for (size_t i = 0; i < own.size(); ++i) {
            EXPECT_NEAR(own[i], plain[i], 1e-5)
                << table->name << " " << columns << " " << rows;
          }
        }
      }
    }
  }
}

TEST(WordKernels, StepsAreTheScalarOnes) {
  for (const WordKernelTable* table : AllWordKernels()) {
    for (int64_t inputs : {1, 2, 3, 10}) {
      for (int64_t targets : {1, 2, 6, 7, 17}) {
        constexpr int64_t kColumns = 112;
        auto x = Values(static_cast<size_t>(inputs * kColumns), 3);
        auto y = Values(static_cast<size_t>(targets * kColumns), 4);
        std::vector<float> labels(static_cast<size_t>(inputs * targets) + 16);
        for (int64_t i = 0; i < inputs; ++i) {
          labels[static_cast<size_t>(i * targets)] = 1;
        }
        const auto run = [&](const WordKernelTable& kernels) {
          std::vector<float> change(x.size(), 0.25f), out(labels.size(), 0),
              y_own = y;
          std::vector<const float*> xs, ys;
          std::vector<float*> changes;
          for (int64_t i = 0; i < inputs; ++i) {
            xs.push_back(x.data() + i * kColumns);
            changes.push_back(change.data() + i * kColumns);
          }
          for (int64_t j = 0; j < targets; ++j) {
            ys.push_back(y.data() + j * kColumns);
          }
          kernels.word_step({.x = xs.data(),
                             .x_change = changes.data(),
                             .y = ys.data(),
                             .labels = labels.data(),
                             .inputs = inputs,
                             .targets = targets,
                             .columns = kColumns,
                             .rate = 0.05f,
                             .gradients = out.data()});
          kernels.add_weighted(xs.data(), out.data() + targets - 1, targets,
                               inputs, kColumns,
                               y_own.data() + (targets - 1) * kColumns);
          out.resize(static_cast<size_t>(inputs * targets));
          out.insert(out.end(), change.begin(), change.end());
          out.insert(out.end(), y_own.begin(), y_own.end());
          return out;
        };
        const auto own = run(*table), plain = run(ScalarWordKernels());
        for (size_t i = 0; i < own.size(); ++i) {
          ASSERT_NEAR(own[i], plain[i], 1e-5)
              << table->name << " " << inputs << "x" << targets << " at " << i;
        }
      }
    }
  }
}

// Extreme products neither overflow nor become NaN.
TEST(WordKernels, StepsSaturate) {
  for (const WordKernelTable* table : AllWordKernels()) {
    std::vector<float> x(16, 100), y(16, 100), change(16, 0), out(17, 0);
    for (float sign : {1.0f, -1.0f}) {
      for (float& value : y) value = 100 * sign;
      const std::vector<float> labels(17, 0);
      const float *xs = x.data(), *ys = y.data();
      float* changes = change.data();
      table->word_step({.x = &xs,
                        .x_change = &changes,
                        .y = &ys,
                        .labels = labels.data(),
                        .inputs = 1,
                        .targets = 1,
                        .columns = 16,
                        .rate = 1,
                        .gradients = out.data()});
      EXPECT_NEAR(out[0], sign > 0 ? -1 : 0, 1e-6) << table->name;
    }
  }
}

}  // namespace
}  // namespace malmoi::kernels
