// What the names of pre-tokenizers in GGUF metadata stand for: the stages that
// the models' tokenizer.json have, as llama.cpp's converter names them.
#ifndef MALMOI_TEXT_TOKENIZE_GGUF_PRE_TOKENIZERS_H_
#define MALMOI_TEXT_TOKENIZE_GGUF_PRE_TOKENIZERS_H_

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/json.h"

namespace malmoi::text {

struct GgufPreTokenizer {
  std::string_view name;
  // The stages as tokenizer.json has them.
  Json (*stages)(bool prefix_space);
  bool nfc = false;
  bool ignore_merges = false;
  bool adds_bos = false;  // where the file does not say
};

// Throws kUnsupported, with all names, for one that is not known.
const GgufPreTokenizer& FindGgufPreTokenizer(
    const std::optional<std::string>& name, std::string_view where);

// Sorted by name but for the first, the usual ones of several names for the
// same stages.
std::span<const GgufPreTokenizer> GgufPreTokenizers();

}  // namespace malmoi::text

#endif  // MALMOI_TEXT_TOKENIZE_GGUF_PRE_TOKENIZERS_H_
