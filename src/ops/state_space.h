// Selective state spaces over rows of several sequences: convolution and
// recurrence (kernels/state_space.h), by channels or heads in parallel.
#ifndef MALMOI_OPS_STATE_SPACE_H_
#define MALMOI_OPS_STATE_SPACE_H_

#include <cstdint>
#include <span>

#include "kernels/state_space.h"
#include "ops/exec.h"

namespace malmoi::ops {

// Rows of one sequence, and what one layer remembers of it.
struct StateSlice {
  int64_t first_row = 0, rows = 0;
  float* window = nullptr;  // [taps-1][convolved channels]
  float* state = nullptr;   // see below
};

// What is common to all slices stands in the last argument: pointers to row 0
// and channel 0 of everything; its rows, window and state are not looked at.
void Convolve(Exec& exec, std::span<const StateSlice> slices,
              const kernels::Convolution& all);
// state and rates: parts of kScanPart channels, the last perhaps smaller, each
// [states][its channels], so that a part lies together: rows as far apart as
// all channels would share few lines of a cache.
inline constexpr int64_t kScanPart = 128;
void ScanChannels(Exec& exec, std::span<const StateSlice> slices,
                  const kernels::Scan& all);
// `channels` are those of a head, all heads lie beside one another, and in and
// out are those of the first of `groups`. state: [heads][states][channels].
void ScanHeads(Exec& exec, std::span<const StateSlice> slices, int64_t heads,
               int64_t groups, const kernels::Scan& all);

}  // namespace malmoi::ops

#endif  // MALMOI_OPS_STATE_SPACE_H_
