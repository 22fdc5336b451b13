// A GGUF's tokenizer and chat template as the files of a Hugging Face folder:
// byte-level BPE, SentencePiece's BPE, WordPiece.
#ifndef MALMOI_TEXT_TOKENIZE_TO_JSON_H_
#define MALMOI_TEXT_TOKENIZE_TO_JSON_H_

#include <filesystem>
#include <memory>

#include "formats/gguf.h"

namespace malmoi::text {

// tokenizer.json, tokenizer_config.json, generation_config.json, and
// chat_template.jinja where there is one. Throws kUnsupported for another kind
// of tokenizer, kCorrupt.
void WriteTokenizer(const std::shared_ptr<const formats::GgufFile>& file,
                    const std::filesystem::path& folder);

}  // namespace malmoi::text

#endif  // MALMOI_TEXT_TOKENIZE_TO_JSON_H_
