// The keys of a GGUF file, made of what is known of a folder.
#ifndef MALMOI_MODELS_GGUF_FACTS_H_
#define MALMOI_MODELS_GGUF_FACTS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "formats/gguf_writer.h"
#include "models/checkpoint.h"
#include "models/convert_tensors.h"
#include "models/gguf_form.h"

namespace malmoi::models {

// Those of the architecture. Tensors that a rotation needs are added to
// `steps`. Throws kUnsupported for a rotation that GGUF has no words for.
void AddFacts(const Checkpoint& source, const GgufForm& form, const Spec& spec,
              formats::GgufMetadata& metadata, std::vector<ConvertStep>& steps);

// config.json's settings of the rotation in one object, wherever they stand.
Json RotationOf(const Json& config);

}  // namespace malmoi::models

#endif  // MALMOI_MODELS_GGUF_FACTS_H_
