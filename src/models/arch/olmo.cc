// OLMo (Groeneveld et al. 2024): norms without parameters.
#include "models/arch/arch.h"
#include "models/arch/common.h"

namespace malmoi::models {

Spec DescribeOlmo(const Checkpoint& checkpoint) {
  const Config config(checkpoint);
  Spec spec = ReadCommon(config, NormKind::kLayer);
  spec.norm_weight = false;
  spec.attention.clip = config.NumberOrZero("attention.clamp_kqv", "clip_qkv");
  if (checkpoint.gguf) InterleaveHeads(spec);
  ReadLlamaBiases(config, spec);
  return spec;
}

}  // namespace malmoi::models
