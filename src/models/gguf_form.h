// How llama.cpp's converter writes an architecture as GGUF, where that differs.
#ifndef MALMOI_MODELS_GGUF_FORM_H_
#define MALMOI_MODELS_GGUF_FORM_H_

#include <cstdint>
#include <string_view>

#include "models/spec.h"

namespace malmoi::models {

struct GgufForm {
  std::string_view model_type;    // of config.json
  std::string_view architecture;  // general.architecture
  bool kv_heads = true;           // says their number
  bool rope_base = true;
  bool vocab_size = false;  // with it the rotated dimensions
  // The halves of query and key heads become neighbours.
  bool interleaved = false;
  // What a reader of the GGUF takes for granted: the activation, and that each
  // so many-th layer does not rotate (0: all do).
  Activation activation = Activation::kSilu;
  int64_t unrotated_step = 0;
};

// Throws kUnsupported, listing those that there are.
const GgufForm& FindGgufForm(std::string_view model_type,
                             std::string_view where);

}  // namespace malmoi::models

#endif  // MALMOI_MODELS_GGUF_FORM_H_
