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
    ReadOwnSlidingRope(config, "rope_parameters.sliding_attention.rope_theta",
                       attention.rope.theta, spec);
  }
  ReadLlamaBiases(config, spec);
  return spec;
}

}  // namespace malmoi::models
