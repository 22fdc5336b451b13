// The nearest rows of every row: exactly, by blocks of matrix products whose
// best are measured again in double. Products of rows rounded to bf16 are
// trusted as far as their error's bound says. And for what is drawn, in few
// dimensions.
#ifndef MALMOI_LEARN_MANIFOLD_NEAREST_H_
#define MALMOI_LEARN_MANIFOLD_NEAREST_H_

#include <cstdint>
#include <memory>
#include <span>
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

// So many more are kept until distances are measured in double: rounding in
// f32 decides among fewer.
inline constexpr int64_t kSpareNearest = 6;

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

// Rows whose products say how near they are: x·y - halves[y] is larger for a y
// that is nearer to x. Of length 1, or their mean subtracted.
struct Comparable {
  std::vector<float> values;  // [rows][columns]
  std::vector<float> halves;  // [rows]: half of the square of their length
};
Comparable MakeComparable(const Points& points, Metric metric);

// The `count - 1` nearest of `others` by distance and number, behind the row
// itself, into row `place` of the table. There are enough of them.
void PutNearest(const Distances& distances, int64_t row,
                const std::vector<int32_t>& others, NearestTable& table,
                int64_t place);

// How near rows are to rows, roughly, for many at once: larger is nearer, and
// the order within a row is that of distances.
class RoughScores {
 public:
  static constexpr int64_t kBlock = 1024;

  // `coarse` may round rows to bf16, where that is faster.
  RoughScores(ThreadPool& pool, const Points& points, Metric metric,
              bool coarse = false);
  ~RoughScores();
  int64_t rows() const { return rows_; }
  int64_t blocks() const { return (rows_ + kBlock - 1) / kBlock; }
  int64_t block_rows(int64_t block) const {
    return std::min(kBlock, rows_ - block * kBlock);
  }
  bool coarse() const { return coarse_; }
  // out[i·stride + r]: of row first + i with row r of the block.
  void Compute(int64_t block, int64_t first, int64_t count, float* out,
               int64_t stride);
  // The same of the rows with these numbers.
  void Compute(int64_t block, std::span<const int32_t> rows, float* out,
               int64_t stride);
  // What a score of row a with row b has to be lessened by to become that of b
  // with a: half(a) - half(b).
  float half(int64_t row) const {
    return comparable_.halves[static_cast<size_t>(row)];
  }
  // The score of a row with another at this distance.
  double ScoreAt(int64_t row, double distance) const;
  // How far a score of the row may be from that of unrounded rows.
  double Error(int64_t row) const;

 private:
  struct Packed;
  void PackBlocks(const std::vector<uint16_t>& rounded);
  // Rounds all rows; notes how long they are and what is lost of them.
  std::vector<uint16_t> Round();
  void Multiply(int64_t block, const float* rows, int64_t count, float* out,
                int64_t stride);

  ThreadPool& pool_;
  Metric metric_;
  int64_t rows_, columns_;
  bool coarse_;
  Comparable comparable_;
  // Lengths of rows, and of what rounding takes from them.
  std::vector<float> lengths_, lost_;
  float longest_ = 0, most_lost_ = 0;
  std::unique_ptr<Packed> packed_;
};

}  // namespace malmoi::learn

#endif  // MALMOI_LEARN_MANIFOLD_NEAREST_H_
