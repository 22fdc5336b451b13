// Granite with a mixture of experts.
#include "models/arch/arch.h"
#include "models/arch/common.h"

namespace malmoi::models {

Spec DescribeGraniteMoe(const Checkpoint& checkpoint) {
  const Config config(checkpoint);
  Spec spec = DescribeGranite(checkpoint);
  ReadExperts(config, spec);
  spec.experts.normalize = true;
  return spec;
}

}  // namespace malmoi::models
