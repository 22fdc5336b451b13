// Mistral (Jiang et al. 2023): a Llama with a sliding window.
#include "models/arch/arch.h"
#include "models/arch/common.h"

namespace malmoi::models {

Spec DescribeMistral(const Checkpoint& checkpoint) {
  const Config config(checkpoint);
  Spec spec = ReadCommon(config);
  ReadSliding(config, 0, spec);
  return spec;
}

}  // namespace malmoi::models
