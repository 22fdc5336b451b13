// What the tap is shown of attention, applied to the values, is what attention
// gives: for every type of keys, mask, bias, cap, sink and split of the work.
#include "ops/attention.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "base/random.h"
#include "kernels/kernels.h"

namespace malmoi::ops {
namespace {

using kernels::KvType;

struct Case {
  const char* name;
  AttentionShape shape;
  int64_t first_position = 0;
  int64_t visible = 0;
  bool position_bias = false, distance_bias = false, row_bias = false,
       sinks = false;
};

void PrintTo(const Case& item, std::ostream* out) { *out << item.name; }

constexpr int64_t kHeads = 4, kKvHeads = 2, kHeadDim = 24, kRows = 70;

std::vector<float> Values(Random& random, int64_t count, double size = 1) {
  std::vector<float> values;
  for (int64_t i = 0; i < count; ++i) {
    values.push_back(static_cast<float>((random.Uniform() * 2 - 1) * size));
  }
  return values;
}

class ShownTest : public ::testing::TestWithParam<Case> {};

TEST_P(ShownTest, ProbabilitiesTimesValuesAreTheOutput) {
  for (const KvType type : {KvType::kF32, KvType::kF16, KvType::kQ8}) {
    for (const int threads : {1, 3}) {
      Case item = GetParam();
      AttentionShape& shape = item.shape;
      shape.type = type;
      shape.heads = kHeads;
      shape.kv_heads = kKvHeads;
      shape.head_dim = kHeadDim;
      shape.shown = "layer.0.attention";
      Random random(5);
      const int64_t padded = shape.padded();
      const int64_t end =
          item.visible > 0 ? item.visible : item.first_position + kRows;
      // Values are ones that 8 bits hold: a byte's whole multiples.
      const int64_t pages = (end + 63) / 64;
      const size_t page = kernels::KvPageBytes(type, padded);
      std::vector<std::byte> memory(2 * kKvHeads * page *
                                    static_cast<size_t>(pages));
      std::vector<const std::byte*> keys, values;
      for (int64_t p = 0; p < pages; ++p) {
        keys.push_back(memory.data() +
                       static_cast<size_t>(2 * p) * kKvHeads * page);
        values.push_back(keys.back() + kKvHeads * page);
      }
      std::vector<float> plain(static_cast<size_t>(end * kKvHeads * kHeadDim));
      for (int64_t j = 0; j < end; ++j) {
        for (int64_t h = 0; h < kKvHeads; ++h) {
          const auto key = Values(random, kHeadDim, 2);
          auto value = Values(random, kHeadDim);
          value[0] = 1;  // the largest: codes are k/127
          for (float& v : value) v = std::nearbyint(v * 127) / 127;
          const size_t at = static_cast<size_t>(j / 64);
          const auto store = [&](bool is_key, const float* from,
                                 const std::byte* to) {
            kernels::Kernels().store_kv(
                type, is_key, from, kHeadDim, 1, kHeadDim,
                const_cast<std::byte*>(to) + static_cast<size_t>(h) * page,
                j % 64);
          };
          store(true, key.data(), keys[at]);
          store(false, value.data(), values[at]);
          std::copy(value.begin(), value.end(),
                    plain.begin() + (j * kKvHeads + h) * kHeadDim);
        }
      }
      const auto queries = Values(random, kRows * kHeads * padded);
      const auto biases = Values(random, kRows * kHeads * 2 * end);
      const auto sinks = Values(random, kHeads, 3);
      shape.reach = end;
      if (item.position_bias) shape.position_bias = biases.data();
      if (item.distance_bias) shape.distance_bias = biases.data();
      if (item.row_bias) shape.row_bias = biases.data();
      if (item.sinks) shape.sinks = sinks.data();
      std::vector<float> cut = queries;
      for (size_t i = 0; i < cut.size(); ++i) {
        if (static_cast<int64_t>(i) % padded >= kHeadDim) cut[i] = 0;
      }
      ThreadPool pool(threads);
      Arena arena;
      std::vector<float> shown;
      int64_t columns = 0;
      Exec exec{pool, arena,
                [&](std::string_view name, std::span<const float> seen,
                    int64_t rows, int64_t positions) {
                  EXPECT_EQ(name, "layer.0.attention");
                  EXPECT_EQ(rows, kRows * kHeads);
                  columns = positions;
                  shown.assign(seen.begin(), seen.end());
                },
                nullptr};
      const Activations out =
          NewActivations(arena, kRows, kHeads * kHeadDim, {.f32 = true});
      const AttentionSlice slice = {.first_row = 0,
                                    .rows = kRows,
                                    .first_position = item.first_position,
                                    .keys = keys.data(),
                                    .values = values.data(),
                                    .pages = pages,
                                    .visible = item.visible};
      Attention(exec, shape, cut.data(), {&slice, 1}, out);
      ASSERT_EQ(columns, end);
      // f16 rounds values, 8 bits the queries too.
      const double tolerance = type == KvType::kF32   ? 3e-6
                               : type == KvType::kF16 ? 1e-3
                                                      : 3e-2;
      double worst = 0;
      for (int64_t r = 0; r < kRows; ++r) {
        for (int64_t h = 0; h < kHeads; ++h) {
          double total = 0;
          std::vector<double> sum(kHeadDim);
          for (int64_t j = 0; j < end; ++j) {
            const double weight = static_cast<double>(
                shown[static_cast<size_t>((r * kHeads + h) * end + j)]);
            total += weight;
            const float* value =
                plain.data() + (j * kKvHeads + h / 2) * kHeadDim;
            for (size_t d = 0; d < sum.size(); ++d) {
              sum[d] += weight * static_cast<double>(value[d]);
            }
          }
          if (item.sinks) {
            EXPECT_LT(total, 1.0);
          } else {
            EXPECT_NEAR(total, 1.0, 1e-5);
          }
          for (size_t d = 0; d < sum.size(); ++d) {
            const size_t at =
                static_cast<size_t>((r * kHeads + h) * kHeadDim) + d;
            worst = std::max(
                worst, std::fabs(sum[d] - static_cast<double>(out.values[at])));
          }
        }
      }
      EXPECT_LT(worst, tolerance) << static_cast<int>(type) << " " << threads;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, ShownTest,
    ::testing::Values(
        Case{"causal", {}, 3}, Case{"long", {}, 1100},
        Case{"window", {.window = 17}, 100},
        Case{"both_ways", {.causal = false}},
        Case{"both_ways_window", {.window = 9, .causal = false}},
        Case{"softcap", {.softcap = 2.0f}},
        Case{.name = "memory", .shape = {}, .visible = 130},
        Case{.name = "alibi", .shape = {}, .position_bias = true},
        Case{.name = "distance",
             .shape = {.causal = false},
             .distance_bias = true},
        Case{.name = "contents", .shape = {.causal = false}, .row_bias = true},
        Case{.name = "sinks", .shape = {.window = 30}, .sinks = true}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace malmoi::ops
