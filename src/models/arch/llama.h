// Llama (Touvron et al. 2023) and the models that share its shape, SmolLM2
// among them.
#ifndef MALMOI_MODELS_ARCH_LLAMA_H_
#define MALMOI_MODELS_ARCH_LLAMA_H_

#include "models/registry.h"

namespace malmoi::models {

Spec DescribeLlama(const Checkpoint& checkpoint);
extern const std::span<const TensorName> kLlamaTensors;
extern const std::span<const std::string_view> kLlamaIgnored;

}  // namespace malmoi::models

#endif  // MALMOI_MODELS_ARCH_LLAMA_H_
