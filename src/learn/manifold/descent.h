// Nearly all nearest rows, where comparing every pair would take too long:
// NN-descent (Dong, Charikar, Li 2011, "Efficient K-Nearest Neighbor Graph
// Construction for Generic Similarity Measures"), begun in the leaves of random
// projection trees (Dasgupta & Freund 2008).
#ifndef MALMOI_LEARN_MANIFOLD_DESCENT_H_
#define MALMOI_LEARN_MANIFOLD_DESCENT_H_

#include <cstdint>

#include "base/thread_pool.h"
#include "learn/manifold/nearest.h"

namespace malmoi::learn {

// As NearestRows(), but a few percent of the neighbours may be missed, with
// others, a little farther, in their place. The same bytes for any number of
// threads.
NearestTable NearlyNearestRows(ThreadPool& pool, const Points& points,
                               Metric metric, int64_t count, uint64_t seed,
                               const Progress& progress = {});

}  // namespace malmoi::learn

#endif  // MALMOI_LEARN_MANIFOLD_DESCENT_H_
