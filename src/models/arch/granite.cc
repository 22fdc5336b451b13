// Granite: a Llama with multipliers.
#include "models/arch/arch.h"
#include "models/arch/common.h"

namespace malmoi::models {

Spec DescribeGranite(const Checkpoint& checkpoint) {
  const Config config(checkpoint);
  Spec spec = DescribeLlama(checkpoint);
  spec.attention.scale = config.Number(
      "attention.scale", "attention_multiplier", spec.attention.scale);
  spec.embedding_scale =
      config.Number("embedding_scale", "embedding_multiplier", 1.0);
  spec.residual_scale =
      config.Number("residual_scale", "residual_multiplier", 1.0);
  spec.logit_scale = 1.0 / config.Number("logit_scale", "logits_scaling", 1.0);
  return spec;
}

}  // namespace malmoi::models
