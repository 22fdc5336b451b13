// Static sentence vectors from a table with a row for each token of a
// tokenizer: model2vec's folders (Tulkens & van Dongen 2024), those of
// sentence-transformers' StaticEmbedding, and a bare pair of model.safetensors
// and tokenizer.json, as wordllama has them.
#ifndef MALMOI_REPRESENT_STATIC_TOKEN_EMBEDDER_H_
#define MALMOI_REPRESENT_STATIC_TOKEN_EMBEDDER_H_

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "formats/gguf.h"
#include "represent/contextual/embedder.h"
#include "tensor/tensor.h"

namespace malmoi::represent {

struct TokenTable {
  std::filesystem::path folder;  // of the tensors and the tokenizer
  Tensor rows;                   // [rows][dimensions], any type of floats or I8
  // Of clustered vocabularies: the row of each token, and what it is
  // multiplied with; empty: token i has row i, of weight 1.
  std::vector<int32_t> mapping;
  std::vector<float> weights;
  bool drops_unknown = false;  // the unknown token does not count
  bool normalizes = false;     // of model2vec's config.json
  int64_t max_tokens = 0;      // as the folder says; 0: any number

  // Throws kNotFound, kUnsupported (a type), and kCorrupt: a tensor that is
  // missing, misshapen or not finite, a mapping to rows that are not there.
  static TokenTable Open(const std::filesystem::path& path);
  // The tensors alone; `file` is for messages.
  static TokenTable FromTensors(const formats::TensorMap& tensors,
                                const std::filesystem::path& file);
};

// Whether a path is such a folder.
bool IsTokenTable(const std::filesystem::path& path);

// Throws as TokenTable::Open() and text::Tokenizer::FromFolder(); kCorrupt for
// a table smaller than the vocabulary; kUnsupported for adapters and 8-bit
// products, which have nothing to work on.
std::shared_ptr<Embedder> LoadTokenEmbedder(const std::filesystem::path& path,
                                            const EmbedderOptions& options);

}  // namespace malmoi::represent

#endif  // MALMOI_REPRESENT_STATIC_TOKEN_EMBEDDER_H_
