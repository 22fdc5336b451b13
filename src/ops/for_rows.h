// Work on rows that do not depend on one another, in parallel where there are
// enough of them.
#ifndef MALMOI_OPS_FOR_ROWS_H_
#define MALMOI_OPS_FOR_ROWS_H_

#include <algorithm>
#include <cstdint>

#include "ops/exec.h"

namespace malmoi::ops {

// Calls body(row, thread) for every row.
template <typename F>
void ForRows(Exec& exec, int64_t rows, F&& body) {
  constexpr int64_t kSerialRows = 4;  // fewer cost less than a region
  constexpr int64_t kRowsPerTask = 16;
  if (rows <= kSerialRows) {
    for (int64_t r = 0; r < rows; ++r) body(r, 0);
    return;
  }
  const int64_t step =
      std::clamp<int64_t>(rows / (exec.pool.threads() * 2), 1, kRowsPerTask);
  const int tasks = static_cast<int>((rows + step - 1) / step);
  exec.pool.Run(tasks, [&](int task, int thread) {
    const int64_t end = std::min(rows, (task + 1) * step);
    for (int64_t r = task * step; r < end; ++r) body(r, thread);
  });
}

}  // namespace malmoi::ops

#endif  // MALMOI_OPS_FOR_ROWS_H_
