// What training changes: two matrices whose rows begin at cache lines, and the
// rows that make a word's input.
#ifndef MALMOI_LEARN_WORD2VEC_WEIGHTS_H_
#define MALMOI_LEARN_WORD2VEC_WEIGHTS_H_

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <vector>

#include "base/random.h"
#include "base/thread_pool.h"

namespace malmoi::learn {

// [rows][stride] f32, zero at first.
class AlignedRows {
 public:
  AlignedRows() = default;
  // Throws kLimit where there is not enough memory.
  AlignedRows(int64_t rows, int64_t columns);
  float* row(int64_t index) { return data_.get() + index * stride_; }
  const float* row(int64_t index) const {
    return data_.get() + index * stride_;
  }
  int64_t rows() const { return rows_; }
  int64_t columns() const { return columns_; }
  int64_t stride() const { return stride_; }
  std::span<float> values() {
    return {data_.get(), static_cast<size_t>(rows_ * stride_)};
  }
  // Without what is behind the columns.
  std::vector<float> Dense() const;

 private:
  struct Free {
    void operator()(float* p) const { std::free(p); }
  };
  int64_t rows_ = 0, columns_ = 0, stride_ = 0;
  std::unique_ptr<float, Free> data_;
};

// Uniform in [-scale, scale) by the seed and the row.
void FillUniform(AlignedRows& rows, float scale, uint64_t seed,
                 ThreadPool& pool);

// Draws words with probability proportional to count^power (Walker 1977's alias
// method): exact, two look-ups.
class WordSampler {
 public:
  WordSampler() = default;
  WordSampler(std::span<const int64_t> counts, double power);
  int32_t Draw(Random& random) const {
    const auto at =
        static_cast<size_t>((uint64_t{random.Next()} * cells_.size()) >> 32);
    const Cell& cell = cells_[at];
    return random.Next() < cell.keep ? static_cast<int32_t>(at) : cell.other;
  }

 private:
  struct Cell {
    uint32_t keep;  // of 2^32
    int32_t other;
  };
  std::vector<Cell> cells_;
};

// A seed for each place: mixes all bits (Steele et al. 2014, SplitMix64).
inline uint64_t MixSeed(uint64_t a, uint64_t b) {
  uint64_t z = a + 0x9e3779b97f4a7c15ull * (b + 1);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

}  // namespace malmoi::learn

#endif  // MALMOI_LEARN_WORD2VEC_WEIGHTS_H_
