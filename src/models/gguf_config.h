// config.json of a GGUF file: the keys of its form, read the other way.
#ifndef MALMOI_MODELS_GGUF_CONFIG_H_
#define MALMOI_MODELS_GGUF_CONFIG_H_

#include "base/json.h"
#include "models/checkpoint.h"
#include "models/gguf_form.h"

namespace malmoi::models {

// `spec` is the file's, complete. Throws kUnsupported for a rotation that
// config.json has no words for.
Json ConfigOf(const Checkpoint& source, const GgufForm& form, const Spec& spec);

}  // namespace malmoi::models

#endif  // MALMOI_MODELS_GGUF_CONFIG_H_
