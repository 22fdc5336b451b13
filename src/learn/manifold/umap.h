// A map of points: near ones near, in few dimensions. McInnes, Healy, Melville
// 2018, "UMAP: Uniform Manifold Approximation and Projection for Dimension
// Reduction"; defaults are those of umap-learn.
// A seed gives the same bytes on any number of threads.
#ifndef MALMOI_LEARN_MANIFOLD_UMAP_H_
#define MALMOI_LEARN_MANIFOLD_UMAP_H_

#include <cstdint>
#include <vector>

#include "base/thread_pool.h"
#include "learn/manifold/fuzzy.h"
#include "learn/manifold/points.h"

namespace malmoi::learn {

enum class MapStart { kSpectral, kPca, kRandom };

struct UmapOptions {
  int64_t dimensions = 2;   // up to 16
  int64_t neighbours = 15;  // with the point itself; fewer than points
  double min_dist = 0.1, spread = 1;
  Metric metric = Metric::kCosine;
  int64_t epochs = 0;  // 0: 500 for up to 10,000 points, 200 for more
  int negatives = 5;   // points that push, for each that draws
  double rate = 1;     // of learning, at the beginning
  double repulsion = 1;
  MapStart start = MapStart::kSpectral;
  uint64_t seed = 42;
  // With more points neighbours are found approximately (descent.h).
  int64_t exact_rows = 65536;
};

struct Umap {
  std::vector<float> places;  // [points.rows][dimensions]
  int32_t components = 1;     // of the graph of neighbours
  bool exact = true;          // all neighbours, not nearly all
};

// Throws kInvalidArgument for options out of range, neighbours that are not
// fewer than the points, all points equal, and a value that is not finite;
// kLimit for 2^24 points; kCancelled.
Umap FitUmap(ThreadPool& pool, const Points& points, const UmapOptions& options,
             const Progress& progress = {});

}  // namespace malmoi::learn

#endif  // MALMOI_LEARN_MANIFOLD_UMAP_H_
