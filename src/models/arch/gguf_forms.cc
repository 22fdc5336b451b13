// The architectures that `convert` writes as GGUF.
#include <string>

#include "base/error.h"
#include "models/gguf_form.h"

namespace malmoi::models {

namespace {

constexpr GgufForm kForms[] = {
    {.model_type = "gpt2",
     .architecture = "gpt2",
     .kv_heads = false,
     .rope_base = false,
     .activation = Activation::kGeluTanh},
    {.model_type = "llama",
     .architecture = "llama",
     .vocab_size = true,
     .interleaved = true},
    {.model_type = "mistral",
     .architecture = "llama",
     .vocab_size = true,
     .interleaved = true},
    {.model_type = "olmo2", .architecture = "olmo2"},
    {.model_type = "qwen2", .architecture = "qwen2"},
    {.model_type = "qwen3", .architecture = "qwen3"},
    {.model_type = "smollm3",
     .architecture = "smollm3",
     .vocab_size = true,
     .interleaved = true,
     .unrotated_step = 4},
    {.model_type = "starcoder2",
     .architecture = "starcoder2",
     .activation = Activation::kGeluTanh},
};

}  // namespace

const GgufForm& FindGgufForm(std::string_view model_type,
                             std::string_view where) {
  std::string known;
  for (const GgufForm& form : kForms) {
    if (form.model_type == model_type) return form;
    known += (known.empty() ? "" : ", ") + std::string(form.model_type);
  }
  throw Error(ErrorCode::kUnsupported,
              {.where = std::string(where),
               .what = "an architecture that is not converted yet",
               .expected = known,
               .got = std::string(model_type),
               .hint = "a GGUF of this model, or llama.cpp's "
                       "convert_hf_to_gguf.py"});
}

}  // namespace malmoi::models
