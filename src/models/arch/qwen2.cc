// Qwen2 and 2.5: a Llama with biases of query, key and value.
#include <algorithm>

#include "models/arch/arch.h"
#include "models/arch/common.h"

namespace malmoi::models {

namespace {

// Before layer_types, the first layers saw everything.
void SlideBehind(const Config& config, Spec& spec) {
  const int64_t full = config.CountOrZero("", "max_window_layers");
  for (int64_t i = 0; i < std::min(full, spec.layers); ++i) {
    spec.attention.sliding[static_cast<size_t>(i)] = false;
  }
}

}  // namespace

Spec DescribeQwen2(const Checkpoint& checkpoint) {
  const Config config(checkpoint);
  Spec spec = ReadCommon(config);
  spec.attention.bias = true;
  if (config.Flag("use_sliding_window")) {
    ReadSliding(config, 0, spec);
    if (!config.Has("layer_types") && spec.attention.window > 0) {
      SlideBehind(config, spec);
    }
  }
  return spec;
}

}  // namespace malmoi::models
