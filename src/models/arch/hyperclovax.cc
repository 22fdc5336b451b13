// HyperCLOVA X SEED: Granite's multipliers, norms behind its blocks, and logits
// that are multiplied where Granite's are divided.
#include "models/arch/arch.h"
#include "models/arch/common.h"

namespace malmoi::models {

Spec DescribeHyperClovaX(const Checkpoint& checkpoint) {
  const Config config(checkpoint);
  Spec spec = DescribeGranite(checkpoint);
  spec.logit_scale = config.Number("", "logits_scaling", 1.0);
  spec.post_norms = config.Flag("use_post_norm");
  return spec;
}

}  // namespace malmoi::models
