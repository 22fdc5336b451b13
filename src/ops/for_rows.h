// Work on rows that do not depend on one another, in parallel where there are
// enough of them.
#ifndef MALMOI_OPS_FOR_ROWS_H_
#define MALMOI_OPS_FOR_ROWS_H_

#include <algorithm>
#include <cstdint>

#include "ops/exec.h"

namespace malmoi::ops {

// Calls body(first, count, thread) for parts of the rows, which begin at
// multiples of `unit`.
template <typename F>
void ForParts(Exec& exec, int64_t rows, int64_t unit, F&& body) {
  constexpr int64_t kSerialRows = 4;  // fewer cost less than a region
  constexpr int64_t kRowsPerTask = 16;
  if (rows <= kSerialRows) {
    if (rows > 0) body(int64_t{0}, rows, 0);
    return;
  }
  const int64_t share =
      std::clamp<int64_t>(rows / (exec.pool.threads() * 2), 1, kRowsPerTask);
  const int64_t step = (share + unit - 1) / unit * unit;
  const int tasks = static_cast<int>((rows + step - 1) / step);
  exec.pool.Run(tasks, [&](int task, int thread) {
    const int64_t first = task * step;
    body(first, std::min(step, rows - first), thread);
  });
}

// Calls body(row, thread) for every row.
template <typename F>
void ForRows(Exec& exec, int64_t rows, F&& body) {
  ForParts(exec, rows, 1, [&](int64_t first, int64_t count, int thread) {
    for (int64_t r = first; r < first + count; ++r) body(r, thread);
  });
}

}  // namespace malmoi::ops

#endif  // MALMOI_OPS_FOR_ROWS_H_
