// Llama 1 to 3 (Touvron et al. 2023), and in GGUF those built like it.
#include "models/arch/arch.h"
#include "models/arch/common.h"

namespace malmoi::models {

Spec DescribeLlama(const Checkpoint& checkpoint) {
  const Config config(checkpoint);
  Spec spec = ReadCommon(config);
  // GGUF converters permute query and key rows for neighbouring pairs.
  if (checkpoint.gguf) InterleaveHeads(spec);
  ReadLlamaBiases(config, spec);
  // GGUF calls Mixtral so, too.
  if (checkpoint.gguf && config.CountOrZero("expert_count", "") > 0) {
    ReadExperts(config, spec);
    spec.experts.normalize = true;
  }
  return spec;
}

}  // namespace malmoi::models
