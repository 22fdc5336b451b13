// Where a layout begins: eigenvectors of a graph's normalized Laplacian (Belkin
// & Niyogi 2003, "Laplacian Eigenmaps"), of each connected component by itself.
#ifndef MALMOI_LEARN_MANIFOLD_SPECTRAL_H_
#define MALMOI_LEARN_MANIFOLD_SPECTRAL_H_

#include <cstdint>
#include <vector>

#include "base/thread_pool.h"
#include "learn/manifold/fuzzy.h"
#include "learn/manifold/points.h"

namespace malmoi::learn {

struct SpectralLayout {
  std::vector<double> places;  // [size][dimensions]
  int32_t components = 1;
};

// Components lie around the principal components of their means, each within
// half the way to the next; one too small for eigenvectors is random there.
// The same bytes for any number of threads.
SpectralLayout LayOutSpectrally(ThreadPool& pool, const Graph& graph,
                                const Points& points, int64_t dimensions,
                                uint64_t seed);

}  // namespace malmoi::learn

#endif  // MALMOI_LEARN_MANIFOLD_SPECTRAL_H_
