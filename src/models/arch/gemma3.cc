// Gemma 3: five layers with a window to one without, norms of heads.
#include "models/arch/arch.h"
#include "models/arch/common.h"

namespace malmoi::models {

Spec DescribeGemma3(const Checkpoint& checkpoint) {
  const Config config(checkpoint);
  Spec spec = DescribeGemma(checkpoint);
  spec.post_norms = true;
  ReadQueryScale(config, 62, spec);
  spec.attention.head_norms = HeadNorms::kEachHead;
  ReadSliding(config, 6, spec);
  ReadOwnSlidingRope(
      config,
      "rope_parameters.sliding_attention.rope_theta|rope_local_base_freq",
      10000.0, spec);
  if (ReadActivation(config, Activation::kGeluTanh) != Activation::kGeluTanh) {
    config.Refuse("activation", "another than gelu_pytorch_tanh");
  }
  for (const char* cap :
       {"final_logit_softcapping", "attn_logit_softcapping"}) {
    if (config.Has(cap)) config.Refuse(cap, "a number");
  }
  return spec;
}

}  // namespace malmoi::models
