// A Unigram vocabulary as GGUF has it ("t5"): of SentencePiece's file, or of a
// tokenizer.json whose stages do what SentencePiece does.
#ifndef MALMOI_TEXT_TOKENIZE_UNIGRAM_TO_GGUF_H_
#define MALMOI_TEXT_TOKENIZE_UNIGRAM_TO_GGUF_H_

#include <cstdint>
#include <optional>
#include <string>

#include "base/json.h"
#include "text/tokenize/sentencepiece_model.h"

namespace malmoi::text {

// The vocabulary by id.
// Throws kUnsupported for stages that GGUF has no words for, kCorrupt.
SentencePieceModel UnigramOf(const Json& tokenizer, const std::string& where);

// What a template of tokenizer.json puts around a text, as llama.cpp's
// converter understands it. Of those that it says nothing of: empty.
struct AddedEnds {
  std::optional<bool> bos, eos, sep;
};
AddedEnds EndsOf(const Json& tokenizer, const Json& config);

}  // namespace malmoi::text

#endif  // MALMOI_TEXT_TOKENIZE_UNIGRAM_TO_GGUF_H_
