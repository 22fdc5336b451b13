// Gemma (Gemma Team 2024): scaled embeddings, norms of 1 + w.
#include <cmath>

#include "models/arch/arch.h"
#include "models/arch/common.h"

namespace malmoi::models {

Spec DescribeGemma(const Checkpoint& checkpoint) {
  const Config config(checkpoint);
  Spec spec = ReadCommon(config);
  // GGUF converters add the 1 to the weights.
  spec.norm_offset = checkpoint.gguf ? 0.0 : 1.0;
  spec.embedding_scale = std::sqrt(static_cast<double>(spec.width));
  // Early files say "gelu" and mean this one.
  spec.feed_forward.activation = Activation::kGeluTanh;
  if (config.Flag("attention_bias")) config.Refuse("attention", "with bias");
  if (config.Flag("use_bidirectional_attention") &&
      !checkpoint.Architecture().starts_with("gemma3")) {
    config.Refuse("attention", "in both directions");
  }
  return spec;
}

}  // namespace malmoi::models
