// Gemma 2: soft caps, every other layer with a window.
#include "models/arch/arch.h"
#include "models/arch/common.h"

namespace malmoi::models {

Spec DescribeGemma2(const Checkpoint& checkpoint) {
  const Config config(checkpoint);
  Spec spec = DescribeGemma(checkpoint);
  spec.post_norms = true;
  AttentionSpec& attention = spec.attention;
  ReadQueryScale(config, 46, spec);
  attention.softcap =
      config.NumberOrZero("attn_logit_softcapping", "attn_logit_softcapping");
  spec.logit_softcap =
      config.NumberOrZero("final_logit_softcapping", "final_logit_softcapping");
  ReadSliding(config, 2, spec);
  return spec;
}

}  // namespace malmoi::models
