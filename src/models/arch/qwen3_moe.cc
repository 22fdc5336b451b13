// Qwen3 with a mixture of experts.
#include "models/arch/arch.h"
#include "models/arch/common.h"

namespace malmoi::models {

Spec DescribeQwen3Moe(const Checkpoint& checkpoint) {
  const Config config(checkpoint);
  Spec spec = DescribeQwen3(checkpoint);
  ReadExperts(config, spec);
  ReadDenseLayers(config, spec);
  // GGUF has no key for it; the published models do.
  spec.experts.normalize = checkpoint.gguf || config.Flag("norm_topk_prob");
  return spec;
}

}  // namespace malmoi::models
