// OLMoE (Muennighoff et al. 2024): a mixture of 64 small experts.
#include "models/arch/arch.h"
#include "models/arch/common.h"

namespace malmoi::models {

// Muennighoff et al. 2024: OLMo 2's norms of query and key, before the block.
Spec DescribeOlmoe(const Checkpoint& checkpoint) {
  const Config config(checkpoint);
  Spec spec = ReadCommon(config);
  spec.attention.head_norms = HeadNorms::kAllHeads;
  spec.attention.clip = config.NumberOrZero("attention.clamp_kqv", "clip_qkv");
  ReadExperts(config, spec);
  spec.experts.normalize = config.Flag("norm_topk_prob");
  return spec;
}

}  // namespace malmoi::models
