// Qwen2 with a mixture of experts and one that all rows share.
#include "models/arch/arch.h"
#include "models/arch/common.h"

namespace malmoi::models {

Spec DescribeQwen2Moe(const Checkpoint& checkpoint) {
  const Config config(checkpoint);
  Spec spec = DescribeQwen2(checkpoint);
  spec.attention.bias = HasBias(config, "blk.0.attn_q.bias", "qkv_bias", true);
  ReadExperts(config, spec);
  ReadDenseLayers(config, spec);
  ExpertsSpec& experts = spec.experts;
  // GGUF has no key for it; the published models do not.
  experts.normalize = config.Flag("norm_topk_prob");
  experts.shared_hidden = config.Count("expert_shared_feed_forward_length",
                                       "shared_expert_intermediate_size");
  return spec;
}

}  // namespace malmoi::models
