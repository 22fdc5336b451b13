#include "learn/word2vec/weights.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "base/error.h"
#include "base/format.h"

namespace malmoi::learn {

AlignedRows::AlignedRows(int64_t rows, int64_t columns)
    : rows_(rows), columns_(columns), stride_((columns + 15) / 16 * 16) {
  const auto count = CheckedMul(static_cast<uint64_t>(rows_),
                                static_cast<uint64_t>(stride_) * 4);
  if (count) {
    data_.reset(static_cast<float*>(
        std::aligned_alloc(64, std::max<uint64_t>(64, *count))));
  }
  if (data_ == nullptr) {
    throw Error(ErrorCode::kLimit,
                {.where = "word vectors",
                 .what = "not enough memory",
                 .got = Format("{} rows of {} values", rows, columns)});
  }
  std::memset(data_.get(), 0, *count);
}

std::vector<float> AlignedRows::Dense() const {
  std::vector<float> dense(static_cast<size_t>(rows_ * columns_));
  for (int64_t i = 0; i < rows_; ++i) {
    std::copy_n(row(i), columns_, dense.data() + i * columns_);
  }
  return dense;
}

void FillUniform(AlignedRows& rows, float scale, uint64_t seed,
                 ThreadPool& pool) {
  constexpr int64_t kRows = 1024;
  pool.Run(
      static_cast<int>((rows.rows() + kRows - 1) / kRows), [&](int task, int) {
        const int64_t begin = task * kRows;
        const int64_t end = std::min(rows.rows(), begin + kRows);
        for (int64_t i = begin; i < end; ++i) {
          Random random(MixSeed(seed, static_cast<uint64_t>(i)));
          float* row = rows.row(i);
          for (int64_t k = 0; k < rows.columns(); ++k) {
            // 24 bits: exact in a float.
            const auto unit =
                static_cast<float>(random.Next() >> 8) * 0x1.0p-23f;  // [0, 2)
            row[k] = (unit - 1.0f) * scale;
          }
        }
      });
}

WordSampler::WordSampler(std::span<const int64_t> counts, double power) {
  const size_t n = counts.size();
  std::vector<double> share(n);
  double sum = 0;
  for (size_t i = 0; i < n; ++i) {
    share[i] = std::pow(static_cast<double>(counts[i]), power);
    sum += share[i];
  }
  for (double& each : share) each *= static_cast<double>(n) / sum;
  std::vector<int32_t> small, large;
  for (size_t i = 0; i < n; ++i) {
    (share[i] < 1 ? small : large).push_back(static_cast<int32_t>(i));
  }
  cells_.resize(n);
  while (!small.empty() && !large.empty()) {
    const int32_t less = small.back(), more = large.back();
    small.pop_back();
    const double keep = share[static_cast<size_t>(less)];
    cells_[static_cast<size_t>(less)] = {
        static_cast<uint32_t>(std::min(keep * 0x1.0p32, 4294967295.0)), more};
    double& rest = share[static_cast<size_t>(more)];
    rest -= 1 - keep;
    if (rest < 1) {
      large.pop_back();
      small.push_back(more);
    }
  }
  for (const auto& left : {small, large}) {
    for (int32_t i : left) cells_[static_cast<size_t>(i)] = {UINT32_MAX, i};
  }
}

}  // namespace malmoi::learn
