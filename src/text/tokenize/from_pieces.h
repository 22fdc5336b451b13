// Tokenizers of translators whose authors' files are SentencePiece's, with
// another numbering: by a vocab.json (Marian, M2M-100), or as fairseq does it
// (NLLB, XLM-RoBERTa).
#ifndef MALMOI_TEXT_TOKENIZE_FROM_PIECES_H_
#define MALMOI_TEXT_TOKENIZE_FROM_PIECES_H_

#include <filesystem>
#include <memory>
#include <string_view>

#include "base/json.h"
#include "text/tokenize/tokenizer.h"

namespace malmoi::text {

// That of a folder without tokenizer.json, where it is one of these; null where
// it is none. `config` is tokenizer_config.json, or null. Throws kNotFound for
// a file that such a tokenizer needs and the folder lacks, kUnsupported,
// kCorrupt.
std::shared_ptr<const Tokenizer> FromRenumberedPieces(
    const std::filesystem::path& folder, const Json& config);

// Throws kUnsupported where the class that `config` names is one of these: a
// SentencePiece file's own numbers are not the model's.
void RefuseRenumbered(const Json& config, std::string_view where);

}  // namespace malmoi::text

#endif  // MALMOI_TEXT_TOKENIZE_FROM_PIECES_H_
