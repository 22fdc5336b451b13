// How much of the points a map keeps. Trustworthiness: who is near on the map
// was near before (Venna & Kaski 2001, "Neighborhood Preservation in Nonlinear
// Projection Methods"); preservation: who was near is near on the map.
#ifndef MALMOI_LEARN_MANIFOLD_MEASURES_H_
#define MALMOI_LEARN_MANIFOLD_MEASURES_H_

#include <cstdint>

#include "base/thread_pool.h"
#include "learn/manifold/points.h"

namespace malmoi::learn {

struct MapQuality {
  double trustworthiness = 0;  // as sklearn.manifold.trustworthiness; 1 is best
  double preservation = 0;     // the share of neighbours kept, 0 to 1
  int64_t neighbours = 0;      // that were asked for, without the point itself
  int64_t rows = 0;            // that were asked
};

struct QualityOptions {
  Metric metric = Metric::kCosine;  // of `points`; the map's is euclidean
  int64_t neighbours = 15;          // fewer than half of the points
  // Of more points so many are asked, evenly spread; all others still count as
  // neighbours.
  int64_t most_rows = 20000;
};

// points: [rows][columns]; map: [rows][up to 16]. Throws kInvalidArgument.
MapQuality MeasureMap(ThreadPool& pool, const Points& points, const Points& map,
                      const QualityOptions& options,
                      const Progress& progress = {});

}  // namespace malmoi::learn

#endif  // MALMOI_LEARN_MANIFOLD_MEASURES_H_
