#include "models/arch/arch.h"
#include "models/arch/common.h"

namespace malmoi::models {

Spec DescribeLlama(const Checkpoint& checkpoint) {
  const Config config(checkpoint);
  Spec spec = ReadCommon(config);
  // GGUF converters permute query and key rows for neighbouring pairs.
  if (checkpoint.gguf) spec.attention.rope.pairs = RopePairs::kAdjacent;
  ReadLlamaBiases(config, spec);
  return spec;
}

}  // namespace malmoi::models
