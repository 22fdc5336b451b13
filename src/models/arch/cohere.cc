// Cohere Command R: parallel blocks behind one norm without bias.
#include "models/arch/arch.h"
#include "models/arch/common.h"

namespace malmoi::models {

Spec DescribeCohere(const Checkpoint& checkpoint) {
  const Config config(checkpoint);
  Spec spec = ReadCommon(config, NormKind::kLayer);
  spec.parallel = true;
  spec.shared_norm = true;
  spec.logit_scale = config.Number("logit_scale", "logit_scale");
  spec.attention.rope.pairs = RopePairs::kAdjacent;
  if (HasBias(config, "blk.0.attn_q_norm.weight", "use_qk_norm")) {
    spec.attention.head_norms = HeadNorms::kOwnWeight;
  }
  ReadLlamaBiases(config, spec);
  return spec;
}

}  // namespace malmoi::models
