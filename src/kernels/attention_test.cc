// Attention of every target against the scalar twin and against its formula,
// for every type of keys and values.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "base/random.h"
#include "kernels/kernels.h"
#include "kernels/unpack.h"

namespace malmoi::kernels {
namespace {

constexpr KvType kTypes[] = {KvType::kF32, KvType::kF16, KvType::kQ8};

float Uniform(Random& random) {
  return static_cast<float>(random.Uniform() * 2 - 1);
}

// Keys and values of one head at positions [0, count), stored by `table`.
class Cache {
 public:
  Cache(KvType type, int64_t head_dim, int64_t count, const KernelTable& table)
      : type_(type), head_dim_(head_dim) {
    const int64_t padded = PaddedHeadDim(type, head_dim);
    const size_t pages =
        static_cast<size_t>((count + kAttentionPage - 1) / kAttentionPage);
    Random random(6);
    keys_.resize(pages);
    values_.resize(pages);
    for (size_t p = 0; p < pages; ++p) {
      keys_[p].resize(KvPageBytes(type, padded));
      values_[p].resize(KvPageBytes(type, padded));
      key_pages_.push_back(keys_[p].data());
      value_pages_.push_back(values_[p].data());
    }
    std::vector<float> head(static_cast<size_t>(head_dim));
    for (int64_t j = 0; j < count; ++j) {
      const size_t page = static_cast<size_t>(j / kAttentionPage);
      for (const bool key : {true, false}) {
        for (float& value : head) value = Uniform(random);
        auto& plain = key ? plain_keys_ : plain_values_;
        plain.insert(plain.end(), head.begin(), head.end());
        table.store_kv(type, key, head.data(), 0, 1, head_dim,
                       (key ? keys_ : values_)[page].data(),
                       j % kAttentionPage);
      }
    }
  }

  int64_t padded() const { return PaddedHeadDim(type_, head_dim_); }
  float key(int64_t j, int64_t d) const {
    return plain_keys_[static_cast<size_t>(j * head_dim_ + d)];
  }
  float value(int64_t j, int64_t d) const {
    return plain_values_[static_cast<size_t>(j * head_dim_ + d)];
  }
  bool SameBytes(const Cache& other) const {
    return keys_ == other.keys_ && values_ == other.values_;
  }

  // All chunks in order.
  void Attend(const KernelTable& table, std::vector<AttentionQuery> queries) {
    const int count = static_cast<int>(queries.size());
    std::vector<float> scratch(AttentionScratch(padded(), count));
    std::vector<float> a(AttentionStateFloats(padded(), count)), b(a.size());
    const AttentionState total = StateAt(a.data(), count);
    const AttentionState part = StateAt(b.data(), count);
    const AttentionInput in = {
        type_,         padded(),          queries.data(),
        count,         key_pages_.data(), value_pages_.data(),
        scratch.data()};
    const int64_t last = (queries.back().visible - 1) / kAttentionChunk;
    int64_t chunk = queries[0].first / kAttentionChunk;
    table.attend_chunk(in, chunk, total);
    while (++chunk <= last) {
      table.attend_chunk(in, chunk, part);
      MergeStates(total, part, count, padded());
    }
    FinishState(total, queries.data(), count, padded());
  }

