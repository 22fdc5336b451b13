// Every instruction set that runs here against the scalar twin, and the
// panels against the formats' own dequantization.
#include "kernels/kernels.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "base/random.h"
#include "kernels/testing/panels.h"

namespace malmoi::kernels {
namespace {

std::string NameOf(const ::testing::TestParamInfo<const KernelTable*>& info) {
  return std::string(info.param->name);
}

class KernelTest : public ::testing::TestWithParam<const KernelTable*> {};

TEST_P(KernelTest, PanelsHoldEveryWeightExactly) {
  Random random(1);
  const int lanes = GetParam()->lanes;
  constexpr int64_t kColumns = 512;
  for (DType dtype : kBlockTypes) {
    const int64_t count = lanes + 3;  // the last panel is cut
    const auto rows = RandomRows(dtype, count, kColumns, random);
    const Packed packed = Pack(dtype, rows, count, kColumns, lanes);
    std::vector<float> expected(kColumns);
    for (int64_t r = 0; r < count; ++r) {
      DequantizeRow(
          dtype,
          rows.data() + static_cast<size_t>(r) * *ByteSize(dtype, kColumns),
          kColumns, expected.data());
      for (int64_t k = 0; k < kColumns; ++k) {
        ASSERT_EQ(
            PanelWeight(packed.format, lanes, kColumns,
                        packed.data.data() +
                            packed.panel_bytes * static_cast<size_t>(r / lanes),
                        static_cast<int>(r % lanes), k),
            expected[static_cast<size_t>(k)])
            << Info(dtype).name << " row " << r << " column " << k;
      }
    }
  }
}

TEST_P(KernelTest, Int8ProductsEqualTheScalarTwins) {
  Random random(2);
  const KernelTable& table = *GetParam();
  const KernelTable& scalar = ScalarKernels();
  // More than a stretch of decoded columns; an odd number of panels; whole
  // quads, two at once, and three rows beside them.
  constexpr int64_t kColumns = 1024 + 512, kTokens = 15, kCount = 48;
  for (const auto& [dtype, format] : IntegerPackings()) {
    const auto rows = RandomRows(dtype, kCount, kColumns, random);
    const Packed fast =
        Pack(dtype, rows, kCount, kColumns, table.lanes, format);
    const Packed plain =
        Pack(dtype, rows, kCount, kColumns, scalar.lanes, format);
    QuantizedRows x(kTokens, kColumns, fast.format.block());
    for (int8_t& code : x.codes_) {
      code = static_cast<int8_t>(static_cast<int>(random.Below(255)) - 127);
    }
    // The extremes that a saturating instruction would get wrong.
    for (int64_t k = 0; k < kColumns; ++k) {
      x.Code(0, k) = x.Code(kTokens - 1, k) = 127;
      x.Code(1, k) = x.Code(kTokens - 2, k) = -127;
    }
    for (float& value : x.scales_) value = Uniform(random);
    for (float& value : x.sums_) value = Uniform(random);
    for (auto* pairs : {&x.pairs16_, &x.pairs32_}) {
      for (int16_t& value : *pairs) {
        value =
            static_cast<int16_t>(static_cast<int>(random.Below(4065)) - 2032);
      }
    }
    std::vector<float> a(kTokens * kCount), b(a.size()), single(a.size());
    scalar.matmul_int8(plain.format, plain.data.data(), kCount / scalar.lanes,
                       x.rows, 0, kTokens, b.data(), kCount);
    x.Move(table);
    table.matmul_int8(fast.format, fast.data.data(), kCount / table.lanes,
                      x.rows, 0, kTokens, a.data(), kCount);
    for (int64_t t = 0; t < kTokens; ++t) {
      table.matmul_int8(fast.format, fast.data.data(), kCount / table.lanes,
                        x.rows, t, 1, single.data() + t * kCount, kCount);
    }
    for (size_t i = 0; i < a.size(); ++i) {
      ASSERT_EQ(a[i], single[i]) << Info(dtype).name << " " << i;
      if (table.fused) {
        ASSERT_EQ(a[i], b[i]) << Info(dtype).name << " " << i;
      } else {
        // Sums of wide blocks, up to 8,128 each, cancel.
        const double scale = format == kWideBytes ? 2e-2 : 1e-4;
        ASSERT_NEAR(a[i], b[i], scale * (1 + std::fabs(b[i])));
      }
    }
  }
}

// Floats in 8 bits: half a step of the largest of a block.
TEST_P(KernelTest, WideBytesKeepHalfAStep) {
  Random random(14);
  const int lanes = GetParam()->lanes;
  constexpr int64_t kColumns = 384, kCount = 19;
  auto rows = RandomRows(DType::kF32, kCount, kColumns, random);
  float* values = reinterpret_cast<float*>(rows.data());
  std::fill_n(values + kWideGroup, kWideGroup, 0.0f);
  const Packed packed =
      Pack(DType::kF32, rows, kCount, kColumns, lanes, kWideBytes);
  for (int64_t r = 0; r < kCount; ++r) {
    for (int64_t first = 0; first < kColumns; first += kWideGroup) {
      const float* block = values + r * kColumns + first;
      float largest = 0;
      for (int k = 0; k < kWideGroup; ++k) {
        largest = std::max(largest, std::fabs(block[k]));
      }
      for (int k = 0; k < kWideGroup; ++k) {
        const float weight =
            PanelWeight(packed.format, lanes, kColumns,
                        packed.data.data() +
                            packed.panel_bytes * static_cast<size_t>(r / lanes),
                        static_cast<int>(r % lanes), first + k);
        ASSERT_NEAR(weight, block[k], largest / 127 * 0.5f * 1.0001f);
      }
    }
  }
}

// From the formats' own dequantization and the definition of a product.
TEST_P(KernelTest, Int8ProductsAreThoseOfTheDequantizedFactors) {
  Random random(12);
  const KernelTable& table = *GetParam();
  constexpr int64_t kColumns = 512, kTokens = 6, kCount = 32;
  for (const auto& [dtype, format] : IntegerPackings()) {
    const auto rows = RandomRows(dtype, kCount, kColumns, random);
    const Packed packed =
        Pack(dtype, rows, kCount, kColumns, table.lanes, format);
    QuantizedRows x(kTokens, kColumns, packed.format.block());
    std::vector<float> values(kColumns);
    for (int64_t t = 0; t < kTokens; ++t) {
      for (float& value : values) value = Uniform(random);
      // In two parts, as an epilogue stores them.
      table.quantize(values.data(), 0, 1, x.rows, t, 0, 256);
      table.quantize(values.data() + 256, 0, 1, x.rows, t, 256, 256);
    }
    std::vector<float> out(kTokens * kCount);
    table.matmul_int8(packed.format, packed.data.data(), kCount / table.lanes,
                      x.rows, 0, kTokens, out.data(), kCount);
    x.Move(table);
    std::vector<float> weights(kColumns);
    const size_t row_bytes = *ByteSize(dtype, kColumns);
    for (int64_t r = 0; r < kCount; ++r) {
      DequantizeRow(dtype, rows.data() + static_cast<size_t>(r) * row_bytes,
                    kColumns, weights.data());
      for (int64_t k = 0; format == kWideBytes && k < kColumns; ++k) {
        weights[static_cast<size_t>(k)] = PanelWeight(
            format, table.lanes, kColumns,
            packed.data.data() +
                packed.panel_bytes * static_cast<size_t>(r / table.lanes),
            static_cast<int>(r % table.lanes), k);
      }
      for (int64_t t = 0; t < kTokens; ++t) {
        double sum = 0, size = 0;
        for (int64_t k = 0; k < kColumns; ++k) {
          const double product =
              static_cast<double>(weights[static_cast<size_t>(k)]) *
              x.Code(t, k) * static_cast<double>(x.Scale(t, k));
          sum += product;
          size += std::fabs(product);
        }
        EXPECT_NEAR(out[static_cast<size_t>(t * kCount + r)], sum, 1e-5 * size)
            << Info(dtype).name << " " << t << " " << r;
      }
    }
  }
}

TEST_P(KernelTest, FloatProductsEqualTheScalarTwins) {
  Random random(3);
  const KernelTable& table = *GetParam();
  const KernelTable& scalar = ScalarKernels();
  constexpr int64_t kColumns = 67, kTokens = 7, kCount = 32;
  for (DType dtype : kFloatTypes) {
    const auto rows = RandomRows(dtype, kCount, kColumns, random);
    const Packed fast = Pack(dtype, rows, kCount, kColumns, table.lanes);
    const Packed plain = Pack(dtype, rows, kCount, kColumns, scalar.lanes);
    std::vector<float> x(kTokens * kColumns);
    for (float& value : x) value = Uniform(random);
    std::vector<float> a(kTokens * kCount), b(kTokens * kCount);
    table.matmul_float(fast.format, fast.data.data(), kCount / table.lanes,
                       x.data(), kColumns, kColumns, kTokens, a.data(), kCount);
    scalar.matmul_float(plain.format, plain.data.data(), kCount / scalar.lanes,
                        x.data(), kColumns, kColumns, kTokens, b.data(),
                        kCount);
    for (size_t i = 0; i < a.size(); ++i) {
      if (table.fused) {
        ASSERT_EQ(a[i], b[i]) << Info(dtype).name << " " << i;
      } else {
        ASSERT_NEAR(a[i], b[i], 1e-5);
      }
    }
  }
}

float Flushed(float x) { return std::fpclassify(x) == FP_SUBNORMAL ? 0 : x; }

// One output in the order of tiles, as kernels.h tells.
float SumAsTiles(const uint16_t* weights, const uint16_t* row,
                 int64_t columns) {
  float sum = 0;
  for (int64_t first = 0; first < columns; first += 32) {
    float apart[2] = {};
    for (int64_t k = first; k < std::min(first + 32, columns); ++k) {
      float& own = apart[k % 2];
      own = Flushed(std::fma(Flushed(BF16ToFloat(weights[k])),
                             Flushed(BF16ToFloat(row[k])), own));
    }
    sum = Flushed(sum + Flushed(apart[0] + apart[1]));
  }
  return sum;
}

// Tiles of every form: panels in fours, twos and alone; rows in eights to ones,
// or two times sixteen and less; columns in several parts.
TEST_P(KernelTest, BF16ProductsEqualTheScalarTwins) {
  Random random(13);
  const KernelTable& table = *GetParam();
  const KernelTable& scalar = ScalarKernels();
  constexpr int64_t kCount = 16 * 7;
  for (int64_t columns : {1, 2, 32, 66, 67, 832}) {
    const auto rows = RandomRows(DType::kBF16, kCount, columns, random);
    const Packed fast = Pack(DType::kBF16, rows, kCount, columns, table.lanes);
    const Packed plain =
        Pack(DType::kBF16, rows, kCount, columns, scalar.lanes);
    for (int64_t tokens : {0, 1, 2, 3, 4, 7, 15, 16, 17, 32, 33, 52}) {
      const int64_t stride = PaddedBF16(columns) + 2;
      std::vector<uint16_t> x(static_cast<size_t>(tokens * stride));
      for (int64_t t = 0; t < tokens; ++t) {
        for (int64_t k = 0; k < columns; ++k) {
          x[static_cast<size_t>(t * stride + k)] = FloatToBF16(Uniform(random));
        }
      }
      std::vector<float> a(static_cast<size_t>(tokens * kCount)), b(a.size()),
          single(a.size());
      table.matmul_bf16(fast.data.data(), kCount / table.lanes, x.data(),
                        stride, columns, tokens, a.data(), kCount);
      scalar.matmul_bf16(plain.data.data(), kCount / scalar.lanes, x.data(),
                         stride, columns, tokens, b.data(), kCount);
      for (int64_t t = 0; t < tokens; ++t) {
        table.matmul_bf16(fast.data.data(), kCount / table.lanes,
                          x.data() + t * stride, stride, columns, 1,
                          single.data() + t * kCount, kCount);
      }
      for (size_t i = 0; i < a.size(); ++i) {
        ASSERT_EQ(a[i], single[i]) << columns << " " << tokens << " " << i;
        // vdpbf16ps may round otherwise than two multiply-adds.
        ASSERT_NEAR(a[i], b[i],
                    table.fused && !table.bf16_dot ? 0 : 1e-6 * (10 + columns))
            << columns << " " << tokens << " " << i;
        double sum = 0;  // from the definition
        const size_t t = i / kCount, r = i % kCount;
        const auto* weights = reinterpret_cast<const uint16_t*>(rows.data()) +
                              r * static_cast<size_t>(columns);
        const uint16_t* row = x.data() + t * static_cast<size_t>(stride);
        for (int64_t k = 0; k < columns; ++k) {
          sum += static_cast<double>(BF16ToFloat(weights[k])) *
                 static_cast<double>(BF16ToFloat(row[k]));
        }
        ASSERT_NEAR(a[i], sum, 1e-6 * (10 + columns));
        if (table.tiles != nullptr) {
          ASSERT_EQ(a[i], SumAsTiles(weights, row, columns))
              << columns << " " << tokens << " " << i;
        }
      }
    }
  }
}

// Panels from one to five: a result does not depend on how many there are.
TEST_P(KernelTest, BF16ProductsOfOnePanelAreThoseOfMany) {
  Random random(15);
  const KernelTable& table = *GetParam();
  constexpr int64_t kColumns = 90, kTokens = 40;
  const int64_t all = 5 * table.lanes;
  const auto rows = RandomRows(DType::kBF16, all, kColumns, random);
  const Packed packed = Pack(DType::kBF16, rows, all, kColumns, table.lanes);
  std::vector<uint16_t> x(kTokens * kColumns);
  for (uint16_t& value : x) value = FloatToBF16(Uniform(random));
  std::vector<float> whole(static_cast<size_t>(kTokens * all));
  table.matmul_bf16(packed.data.data(), 5, x.data(), kColumns, kColumns,
                    kTokens, whole.data(), all);
  for (int64_t panels = 1; panels < 5; ++panels) {
    std::vector<float> some(whole.size());
    table.matmul_bf16(packed.data.data(), panels, x.data(), kColumns, kColumns,
                      kTokens, some.data(), all);
    for (size_t i = 0; i < some.size(); ++i) {
      if (static_cast<int64_t>(i) % all >= panels * table.lanes) continue;
      ASSERT_EQ(some[i], whole[i]) << panels << " " << i;
    }
  }
}

TEST_P(KernelTest, RoundingToBF16EqualsTheScalarTwin) {
  std::vector<float> values;
  for (uint32_t high = 0; high < 65536; high += 37) {  // NaN, infinity, zeros
    for (uint32_t low : {0u, 1u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu}) {
      values.push_back(std::bit_cast<float>(high << 16 | low));
    }
  }
  for (size_t count : {size_t{0}, size_t{1}, size_t{17}, values.size()}) {
    std::vector<uint16_t> a(count + 1, 7), b(count + 1, 7);
    GetParam()->round_bf16(values.data(), static_cast<int64_t>(count),
                           a.data());
    ScalarKernels().round_bf16(values.data(), static_cast<int64_t>(count),
                               b.data());
    if (GetParam()->tiles != nullptr) {
      for (size_t i = 0; i < count; ++i) {
        if (std::fpclassify(values[i]) == FP_SUBNORMAL) b[i] &= 0x8000;
      }
    }
    EXPECT_EQ(a, b);
  }
}

TEST_P(KernelTest, QuantizingEqualsTheScalarTwinAndKeepsHalfAStep) {
  Random random(4);
  constexpr int64_t kColumns = 768;
  std::vector<float> x(kColumns);
  for (float& value : x) value = Uniform(random) * 3;
  std::fill(x.begin() + 32, x.begin() + 64, 0.0f);  // a block of zeros
  for (const int64_t block : {32, kWideGroup, 256}) {
    for (const int64_t row : {1, 5}) {  // in a quad and behind it
      QuantizedRows a(6, kColumns, block), b(6, kColumns, block);
      a.Move(*GetParam());  // what no row is written to
      GetParam()->quantize(x.data(), 0, 1, a.rows, row, 0, kColumns);
      ScalarKernels().quantize(x.data(), 0, 1, b.rows, row, 0, kColumns);
      a.Move(*GetParam());
      EXPECT_EQ(a.codes_, b.codes_);
      EXPECT_EQ(a.scales_, b.scales_);
      EXPECT_EQ(a.sums_, b.sums_);
      EXPECT_EQ(a.pairs16_, b.pairs16_);
      EXPECT_EQ(a.pairs32_, b.pairs32_);
      for (int64_t k = 0; k < kColumns; ++k) {
        const float scale = a.Scale(row, k);
        EXPECT_LE(std::fabs(scale * a.Code(row, k) - x[static_cast<size_t>(k)]),
                  scale * 0.5f * 1.0001f);
      }
    }
  }
}

// A quad and what is left beside it, as one row after the other.
TEST_P(KernelTest, QuantizingRowsTogetherIsTheSame) {
  Random random(15);
  constexpr int64_t kColumns = 256, kRows = 7, kStride = 300;
  std::vector<float> x(kRows * kStride);
  for (float& value : x) value = Uniform(random) * 3;
  std::fill_n(x.begin() + kStride, kWideGroup, 0.0f);
  for (const int64_t block : {32, kWideGroup, 256}) {
    QuantizedRows a(kRows, kColumns, block), b(kRows, kColumns, block);
    GetParam()->quantize(x.data(), kStride, kRows, a.rows, 0, 0, kColumns);
    a.Move(*GetParam());
    for (int64_t r = 0; r < kRows; ++r) {
      ScalarKernels().quantize(x.data() + r * kStride, 0, 1, b.rows, r, 0,
                               kColumns);
    }
    EXPECT_EQ(a.codes_, b.codes_);
    EXPECT_EQ(a.scales_, b.scales_);
    EXPECT_EQ(a.sums_, b.sums_);
    EXPECT_EQ(a.pairs16_, b.pairs16_);
    EXPECT_EQ(a.pairs32_, b.pairs32_);
  }
}

TEST_P(KernelTest, LayerNormHasNoMeanAndUnitVariance) {
  Random random(16);
  for (int64_t columns : {7, 64, 577}) {
    const size_t count = static_cast<size_t>(columns);
    std::vector<float> x(count), w(count, 1.0f), bias(count, 0.0f), twin(count);
    for (float& value : x) value = Uniform(random) * 5 + 20;
    std::vector<float> out = x;
    GetParam()->layer_norm(out.data(), w.data(), nullptr, columns, 0.0f,
                           out.data());
    double sum = 0, squares = 0;
    for (float value : out) {
      sum += static_cast<double>(value);
      squares += static_cast<double>(value) * static_cast<double>(value);
    }
    EXPECT_NEAR(sum / static_cast<double>(columns), 0.0, 1e-5);
    EXPECT_NEAR(squares / static_cast<double>(columns), 1.0, 1e-5);
    for (size_t k = 0; k < count; ++k) {
      w[k] = Uniform(random);
      bias[k] = Uniform(random);
    }
    GetParam()->layer_norm(x.data(), w.data(), bias.data(), columns, 1e-5f,
                           out.data());
    ScalarKernels().layer_norm(x.data(), w.data(), bias.data(), columns, 1e-5f,
                               twin.data());
    for (size_t k = 0; k < count; ++k) EXPECT_NEAR(out[k], twin[k], 1e-5);
  }
}

TEST_P(KernelTest, RmsNormHasUnitMeanSquare) {
  Random random(5);
  for (int64_t columns : {7, 64, 577}) {
    std::vector<float> x(static_cast<size_t>(columns)), w(x.size(), 1.0f),
        out(x.size()), twin(x.size());
    for (float& value : x) value = Uniform(random) * 5;
    GetParam()->rms_norm(x.data(), w.data(), columns, 0.0f, out.data());
    ScalarKernels().rms_norm(x.data(), w.data(), columns, 0.0f, twin.data());
    double squares = 0;
    for (size_t k = 0; k < out.size(); ++k) {
      squares += static_cast<double>(out[k]) * static_cast<double>(out[k]);
      EXPECT_NEAR(out[k], twin[k], 1e-5);
    }
    EXPECT_NEAR(squares / static_cast<double>(columns), 1.0, 1e-5);
  }
}

TEST_P(KernelTest, GatedActivationsFollowTheirFormulas) {
  std::vector<float> gate, up;
  for (int i = -60; i <= 60; ++i) {  // to ±150, past where exp overflows
    gate.push_back(static_cast<float>(i) * (i % 2 == 0 ? 0.5f : 2.5f));
    up.push_back(2.0f);
  }
  std::vector<float> silu = gate, gelu = gate, exact = gate;
  const int64_t count = static_cast<int64_t>(gate.size());
  GetParam()->silu_mul(silu.data(), up.data(), count);
  GetParam()->gelu_tanh_mul(gelu.data(), up.data(), count);
  GetParam()->gelu_mul(exact.data(), up.data(), count);
  for (size_t i = 0; i < gate.size(); ++i) {
    const double x = static_cast<double>(gate[i]);
    const double tolerance = 1e-5 * (1 + std::fabs(x));
    EXPECT_NEAR(static_cast<double>(silu[i]), x / (1 + std::exp(-x)) * 2,
                tolerance);
    EXPECT_NEAR(static_cast<double>(exact[i]), x * (1 + std::erf(x / M_SQRT2)),
                1e-6 * (1 + std::fabs(x)));
    const double inner = std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x);
    EXPECT_NEAR(static_cast<double>(gelu[i]), x * (1 + std::tanh(inner)),
                tolerance);
  }
}

// Channels of every remainder; the second call goes on from the first.
TEST_P(KernelTest, StateSpacesEqualTheScalarTwin) {
  constexpr size_t kRows = 5, kStates = 3, kTaps = 4;
  Random random(7);
  const auto uniform = [&](size_t count, float scale) {
    std::vector<float> values(count);
    for (float& value : values) value = Uniform(random) * scale;
    return values;
  };
  for (size_t channels : {1, 8, 16, 31, 67}) {
    const auto x = uniform(kRows * channels, 2), in = uniform(kRows * 3, 1),
               out = uniform(kRows * 3, 1), bias = uniform(channels, 1),
               filters = uniform(kTaps * channels, 1);
    auto steps = uniform(kRows * channels, 5), rates = uniform(3 * channels, 1);
    for (float& rate : rates) rate = -std::fabs(rate);
    const int64_t stride = static_cast<int64_t>(channels);
    const auto run = [&](const KernelTable& table, bool head) {
      std::vector<float> all, step = steps, y(kRows * channels),
                              window(3 * channels), state(kStates * channels);
      table.softplus(step.data(), static_cast<int64_t>(step.size()));
      all = step;
      std::vector<float> decays(kRows, 0.75f);
      for (int64_t rows : {2, 5}) {
        for (const bool silu : {false, true}) {
          table.convolve({rows, stride, kTaps, x.data(), stride, filters.data(),
                          bias.data(), window.data(), stride, y.data(), stride,
                          silu});
          all.insert(all.end(), y.begin(), y.end());
        }
        Scan scan = {rows, stride, kStates, x.data(), stride};
        scan.in = in.data();
        scan.out = out.data();
        scan.in_stride = 3;
        scan.steps = step.data();
        scan.step_stride = head ? 1 : stride;
        scan.rates = rates.data();
        scan.decays = decays.data();
        scan.skips = bias.data();
        scan.state = state.data();
        scan.state_stride = scan.y_stride = stride;
        scan.y = y.data();
        (head ? table.scan_head : table.scan_channels)(scan);
        for (const auto* values : {&y, &window, &state}) {
          all.insert(all.end(), values->begin(), values->end());
        }
      }
      return all;
    };
    for (const bool head : {false, true}) {
      const auto got = run(*GetParam(), head),
                 twin = run(ScalarKernels(), head);
      for (size_t i = 0; i < got.size(); ++i) {
        EXPECT_NEAR(got[i], twin[i], 2e-5 * (1 + std::fabs(twin[i]))) << i;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, KernelTest,
                         ::testing::ValuesIn(AllKernels().begin(),
                                             AllKernels().end()),
                         NameOf);

TEST(Half, RoundTripsEveryValue) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const float value = HalfToFloat(static_cast<uint16_t>(bits));
    if (std::isnan(value)) continue;
    ASSERT_EQ(FloatToHalf(value), bits);
  }
  // IEEE 754: ties to even, overflow, the smallest subnormal and half of it.
  EXPECT_EQ(FloatToHalf(1.0f + 0x1p-11f), 0x3c00);
  EXPECT_EQ(FloatToHalf(1.0f + 0x3p-11f), 0x3c02);
  EXPECT_EQ(FloatToHalf(65519.0f), 0x7bff);
  EXPECT_EQ(FloatToHalf(65520.0f), 0x7c00);
  EXPECT_EQ(FloatToHalf(0x1p-24f), 0x0001);
  EXPECT_EQ(FloatToHalf(0x1p-25f), 0x0000);
  EXPECT_EQ(FloatToHalf(0x1.8p-25f), 0x0001);
}

TEST(BFloat16, RoundsToNearestEven) {
  EXPECT_EQ(FloatToBF16(1.0f), 0x3f80);
  EXPECT_EQ(FloatToBF16(1.0f + 0x1p-8f), 0x3f80);
  EXPECT_EQ(FloatToBF16(1.0f + 0x3p-8f), 0x3f82);
}

}  // namespace
}  // namespace malmoi::kernels
