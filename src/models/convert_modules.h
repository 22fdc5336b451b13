// What a sentence-transformers folder has behind its transformer, as GGUF.
#ifndef MALMOI_MODELS_CONVERT_MODULES_H_
#define MALMOI_MODELS_CONVERT_MODULES_H_

#include <cstdint>
#include <filesystem>
#include <vector>

#include "formats/gguf_writer.h"
#include "models/checkpoint.h"
#include "models/convert_tensors.h"
#include "models/gguf_form.h"

namespace malmoi::models {

// Of malmoi's own: a text's vector gets the length 1.
constexpr const char* kNormalizeKey = "malmoi.embed.normalize";

// How rows become one vector, and the dense layers that it passes through where
// the form has a place for them. Throws kUnsupported for other modules, by
// name, kCorrupt.
void AddModules(const Checkpoint& source, const GgufForm& form,
                formats::GgufMetadata& metadata,
                std::vector<ConvertStep>& steps);

// The other way: what a GGUF says of them as the files of a
// sentence-transformers folder; none where it says nothing. `width`: of the
// transformer's rows. Throws kUnsupported for a pooling that gives no vector.
void WriteModules(const Checkpoint& source, int64_t width,
                  const std::filesystem::path& folder);

}  // namespace malmoi::models

#endif  // MALMOI_MODELS_CONVERT_MODULES_H_
