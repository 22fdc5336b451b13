// Gemma 3: five layers with a window to one without, norms of heads.
#include <cmath>

#include "models/arch/arch.h"
#include "models/arch/common.h"

namespace malmoi::models {

Spec DescribeGemma3(const Checkpoint& checkpoint) {
  const Config config(checkpoint);
  Spec spec = DescribeGemma(checkpoint);
  spec.post_norms = true;
  AttentionSpec& attention = spec.attention;
  // The 27B model (62 layers) scales by width/heads; GGUF has no key for it.
  const double divisor =
      checkpoint.gguf && spec.layers == 62
          ? static_cast<double>(spec.width / attention.heads)
          : config.Number("", "query_pre_attn_scalar",
                          static_cast<double>(attention.head_dim));
  attention.scale = 1.0 / std::sqrt(divisor);
  attention.head_norms = HeadNorms::kEachHead;
  ReadSliding(config, 6, spec);
  attention.rope =
      ReadRope(config, attention.head_dim, spec.context, "full_attention");
  attention.rope.pairs = RopePairs::kHalves;
  RopeSpec& sliding = attention.sliding_rope;
  sliding = {};
  sliding.pairs = RopePairs::kHalves;
  sliding.dim = attention.rope.dim;
  sliding.theta = config.Number(
      "rope.freq_base_swa",
      "rope_parameters.sliding_attention.rope_theta|rope_local_base_freq",
      10000.0);
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
