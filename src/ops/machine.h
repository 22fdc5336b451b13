// What this machine is and what it can do: for `doctor`, `bench` and the
// planning of downloads and runs.
#ifndef MALMOI_OPS_MACHINE_H_
#define MALMOI_OPS_MACHINE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "base/thread_pool.h"

namespace malmoi::ops {

struct Machine {
  std::string cpu;            // "AMD EPYC 9B14"
  int processors = 0;         // usable by this process
  uint64_t memory_bytes = 0;  // installed (or the cgroup's limit)
  uint64_t available_bytes = 0;
  std::string target;                // kernels in use: "AVX3_DL", "AVX2"
  std::vector<std::string> targets;  // all that run here, best first
};
Machine DescribeMachine();

// Measured in about half a second each, on all of the pool's threads.
struct Roofs {
  double read_bytes_per_s = 0;  // streaming reads of memory
  double int8_ops_per_s = 0;    // multiply and add counted separately
  double f32_ops_per_s = 0;
};
Roofs MeasureRoofs(ThreadPool& pool);

}  // namespace malmoi::ops

#endif  // MALMOI_OPS_MACHINE_H_
