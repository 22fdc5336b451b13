// The weights of a state space: small ones lie with the channels last, as the
// kernels read them.
#include <algorithm>
#include <cmath>
#include <utility>

#include "models/families/decoder_weights.h"
#include "ops/state_space.h"

namespace malmoi::models {

namespace {

// [rows][columns] as parts of at most `part` rows, each [columns][its rows].
std::vector<float> Transpose(const std::vector<float>& from, int64_t columns,
                             int64_t part) {
  const int64_t rows = std::ssize(from) / columns;
  std::vector<float> to;
  to.reserve(from.size());
  for (int64_t first = 0; first < rows; first += part) {
    for (int64_t c = 0; c < columns; ++c) {
      for (int64_t r = first; r < std::min(rows, first + part); ++r) {
        to.push_back(from[static_cast<size_t>(r * columns + c)]);
      }
    }
  }
  return to;
}

}  // namespace

void ReadStateSpace(WeightReader& reader, bool gguf, const Spec& spec,
                    int64_t index, StateSpaceLayer& layer) {
  const StateSpaceSpec& state = spec.state_space;
  const int64_t convolved = state.convolved();
  const auto values = [&](Role role, const Shape& shape) {
    return reader.Values(role, index, shape);
  };
  reader.Matrix(Role::kStateIn, index, state.projected(), spec.width,
                state.bias, layer.in);
  layer.filters = Transpose(
      values(Role::kStateFilters, gguf ? Shape{convolved, state.taps}
                                       : Shape{convolved, 1, state.taps}),
      state.taps, convolved);
  if (state.filter_bias) {
    const Tensor* bias =
        reader.finder().FindBias(Role::kStateFilters, index, {convolved});
    if (bias != nullptr) layer.filter_bias = Floats(*bias);
  } else {
    layer.filter_bias.resize(layer.filters.size() /
                             static_cast<size_t>(state.taps));
  }
  reader.Matrix(Role::kStateOut, index, spec.width, state.inner, state.bias,
                layer.out);
  if (state.short_convolution) return;
  if (state.heads > 0) {
    const Shape each = gguf ? Shape{state.heads, 1} : Shape{state.heads};
    layer.step.bias = values(Role::kStateStep, {state.heads});
    layer.rates = values(Role::kStateRates, each);
    layer.skips = values(Role::kStateSkips, each);
  } else {
    reader.Matrix(Role::kStateParts, index, state.step_rank + 2 * state.states,
                  state.inner, false, layer.parts);
    reader.Matrix(Role::kStateStep, index, state.inner, state.step_rank, true,
                  layer.step);
    layer.rates =
        Transpose(values(Role::kStateRates, {state.inner, state.states}),
                  state.states, ops::kScanPart);
    layer.skips = values(Role::kStateSkips, {state.inner});
  }
  if (state.log_rates) {
    for (float& rate : layer.rates) rate = -std::exp(rate);
  }
  if (state.gated_norm) {
    layer.norm.weight = values(
        Role::kStateNorm, gguf ? Shape{state.groups, state.inner / state.groups}
                               : Shape{state.inner});
  }
}

}  // namespace malmoi::models
