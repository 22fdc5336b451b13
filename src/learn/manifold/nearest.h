// The nearest rows of every row: exactly, by blocks of matrix products whose
// best are measured again in double; and for what is drawn, in few dimensions.
#ifndef MALMOI_LEARN_MANIFOLD_NEAREST_H_
#define MALMOI_LEARN_MANIFOLD_NEAREST_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "base/thread_pool.h"
#include "learn/manifold/points.h"

namespace malmoi::learn {

// Of every row its nearest, itself first at distance 0, then by distance and
// of equal distances by number.
struct NearestTable {
  int64_t rows = 0, count = 0;
  std::vector<int32_t> ids;      // [rows][count]
  std::vector<float> distances;  // [rows][count]
};

// `count`: with the row itself; 2 to points.rows. At most 2^24 rows. Depends on
// neither the threads nor, but for ties, the kernels.
NearestTable NearestRows(ThreadPool& pool, const Points& points, Metric metric,
                         int64_t count, const Progress& progress = {});

// The same by euclidean distance in up to 16 columns, of rows `asked` only
// (empty: all).
NearestTable NearestInMap(ThreadPool& pool, const Points& points, int64_t count,
                          const std::vector<int32_t>& asked = {});

// Distances in double.
class Distances {
 public:
  Distances(const Points& points, Metric metric);
  double Between(int64_t a, int64_t b) const;

 private:
  Points points_;
  Metric metric_;
  std::vector<double> squares_;  // of lengths, for kCosine
};

// How near rows are to rows, roughly (in f32), for many at once: larger is
// nearer, and the order within a row is that of distances.
class RoughScores {
 public:
  static constexpr int64_t kBlock = 4096;

  RoughScores(ThreadPool& pool, const Points& points, Metric metric);
  ~RoughScores();
  int64_t rows() const { return rows_; }
  int64_t blocks() const { return (rows_ + kBlock - 1) / kBlock; }
  int64_t block_rows(int64_t block) const {
    return std::min(kBlock, rows_ - block * kBlock);
  }
  // out[i·stride + r]: of row first + i with row r of the block.
  void Compute(int64_t block, int64_t first, int64_t count, float* out,
               int64_t stride);
  // The rows as they are compared: of length 1, or their mean subtracted.
  const float* row(int64_t index) const {
    return values_.data() + index * columns_;
  }

 private:
  struct Packed;

  ThreadPool& pool_;
  int64_t rows_, columns_;
  std::vector<float> values_;  // [rows][columns]
  std::vector<float> halves_;  // [rows]: half of the square of their length
  std::unique_ptr<Packed> packed_;
};

}  // namespace malmoi::learn

#endif  // MALMOI_LEARN_MANIFOLD_NEAREST_H_
