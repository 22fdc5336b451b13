// UMAP's last step: the vertices of a graph find their places. A batch of them
// moves at once, from places that stay until all of it has been computed, and
// what edges do to their other ends is added afterwards, in order: so threads
// share a batch, and a seed gives the same bytes on any number of them.
#ifndef MALMOI_LEARN_MANIFOLD_LAYOUT_H_
#define MALMOI_LEARN_MANIFOLD_LAYOUT_H_

#include <cstdint>
#include <vector>

#include "base/thread_pool.h"
#include "learn/manifold/fuzzy.h"
#include "learn/manifold/points.h"

namespace malmoi::learn {

struct LayoutOptions {
  int64_t dimensions = 2;
  int64_t epochs = 200;
  Curve curve;
  int negatives = 5;
  double rate = 1, repulsion = 1;
  uint64_t seed = 42;
};

// places: [graph.size][dimensions], where vertices begin. Returns where they
// are afterwards.
std::vector<float> LayOut(ThreadPool& pool, const Graph& graph,
                          const std::vector<float>& places,
                          const LayoutOptions& options,
                          const Progress& progress = {});

}  // namespace malmoi::learn

#endif  // MALMOI_LEARN_MANIFOLD_LAYOUT_H_
