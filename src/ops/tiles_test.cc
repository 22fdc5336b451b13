// Attention over whole texts in tiles against the general one in float32.
#include "ops/tiles.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/random.h"
#include "kernels/kernels.h"
#include "kernels/unpack.h"
#include "ops/attention.h"

namespace malmoi::ops {
namespace {

constexpr int64_t kHeads = 4, kDim = 32, kColumns = kHeads * kDim;

struct Texts {
  std::vector<int64_t> lengths = {5, 70, 1, 33};
  int64_t rows = 109, reach = 70;
};

// A page per 64 positions of a text, as the general kernels read them.
std::vector<std::vector<std::byte>> Pages(bool keys, int64_t first,
                                          int64_t length,
                                          const std::vector<float>& rows) {
  const size_t head = kernels::KvPageBytes(kernels::KvType::kF32, kDim);
  std::vector<std::vector<std::byte>> pages;
  for (int64_t at = 0; at < length; at += kernels::kAttentionPage) {
    pages.emplace_back(head * kHeads);
    const int64_t count = std::min(kernels::kAttentionPage, length - at);
    for (int64_t h = 0; h < kHeads; ++h) {
      kernels::Kernels().store_kv(
          kernels::KvType::kF32, keys,
          rows.data() + (first + at) * kColumns + h * kDim, kColumns, count,
          kDim, pages.back().data() + static_cast<size_t>(h) * head, 0);
    }
  }
  return pages;
}

TEST(TextAttention, IsNearTheGeneralOneForAnyThreads) {
  if (!HasTextAttention(kDim)) GTEST_SKIP() << "no tiles of bf16 here";
  EXPECT_FALSE(HasTextAttention(24));
  EXPECT_FALSE(HasTextAttention(256));
  const Texts texts;
  Random random(5);
  const double scale = 0.3;
  const auto size = static_cast<size_t>(texts.rows * kColumns);
  std::vector<float> rows[3];
  for (auto& each : rows) {
    for (size_t i = 0; i < size; ++i) {
      const auto value = static_cast<float>(random.Uniform() * 4 - 2);
      each.push_back(kernels::BF16ToFloat(kernels::FloatToBF16(value)));
    }
  }
  std::vector<float> bias(static_cast<size_t>(kHeads * (2 * texts.reach - 1)));
  for (float& value : bias) value = static_cast<float>(random.Uniform());
  for (const bool has_bias : {false, true}) {
    std::vector<uint16_t> first;
    for (const int threads : {1, 2}) {
      ThreadPool pool(threads);
      Arena arena;
      Exec exec{pool, arena, {}, nullptr};
      uint16_t* rounded[3];
      for (int which = 0; which < 3; ++which) {
        rounded[which] = NewTextRows(arena, texts.rows, kColumns);
        for (size_t i = 0; i < size; ++i) {
          rounded[which][i] = kernels::FloatToBF16(
              rows[which][i] * (which == 0 ? TextQueryScale(scale) : 1));
        }
      }
      const Activations out =
          NewActivations(arena, texts.rows, kColumns, {.bf16 = true});
      AttendTexts(exec,
                  {.heads = kHeads,
                   .head_dim = kDim,
                   .queries = rounded[0],
                   .keys = rounded[1],
                   .values = rounded[2],
                   .distance_bias =
                       has_bias ? TextBias(arena, bias.data(),
                                           static_cast<int64_t>(bias.size()))
                                : nullptr,
                   .reach = texts.reach},
                  texts.lengths, out);
      // The general one.
      std::vector<std::vector<std::byte>> memory;
      std::vector<std::vector<const std::byte*>> keys, values;
      std::vector<AttentionSlice> slices;
      int64_t row = 0;
      for (const int64_t length : texts.lengths) {
        for (auto* pages : {&keys, &values}) {
          pages->emplace_back();
          for (auto& page : Pages(pages == &keys, row, length,
                                  rows[pages == &keys ? 1 : 2])) {
            memory.push_back(std::move(page));
            pages->back().push_back(memory.back().data());
          }
        }
        row += length;
      }
      row = 0;
      for (size_t i = 0; i < texts.lengths.size(); ++i) {
        slices.push_back({.first_row = row,
                          .rows = texts.lengths[i],
                          .keys = keys[i].data(),
                          .values = values[i].data(),
                          .pages = static_cast<int64_t>(keys[i].size())});
        row += texts.lengths[i];
      }
      AttentionShape shape;
      shape.type = kernels::KvType::kF32;
      shape.heads = shape.kv_heads = kHeads;
      shape.head_dim = kDim;
      shape.causal = false;
      shape.reach = texts.reach;
      if (has_bias) shape.distance_bias = bias.data();
      std::vector<float> queries = rows[0];
      for (float& value : queries) value *= static_cast<float>(scale);
      const Activations exact =
          NewActivations(arena, texts.rows, kColumns, {.f32 = true});
      Attention(exec, shape, queries.data(), slices, exact);
      double squares = 0, difference = 0;
      for (size_t i = 0; i < size; ++i) {
        const double want = static_cast<double>(exact.values[i]);
        const double got =
            static_cast<double>(kernels::BF16ToFloat(out.bf16[i]));
        squares += want * want;
        difference += (got - want) * (got - want);
        // Scores of up to 10 are of queries rounded to bf16.
        ASSERT_NEAR(got, want, 0.05) << i;
      }
      EXPECT_LT(std::sqrt(difference / squares), 0.005);
      if (first.empty()) first.assign(out.bf16, out.bf16 + size);
      EXPECT_TRUE(std::equal(first.begin(), first.end(), out.bf16));
    }
  }
}

}  // namespace
}  // namespace malmoi::ops
