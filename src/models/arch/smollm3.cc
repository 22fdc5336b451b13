// SmolLM3: each fourth layer without rotation.
#include <string>
#include <vector>

#include "models/arch/arch.h"
#include "models/arch/common.h"

namespace malmoi::models {

Spec DescribeSmolLm3(const Checkpoint& checkpoint) {
  const Config config(checkpoint);
  Spec spec = DescribeLlama(checkpoint);
  if (config.Flag("use_sliding_window")) ReadSliding(config, 0, spec);
  // Each fourth layer does not rotate, or those with a 0 in the list.
  const std::vector<int64_t> rotated = config.Flags("no_rope_layers");
  if (!rotated.empty() && static_cast<int64_t>(rotated.size()) != spec.layers) {
    config.Refuse("no_rope_layers of this length",
                  std::to_string(rotated.size()));
  }
  const int64_t every = config.Count("", "no_rope_layer_interval", 4);
  for (int64_t i = 0; i < spec.layers; ++i) {
    spec.attention.unrotated.push_back(
        rotated.empty() ? (i + 1) % every == 0
                        : rotated[static_cast<size_t>(i)] == 0);
  }
  return spec;
}

}  // namespace malmoi::models
