// Mixtral (Jiang et al. 2024): Mistral with eight experts.
#include "models/arch/arch.h"
#include "models/arch/common.h"

namespace malmoi::models {

Spec DescribeMixtral(const Checkpoint& checkpoint) {
  const Config config(checkpoint);
  Spec spec = DescribeMistral(checkpoint);
  ReadExperts(config, spec);
  spec.experts.normalize = true;
  return spec;
}

}  // namespace malmoi::models
