// The residual stream behind every layer, as a tap sees it.
#ifndef MALMOI_APPS_INSPECT_HIDDEN_STATES_H_
#define MALMOI_APPS_INSPECT_HIDDEN_STATES_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "apps/inspect/inspected_model.h"

namespace malmoi::apps {

// Positions [from, to) of a text, counted from 0; `to` < 0: to its end.
struct PositionRange {
  int64_t from = 0, to = -1;
  int64_t size() const { return to - from; }
};
// Throws kInvalidArgument for a range that is not within `tokens` or empty.
PositionRange CheckRange(PositionRange range, int64_t tokens);

struct HiddenStates {
  int64_t width = 0;
  PositionRange range;
  // [0] behind the embedding, [i] behind layer i, counted from 1: f32
  // [positions][width]. transformers' hidden_states but for the last, which it
  // gives behind the last norm where the model has one.
  std::vector<std::vector<float>> layers;
  std::vector<float> normed;  // behind the last norm; empty: it has none

  std::span<const float> row(size_t layer, int64_t position) const {
    return std::span(layers[layer])
        .subspan(static_cast<size_t>((position - range.from) * width),
                 static_cast<size_t>(width));
  }
};

// Of a text, one forward; with a target, of an encoder-decoder's decoder,
// otherwise of its encoder. What is kept is at most 1 GiB, else kLimit.
HiddenStates ReadHiddenStates(const InspectedModel& model,
                              std::span<const int32_t> ids,
                              std::span<const int32_t> target,
                              PositionRange range = {});

}  // namespace malmoi::apps

#endif  // MALMOI_APPS_INSPECT_HIDDEN_STATES_H_
