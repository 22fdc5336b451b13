// Rows of numbers whose shape is to be seen: what PCA, UMAP and their measures
// read.
#ifndef MALMOI_LEARN_MANIFOLD_POINTS_H_
#define MALMOI_LEARN_MANIFOLD_POINTS_H_

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/format.h"

namespace malmoi::learn {

struct Points {
  std::span<const float> values;  // [rows][columns], finite
  int64_t rows = 0, columns = 0;

  const float* row(int64_t index) const {
    return values.data() + index * columns;
  }
};

// kCosine: 1 - cosine; a row of length 0 is at distance 1 from all others.
enum class Metric { kEuclidean, kCosine };

// What is being done, and how much of it (0 to 1). False ends it: what was
// called then throws kCancelled.
using Progress = std::function<bool(std::string_view what, double part)>;

inline void Report(const Progress& progress, std::string_view what,
                   double part) {
  if (progress && !progress(what, part)) {
    throw Error(ErrorCode::kCancelled,
                {.where = std::string(what), .what = "cancelled"});
  }
}

// Throws kInvalidArgument for no row, no column, and for the first value that
// is no finite number.
void CheckPoints(const Points& points, const std::string& where);

}  // namespace malmoi::learn

#endif  // MALMOI_LEARN_MANIFOLD_POINTS_H_
