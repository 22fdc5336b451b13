// OLMo 2 and 3: norms behind the blocks, and of all query and key heads.
#include "models/arch/arch.h"
#include "models/arch/common.h"

namespace malmoi::models {

// OLMo 2 and 3; GGUF calls both olmo2, and a window makes the third.
Spec DescribeOlmo2(const Checkpoint& checkpoint) {
  const Config config(checkpoint);
  Spec spec = ReadCommon(config);
  spec.pre_norms = false;
  spec.post_norms = true;
  AttentionSpec& attention = spec.attention;
  attention.head_norms = HeadNorms::kAllHeads;
  ReadSliding(config, 4, spec);
  if (!attention.sliding.empty()) {
    attention.rope =
        ReadRope(config, attention.head_dim, spec.context, "full_attention");
    attention.rope.pairs = RopePairs::kHalves;
    // Layers with a window keep the plain rotation.
    attention.sliding_rope = {};
    attention.sliding_rope.pairs = RopePairs::kHalves;
    attention.sliding_rope.dim = attention.rope.dim;
    attention.sliding_rope.theta = config.Number(
        "rope.freq_base_swa", "rope_parameters.sliding_attention.rope_theta",
        attention.rope.theta);
  }
  ReadLlamaBiases(config, spec);
  return spec;
}

}  // namespace malmoi::models
