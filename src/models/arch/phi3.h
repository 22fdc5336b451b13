// Phi-3, Phi-3.5 and Phi-4-mini (Abdin et al. 2024): Llama's block with fused
// matrices, LongRoPE and, in some, a sliding window on every layer.
#ifndef MALMOI_MODELS_ARCH_PHI3_H_
#define MALMOI_MODELS_ARCH_PHI3_H_

#include "models/registry.h"

namespace malmoi::models {

Spec DescribePhi3(const Checkpoint& checkpoint);
extern const std::span<const TensorName> kPhi3Tensors;
extern const std::span<const std::string_view> kPhi3Ignored;

}  // namespace malmoi::models

#endif  // MALMOI_MODELS_ARCH_PHI3_H_
