// Cohere Command R7B: three layers with a window, one without positions.
#include "models/arch/arch.h"
#include "models/arch/common.h"

namespace malmoi::models {

Spec DescribeCohere2(const Checkpoint& checkpoint) {
  Spec spec = DescribeCohere(checkpoint);
  ReadSliding(Config(checkpoint), 4, spec);
  UnrotateFullLayers(spec);
  return spec;
}

}  // namespace malmoi::models
