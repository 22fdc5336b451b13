// EXAONE 4: norms behind the blocks only.
#include "models/arch/arch.h"
#include "models/arch/common.h"

namespace malmoi::models {

// Layers that see everything do not rotate where others have a window.
Spec DescribeExaone4(const Checkpoint& checkpoint) {
  const Config config(checkpoint);
  Spec spec = ReadCommon(config);
  spec.pre_norms = false;
  spec.post_norms = true;
  spec.attention.head_norms = HeadNorms::kEachHead;
  ReadSliding(config, 4, spec);
  UnrotateFullLayers(spec);
  return spec;
}

}  // namespace malmoi::models
