// A Hugging Face folder's tokenizer and chat template as GGUF metadata, with
// the keys of llama.cpp's converter: byte-level BPE, WordPiece, and
// SentencePiece's BPE and Unigram.
#ifndef MALMOI_TEXT_TOKENIZE_TO_GGUF_H_
#define MALMOI_TEXT_TOKENIZE_TO_GGUF_H_

#include <cstdint>
#include <filesystem>

#include "formats/gguf_writer.h"

namespace malmoi::text {

// Ids up to `vocab_size` that no token has become unused ones. Throws
// kNotFound where the folder has no tokenizer, kUnsupported for stages that
// GGUF has no name for, kCorrupt.
void AddTokenizer(const std::filesystem::path& folder, int64_t vocab_size,
                  formats::GgufMetadata& metadata);

}  // namespace malmoi::text

#endif  // MALMOI_TEXT_TOKENIZE_TO_GGUF_H_
