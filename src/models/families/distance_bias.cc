#include "models/families/distance_bias.h"

#include <algorithm>
#include <cmath>

namespace malmoi::models {

int64_t BucketOf(int64_t distance, const DistanceBuckets& buckets) {
  const int64_t count = buckets.both_ways ? buckets.count / 2 : buckets.count;
  const int64_t exact = count / 2;
  const int64_t first = buckets.both_ways && distance > 0 ? count : 0;
  const int64_t n =
      buckets.both_ways ? std::abs(distance) : std::max<int64_t>(-distance, 0);
  if (n < exact) return first + n;
  // In f32, as the reference does.
  const float scaled =
      std::log(static_cast<float>(n) / static_cast<float>(exact)) /
      static_cast<float>(std::log(static_cast<double>(buckets.farthest) /
                                  static_cast<double>(exact))) *
      static_cast<float>(count - exact);
  return first + std::min(exact + static_cast<int64_t>(scaled), count - 1);
}

const float* BiasByDistance(Arena& arena, const std::vector<float>& table,
                            int64_t heads, const DistanceBuckets& buckets,
                            int64_t reach) {
  const int64_t stride = 2 * reach - 1;
  float* bias = arena.New<float>(static_cast<size_t>(heads * stride));
  for (int64_t d = 1 - reach; d < reach; ++d) {
    const int64_t bucket = BucketOf(d, buckets);
    for (int64_t h = 0; h < heads; ++h) {
      bias[h * stride + d + reach - 1] =
          table[static_cast<size_t>(bucket * heads + h)];
    }
  }
  return bias;
}

}  // namespace malmoi::models
