// Gemma 3 (Gemma Team 2025), text: sandwich norms, norms of heads, and five
// layers with a sliding window for each that sees everything.
#ifndef MALMOI_MODELS_ARCH_GEMMA3_H_
#define MALMOI_MODELS_ARCH_GEMMA3_H_

#include "models/registry.h"

namespace malmoi::models {

Spec DescribeGemma3(const Checkpoint& checkpoint);
extern const std::span<const TensorName> kGemma3Tensors;

}  // namespace malmoi::models

#endif  // MALMOI_MODELS_ARCH_GEMMA3_H_
