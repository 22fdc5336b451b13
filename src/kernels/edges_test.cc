// Kernels at their edges: every number of rows and columns around the sizes of
// vectors and tiles, pointers that are not aligned, values that are no numbers.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "kernels/kernels.h"
#include "kernels/testing/panels.h"

namespace malmoi::kernels {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr int64_t kMostLanes = 16;

class EdgesTest : public ::testing::TestWithParam<const KernelTable*> {};

// Values from the second element of a buffer on: not aligned to any vector.
class Misaligned {
 public:
  Misaligned(int64_t count, Random& random)
      : values_(static_cast<size_t>(count) + 2, kGuard) {
    for (int64_t i = 0; i < count; ++i) data()[i] = Uniform(random) * 3;
  }
  float* data() { return values_.data() + 1; }
  bool guarded() const {
    return values_.front() == kGuard && values_.back() == kGuard;
  }

 private:
  static constexpr float kGuard = 12345;
  std::vector<float> values_;
};

TEST_P(EdgesTest, RowKernelsTakeEveryLength) {
  const KernelTable& table = *GetParam();
  const KernelTable& twin = ScalarKernels();
  Random random(21);
  for (int64_t n = 0; n <= 2 * kMostLanes + 1; ++n) {
    Misaligned x(n, random), up(n, random), weight(n, random);
    const std::vector<float> before(x.data(), x.data() + n);
    const auto check = [&](Misaligned& got, const std::vector<float>& expected,
                           const char* what) {
      for (int64_t i = 0; i < n; ++i) {
        ASSERT_NEAR(got.data()[i], expected[static_cast<size_t>(i)], 2e-5)
            << what << " " << n << " " << i;
      }
      ASSERT_TRUE(got.guarded()) << what << " " << n;
    };
    std::vector<float> expected = before;
    const auto reset = [&] {
      std::copy(before.begin(), before.end(), x.data());
      expected = before;
    };
    table.silu_mul(x.data(), up.data(), n);
    twin.silu_mul(expected.data(), up.data(), n);
    check(x, expected, "silu");
    reset();
    table.gelu_tanh_mul(x.data(), up.data(), n);
    twin.gelu_tanh_mul(expected.data(), up.data(), n);
    check(x, expected, "gelu_tanh");
    reset();
    table.gelu_mul(x.data(), up.data(), n);
    twin.gelu_mul(expected.data(), up.data(), n);
    check(x, expected, "gelu");
    reset();
    table.add(x.data(), up.data(), n);
    twin.add(expected.data(), up.data(), n);
    check(x, expected, "add");
    reset();
    if (n == 0) continue;  // a norm is of something
    Misaligned out(n, random);
    table.rms_norm(x.data(), weight.data(), n, 1e-5f, out.data());
    twin.rms_norm(before.data(), weight.data(), n, 1e-5f, expected.data());
    check(out, expected, "rms_norm");
  }
}

TEST_P(EdgesTest, NoNumbersStayNoNumbers) {
  const KernelTable& table = *GetParam();
  for (int64_t n : {1, 7, 33}) {
    for (int64_t at : {int64_t{0}, n - 1}) {
      const size_t i = static_cast<size_t>(at);
      std::vector<float> x(static_cast<size_t>(n), 0.5f), ones(x.size(), 1.0f);
      std::vector<float> out(x.size());
      x[i] = NAN;
      auto silu = x, gelu = x, exact = x, sum = x;
      table.silu_mul(silu.data(), ones.data(), n);
      table.gelu_tanh_mul(gelu.data(), ones.data(), n);
      table.gelu_mul(exact.data(), ones.data(), n);
      table.add(sum.data(), ones.data(), n);
      EXPECT_TRUE(std::isnan(silu[i]) && std::isnan(gelu[i]) &&
                  std::isnan(exact[i]) && std::isnan(sum[i]));
      for (size_t k = 0; k < x.size(); ++k) {
        if (k == i) continue;
        EXPECT_FALSE(std::isnan(silu[k]) || std::isnan(gelu[k]) ||
                     std::isnan(exact[k]));
      }
      table.rms_norm(x.data(), ones.data(), n, 1e-5f, out.data());
      for (float value : out) EXPECT_TRUE(std::isnan(value));
      x[i] = kInfinity;
      table.silu_mul(x.data(), ones.data(), n);
      EXPECT_EQ(x[i], kInfinity);
    }
  }
}

// Rows from the middle of a batch, in every number around quads and tiles;
// panels and outputs that begin anywhere.
TEST_P(EdgesTest, Int8ProductsTakeAnyRowsOfABatch) {
  const KernelTable& table = *GetParam();
  const KernelTable& twin = ScalarKernels();
  Random random(22);
  constexpr int64_t kColumns = 256, kCount = 48, kTokens = 19;
  for (DType dtype :
       {DType::kQ4_0, DType::kQ5_1, DType::kQ8_0, DType::kQ4_K, DType::kQ6_K}) {
    const auto rows = RandomRows(dtype, kCount, kColumns, random);
    const Packed fast = Pack(dtype, rows, kCount, kColumns, table.lanes);
    const Packed plain = Pack(dtype, rows, kCount, kColumns, twin.lanes);
    std::vector<std::byte> moved(fast.data.size() + 4);
    std::copy(fast.data.begin(), fast.data.end(), moved.begin() + 4);
    QuantizedRows x(kTokens, kColumns, fast.format.block());
    std::vector<float> values(kColumns);
    for (int64_t t = 0; t < kTokens; ++t) {
      for (float& value : values) value = Uniform(random);
      twin.quantize(values.data(), 0, 1, x.rows, t, 0, kColumns);
    }
    std::vector<float> all(kTokens * kCount);
    twin.matmul_int8(plain.format, plain.data.data(), kCount / twin.lanes,
                     x.rows, 0, kTokens, all.data(), kCount);
    for (int64_t panels = 0; panels <= kCount / table.lanes; ++panels) {
      for (int64_t first = 0; first < kTokens; ++first) {
        for (int64_t tokens = 0; first + tokens <= kTokens; ++tokens) {
          const int64_t stride = panels * table.lanes + 3;
          Misaligned out(tokens * stride, random);
          const std::vector<float> before(out.data(),
                                          out.data() + tokens * stride);
          table.matmul_int8(fast.format, moved.data() + 4, panels, x.rows,
                            first, tokens, out.data(), stride);
          ASSERT_TRUE(out.guarded());
          for (int64_t t = 0; t < tokens; ++t) {
            for (int64_t r = 0; r < stride; ++r) {
              const float got = out.data()[t * stride + r];
              if (r >= panels * table.lanes) {
                ASSERT_EQ(got, before[static_cast<size_t>(t * stride + r)]);
                continue;
              }
              const float expected =
                  all[static_cast<size_t>((first + t) * kCount + r)];
              if (table.fused) {
                ASSERT_EQ(got, expected)
                    << Info(dtype).name << " " << panels << " panels, rows "
                    << first << " + " << tokens;
              } else {
                ASSERT_NEAR(got, expected, 1e-4 * (1 + std::fabs(expected)));
              }
            }
          }
        }
      }
    }
  }
}

TEST_P(EdgesTest, FloatProductsTakeEveryNumberOfColumns) {
  const KernelTable& table = *GetParam();
  const KernelTable& twin = ScalarKernels();
  Random random(23);
  constexpr int64_t kCount = 16;
  for (DType dtype : kFloatTypes) {
    for (int64_t columns = 1; columns <= 2 * kMostLanes + 1; ++columns) {
      const auto rows = RandomRows(dtype, kCount, columns, random);
      const Packed fast = Pack(dtype, rows, kCount, columns, table.lanes);
      const Packed plain = Pack(dtype, rows, kCount, columns, twin.lanes);
      for (int64_t tokens = 0; tokens <= 5; ++tokens) {
        Misaligned x(tokens * columns, random), out(tokens * kCount, random);
        std::vector<float> expected(static_cast<size_t>(tokens * kCount));
        table.matmul_float(fast.format, fast.data.data(), kCount / table.lanes,
                           x.data(), columns, columns, tokens, out.data(),
                           kCount);
        twin.matmul_float(plain.format, plain.data.data(), kCount / twin.lanes,
                          x.data(), columns, columns, tokens, expected.data(),
                          kCount);
        ASSERT_TRUE(out.guarded());
        for (size_t i = 0; i < expected.size(); ++i) {
          ASSERT_NEAR(out.data()[i], expected[i],
                      table.fused ? 0 : 1e-5 * (1 + std::fabs(expected[i])))
              << Info(dtype).name << " " << columns << " " << tokens;
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, EdgesTest,
                         ::testing::ValuesIn(AllKernels().begin(),
                                             AllKernels().end()),
                         [](const auto& info) {
                           return std::string(info.param->name);
                         });

}  // namespace
}  // namespace malmoi::kernels