 private:
  KvType type_;
  int64_t head_dim_;
  std::vector<std::vector<std::byte>> keys_, values_;
  std::vector<const std::byte*> key_pages_, value_pages_;
  std::vector<float> plain_keys_, plain_values_;
};

class AttentionTest : public ::testing::TestWithParam<const KernelTable*> {};

struct Seen {
  int64_t first, visible;
};

// Queries, their results by `table`, and the results one by one.
struct Outcome {
  std::vector<float> queries, together, alone;
};
// `bias`: of scores, by position; `sinks`: of each query.
Outcome Attend(Cache& cache, const KernelTable& table, int64_t head_dim,
               const std::vector<Seen>& seen,
               const std::vector<float>& bias = {},
               const std::vector<float>& sinks = {}) {
  Random random(7);
  const size_t dim = static_cast<size_t>(cache.padded());
  Outcome out;
  out.queries.assign(seen.size() * dim, 0.0f);
  out.together.resize(out.queries.size());
  out.alone.resize(out.queries.size());
  std::vector<AttentionQuery> tile;
  for (size_t q = 0; q < seen.size(); ++q) {
    for (int64_t d = 0; d < head_dim; ++d) {
      out.queries[q * dim + static_cast<size_t>(d)] = Uniform(random);
    }
    tile.push_back({out.queries.data() + q * dim, seen[q].first,
                    seen[q].visible, out.together.data() + q * dim});
    if (!bias.empty()) tile.back().bias = bias.data();
    if (!sinks.empty()) tile.back().sink = &sinks[q];
    AttentionQuery one = tile.back();
    one.out = out.alone.data() + q * dim;
    cache.Attend(table, {one});
  }
  cache.Attend(table, tile);
  return out;
}

std::vector<Seen> Spread(int count, int64_t from, int64_t step,
                         int64_t window) {
  std::vector<Seen> seen;
  for (int q = 0; q < count; ++q) {
    const int64_t visible = from + q * step;
    seen.push_back(
        {window > 0 ? std::max<int64_t>(0, visible - window) : 0, visible});
  }
  return seen;
}

TEST_P(AttentionTest, EqualsTheScalarTwinWhateverSharesTheTile) {
  constexpr int64_t kPositions = 1152;  // past two chunks of 512
  for (const KvType type : kTypes) {
    for (const int64_t head_dim : {16, 80, 96}) {
      Cache cache(type, head_dim, kPositions, ScalarKernels());
      for (const auto& seen :
           {Spread(1, 1, 1, 0), Spread(2, 64, 1, 0), Spread(7, 60, 1, 0),
            Spread(5, 1, 280, 0), Spread(13, 1, 90, 0), Spread(64, 480, 1, 0),
            Spread(64, 33, 17, 70), Spread(8, 700, 1, 3)}) {
        const Outcome fast = Attend(cache, *GetParam(), head_dim, seen);
        const Outcome twin = Attend(cache, ScalarKernels(), head_dim, seen);
        for (size_t i = 0; i < fast.together.size(); ++i) {
          ASSERT_NEAR(fast.together[i], twin.together[i], 2e-6)
              << static_cast<int>(type) << " " << head_dim << " " << seen.size()
              << " " << i;
          ASSERT_EQ(fast.together[i], fast.alone[i])
              << static_cast<int>(type) << " " << head_dim << " " << seen.size()
              << " " << i;
        }
      }
    }
  }
}

// A slope by position, as ALiBi has it, and sinks below and above all scores.
TEST_P(AttentionTest, BiasesAndSinksEqualTheScalarTwin) {
  constexpr int64_t kPositions = 1152, kDim = 80;
  std::vector<float> bias;
  for (int64_t j = 0; j < kPositions; ++j) {
    bias.push_back(0.03125f * static_cast<float>(j));
  }
  for (const KvType type : kTypes) {
    Cache cache(type, kDim, kPositions, ScalarKernels());
    for (const auto& seen : {Spread(1, 1, 1, 0), Spread(7, 60, 1, 0),
                             Spread(13, 1, 90, 0), Spread(64, 33, 17, 70)}) {
      std::vector<float> sinks;
      for (size_t q = 0; q < seen.size(); ++q) {
        sinks.push_back(static_cast<float>(q % 5) * 12.0f - 24.0f);
      }
      const Outcome fast = Attend(cache, *GetParam(), kDim, seen, bias, sinks);
      const Outcome twin =
          Attend(cache, ScalarKernels(), kDim, seen, bias, sinks);
      for (size_t i = 0; i < fast.together.size(); ++i) {
        ASSERT_NEAR(fast.together[i], twin.together[i], 3e-6)
            << static_cast<int>(type) << " " << seen.size() << " " << i;
        ASSERT_EQ(fast.together[i], fast.alone[i]) << seen.size() << " " << i;
      }
    }
  }
}

// softmax(query·keys + bias, sink)·values in double precision, from what was
// stored.
void CheckFormula(const KernelTable& table, const std::vector<float>& bias,
                  const std::vector<float>& sinks) {
  constexpr int64_t kDim = 64, kPositions = 600;
  const std::vector<Seen> seen = {{0, 1}, {0, 90}, {30, 513}, {100, 600}};
  for (const KvType type : kTypes) {
    Cache cache(type, kDim, kPositions, table);
    const Outcome out = Attend(cache, table, kDim, seen, bias, sinks);
    // An 8-bit code is within 1/254 of the largest of its 32, a score of 64
    // products of two such within some hundredths.
    const double tolerance = type == KvType::kF32   ? 2e-6
                             : type == KvType::kF16 ? 1e-3
                                                    : 2e-2;
    for (size_t q = 0; q < seen.size(); ++q) {
      std::vector<double> weights;
      double total =
          sinks.empty() ? 0.0 : std::exp(static_cast<double>(sinks[q]));
      for (int64_t j = seen[q].first; j < seen[q].visible; ++j) {
        double score = bias.empty()
                           ? 0.0
                           : static_cast<double>(bias[static_cast<size_t>(j)]);
        for (int64_t d = 0; d < kDim; ++d) {
          score += static_cast<double>(cache.key(j, d)) *
                   static_cast<double>(
                       out.queries[q * kDim + static_cast<size_t>(d)]);
        }
        weights.push_back(std::exp(score));
        total += weights.back();
      }
      for (int64_t d = 0; d < kDim; ++d) {
        double sum = 0;
        for (int64_t j = seen[q].first; j < seen[q].visible; ++j) {
          sum += weights[static_cast<size_t>(j - seen[q].first)] *
                 static_cast<double>(cache.value(j, d));
        }
        EXPECT_NEAR(static_cast<double>(
                        out.together[q * kDim + static_cast<size_t>(d)]),
                    sum / total, tolerance)
            << static_cast<int>(type) << " " << q << " " << d;
      }
    }
  }
}

TEST_P(AttentionTest, IsTheFormulaWithinThePrecisionOfItsType) {
  CheckFormula(*GetParam(), {}, {});
  std::vector<float> bias;
  for (int j = 0; j < 600; ++j) {
    bias.push_back(0.01f * static_cast<float>(j));
  }
  CheckFormula(*GetParam(), bias, {-3.0f, 1.0f, 2.0f, 9.0f});
}

TEST_P(AttentionTest, StoresWhatTheScalarTwinStores) {
  for (const KvType type : kTypes) {
    for (const int64_t head_dim : {2, 30, 64, 100, 256}) {
      const Cache fast(type, head_dim, 70, *GetParam());
      const Cache twin(type, head_dim, 70, ScalarKernels());
      EXPECT_TRUE(fast.SameBytes(twin))
          << static_cast<int>(type) << " " << head_dim;
    }
  }
}

// Largest scores in one place: the others vanish, nothing overflows.
TEST_P(AttentionTest, LargeScoresChooseOneValue) {
  constexpr int64_t kDim = 32, kPositions = 200;
  Cache cache(KvType::kF32, kDim, kPositions, *GetParam());
  std::vector<float> query(kDim), out(kDim);
  for (int64_t d = 0; d < kDim; ++d) {
    query[static_cast<size_t>(d)] = cache.key(150, d) * 1e4f;
  }
  cache.Attend(*GetParam(), {{query.data(), 0, kPositions, out.data()}});
  for (int64_t d = 0; d < kDim; ++d) {
    EXPECT_EQ(out[static_cast<size_t>(d)], cache.value(150, d));
  }
}

TEST_P(AttentionTest, NotANumberIsNotHidden) {
  constexpr int64_t kDim = 32;
  for (const KvType type : {KvType::kF32, KvType::kF16}) {
    Cache cache(type, kDim, 10, *GetParam());
    std::vector<float> query(kDim, NAN), out(kDim);
    cache.Attend(*GetParam(), {{query.data(), 0, 10, out.data()}});
    for (float value : out) EXPECT_TRUE(std::isnan(value));
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, AttentionTest,
                         ::testing::ValuesIn(AllKernels().begin(),
                                             AllKernels().end()),
                         [](const auto& info) {
                           return std::string(info.param->name);
                         });

}  // namespace
}  // namespace malmoi::kernels
