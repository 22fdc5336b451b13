// A tokenizer from any kind of file, by the end of its name, or a folder: for
// the programs that compare and time tokenizers.
#ifndef MALMOI_TEXT_TOKENIZE_LOAD_ANY_H_
#define MALMOI_TEXT_TOKENIZE_LOAD_ANY_H_

#include <memory>
#include <string>

#include "base/file.h"
#include "base/json.h"
#include "formats/gguf.h"
#include "text/tokenize/tokenizer.h"

namespace malmoi::text {

inline std::shared_ptr<const Tokenizer> LoadAny(const std::string& path) {
  if (path.ends_with(".gguf")) {
    return Tokenizer::FromGguf(formats::GgufFile::Open(path));
  }
  if (path.ends_with(".json")) {
    return Tokenizer::FromJson(ParseJson(ReadFile(path), path), nullptr, path);
  }
  if (path.ends_with(".model")) {
    return Tokenizer::FromSentencePiece(ReadFile(path), nullptr, path);
  }
  return Tokenizer::FromFolder(path);
}

}  // namespace malmoi::text

#endif  // MALMOI_TEXT_TOKENIZE_LOAD_ANY_H_
