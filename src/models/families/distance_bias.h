// A bias of attention scores by distance (Raffel et al. 2020, section 2.1).
#ifndef MALMOI_MODELS_FAMILIES_DISTANCE_BIAS_H_
#define MALMOI_MODELS_FAMILIES_DISTANCE_BIAS_H_

#include <cstdint>
#include <vector>

#include "tensor/arena.h"

namespace malmoi::models {

// Small distances have a bucket each, larger ones share those of a logarithmic
// scale, and from `farthest` on the last.
struct DistanceBuckets {
  int64_t count = 0;
  int64_t farthest = 128;
  bool both_ways = false;  // half of the buckets for what stands behind
};

// The bucket of distance = position of the key - that of the query.
int64_t BucketOf(int64_t distance, const DistanceBuckets& buckets);

// What AttentionShape::distance_bias wants for distances below `reach`, from a
// table [buckets.count][heads]. In the arena.
const float* BiasByDistance(Arena& arena, const std::vector<float>& table,
                            int64_t heads, const DistanceBuckets& buckets,
                            int64_t reach);

}  // namespace malmoi::models

#endif  // MALMOI_MODELS_FAMILIES_DISTANCE_BIAS_H_
