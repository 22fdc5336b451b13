// What the relatives of BART have in common.
#ifndef MALMOI_MODELS_ARCH_BART_H_
#define MALMOI_MODELS_ARCH_BART_H_

#include "models/config.h"
#include "models/spec.h"

namespace malmoi::models {

// Sizes, activation, context, scale of the embedding.
EncoderDecoderSpec ReadBart(const Config& config);

}  // namespace malmoi::models

#endif  // MALMOI_MODELS_ARCH_BART_H_
