// Gemma 2: soft caps, every other layer with a window.
#include <cmath>

#include "models/arch/arch.h"
#include "models/arch/common.h"

namespace malmoi::models {

Spec DescribeGemma2(const Checkpoint& checkpoint) {
  const Config config(checkpoint);
  Spec spec = DescribeGemma(checkpoint);
  spec.post_norms = true;
  AttentionSpec& attention = spec.attention;
  // The 27B model (46 layers) scales by width/heads; GGUF has no key for it.
  const double divisor =
      checkpoint.gguf && spec.layers == 46
          ? static_cast<double>(spec.width / attention.heads)
          : config.Number("", "query_pre_attn_scalar",
                          static_cast<double>(attention.head_dim));
  attention.scale = 1.0 / std::sqrt(divisor);
  attention.softcap =
      config.NumberOrZero("attn_logit_softcapping", "attn_logit_softcapping");
  spec.logit_softcap =
      config.NumberOrZero("final_logit_softcapping", "final_logit_softcapping");
  ReadSliding(config, 2, spec);
  return spec;
}

}  // namespace malmoi::models
