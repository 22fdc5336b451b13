#include "learn/manifold/points.h"

#include <cmath>

namespace malmoi::learn {

void CheckPoints(const Points& points, const std::string& where) {
  if (points.rows < 1 || points.columns < 1) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = where,
                 .what = "no vectors",
                 .expected = "at least one row and one column",
                 .got = Format("{} x {}", points.rows, points.columns)});
  }
  for (int64_t r = 0; r < points.rows; ++r) {
    // A sum is finite only if all values are; which one, only then.
    const float* row = points.row(r);
    float sum = 0;
    for (int64_t c = 0; c < points.columns; ++c) sum += row[c] * 0.0f;
    if (sum == 0) continue;
    for (int64_t c = 0; c < points.columns; ++c) {
      if (std::isfinite(row[c])) continue;
      throw Error(ErrorCode::kInvalidArgument,
                  {.where = Format("{}, row {}", where, r + 1),
                   .what = "a value that is no finite number",
                   .expected = "finite numbers",
                   .got = Format("{} in column {}", row[c], c + 1)});
    }
  }
}

}  // namespace malmoi::learn
