// Principal components: the directions in which points vary most (Pearson
// 1901; Hotelling 1933), from the exact covariance. Signs as scikit-learn's:
// the largest component of a direction, by size, is positive.
#ifndef MALMOI_LEARN_MANIFOLD_PCA_H_
#define MALMOI_LEARN_MANIFOLD_PCA_H_

#include <cstdint>
#include <vector>

#include "base/thread_pool.h"
#include "learn/manifold/points.h"

namespace malmoi::learn {

struct Pca {
  int64_t columns = 0;
  std::vector<double> mean;        // [columns]
  std::vector<double> components;  // [count][columns], orthonormal
  // [count]: variance along each, and its share of all variance (0 where there
  // is none).
  std::vector<double> variance, share;

  int64_t count() const { return static_cast<int64_t>(variance.size()); }
  // Where points lie, [rows][count].
  std::vector<float> Transform(ThreadPool& pool, const Points& points) const;
};

// Throws kInvalidArgument for fewer than two rows or more components than rows
// or columns; kLimit for more than 16,384 columns.
Pca FitPca(ThreadPool& pool, const Points& points, int64_t count);

}  // namespace malmoi::learn

#endif  // MALMOI_LEARN_MANIFOLD_PCA_H_
