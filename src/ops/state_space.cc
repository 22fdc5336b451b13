#include "ops/state_space.h"

#include <algorithm>

#include "kernels/kernels.h"

namespace malmoi::ops {

namespace {

// Calls body(slice, part) for every slice and part, in parallel.
template <typename F>
void ForParts(Exec& exec, std::span<const StateSlice> slices, int64_t parts,
              F&& body) {
  const int64_t tasks = static_cast<int64_t>(slices.size()) * parts;
  exec.pool.Run(static_cast<int>(tasks), [&](int task, int) {
    body(slices[static_cast<size_t>(task / parts)], task % parts);
  });
}

// The same for channels in parts of `most`: body(slice, first, count).
template <typename F>
void ForChannels(Exec& exec, std::span<const StateSlice> slices,
                 int64_t channels, int64_t most, F&& body) {
  ForParts(exec, slices, (channels + most - 1) / most,
           [&](const StateSlice& slice, int64_t part) {
             const int64_t first = part * most;
             body(slice, first, std::min(most, channels - first));
           });
}

}  // namespace

void Convolve(Exec& exec, std::span<const StateSlice> slices,
              const kernels::Convolution& all) {
  ForChannels(exec, slices, all.channels, 256,
              [&](const StateSlice& slice, int64_t first, int64_t count) {
                kernels::Convolution part = all;
                part.rows = slice.rows;
                part.channels = count;
                part.x += slice.first_row * all.x_stride + first;
                part.filters += first;
                part.bias += first;
                part.window = slice.window + first;
                part.out += slice.first_row * all.out_stride + first;
                kernels::Kernels().convolve(part);
              });
}

void ScanChannels(Exec& exec, std::span<const StateSlice> slices,
                  const kernels::Scan& all) {
  ForChannels(exec, slices, all.channels, kScanPart,
              [&](const StateSlice& slice, int64_t first, int64_t count) {
                kernels::Scan part = all;
                part.rows = slice.rows;
                part.channels = count;
                part.x += slice.first_row * all.x_stride + first;
                part.in += slice.first_row * all.in_stride;
                part.out += slice.first_row * all.in_stride;
                part.steps += slice.first_row * all.step_stride + first;
                part.rates += first * all.states;
                part.skips += first;
                part.state = slice.state + first * all.states;
                part.state_stride = count;
                part.y += slice.first_row * all.y_stride + first;
                kernels::Kernels().scan_channels(part);
              });
}

void ScanHeads(Exec& exec, std::span<const StateSlice> slices, int64_t heads,
               int64_t groups, const kernels::Scan& all) {
  ForParts(exec, slices, heads, [&](const StateSlice& slice, int64_t head) {
    const int64_t group = head * groups / heads;
    kernels::Scan part = all;
    part.rows = slice.rows;
    part.x += slice.first_row * all.x_stride + head * all.channels;
    part.in += slice.first_row * all.in_stride + group * all.states;
    part.out += slice.first_row * all.in_stride + group * all.states;
    part.steps += slice.first_row * all.step_stride + head;
    part.decays += slice.first_row * all.step_stride + head;
    part.skips += head;
    part.state = slice.state + head * all.states * all.channels;
    part.y += slice.first_row * all.y_stride + head * all.channels;
    kernels::Kernels().scan_head(part);
  });
}

}  // namespace malmoi::ops
