// The largest eigenvalues of a symmetric operator and their vectors: Lanczos
// with full orthogonalization and thick restarts (Wu & Simon 2000,
// "Thick-Restart Lanczos Method for Large Symmetric Eigenvalue Problems"), and
// Jacobi's rotations for the small matrices within.
#ifndef MALMOI_LEARN_MANIFOLD_EIGEN_H_
#define MALMOI_LEARN_MANIFOLD_EIGEN_H_

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/thread_pool.h"

namespace malmoi::learn {

// values: largest first; vectors: [values.size()][size], orthonormal.
struct Eigenpairs {
  std::vector<double> values;
  std::vector<double> vectors;
  bool converged = true;
};

// All of a dense symmetric matrix, [size][size].
Eigenpairs SymmetricEigen(std::vector<double> matrix, int64_t size);

// y = A·x, both [size]; symmetric.
using SymmetricOperator =
    std::function<void(std::span<const double> x, std::span<double> y)>;

struct LanczosOptions {
  int64_t count = 2;
  int64_t basis = 0;         // vectors kept at once; 0: 4·count + 24
  double tolerance = 1e-10;  // |A·v - λ·v|, relative to the largest |λ|
  int64_t most_products = 2000;
  uint64_t seed = 1;
};

// The same bytes for any number of threads. What has not converged after
// `most_products` is returned as it is then.
Eigenpairs LargestEigenpairs(ThreadPool& pool, int64_t size,
                             const SymmetricOperator& apply,
                             const LanczosOptions& options);

}  // namespace malmoi::learn

#endif  // MALMOI_LEARN_MANIFOLD_EIGEN_H_
