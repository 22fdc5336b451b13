// Texts in, one vector each out: an encoder, its tokenizer, and what a
// sentence-transformers folder says of pooling, projection and length
// (Reimers & Gurevych 2019, "Sentence-BERT").
#ifndef MALMOI_REPRESENT_CONTEXTUAL_EMBEDDER_H_
#define MALMOI_REPRESENT_CONTEXTUAL_EMBEDDER_H_

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "models/encoder.h"
#include "text/tokenize/tokenizer.h"

namespace malmoi::represent {

struct EmbedderOptions {
  models::Precision precision = models::Precision::kFast;
  int threads = 0;                      // 0: one per usable processor
  models::PackedCacheOptions packed{};  // as generate::LoadOptions
  std::vector<models::AdapterChoice> adapters{};
};

struct EmbedOptions {
  // Texts longer than the model reads: an error, or cut, which the result
  // tells.
  bool truncate = false;
  size_t first = 0;  // the number of the first text, for messages
};

struct Embeddings {
  int64_t dimensions = 0;
  std::vector<float> values;    // [texts][dimensions]
  std::vector<int64_t> tokens;  // of each text, special ones included
  std::vector<bool> truncated;

  std::span<const float> row(size_t text) const {
    return std::span(values).subspan(text * static_cast<size_t>(dimensions),
                                     static_cast<size_t>(dimensions));
  }
};

class Embedder {
 public:
  virtual ~Embedder() = default;

  // A Hugging Face folder of an encoder; pooling by modules.json, or the mean
  // where there is none. Throws as models::Encoder::Load(), and kUnsupported
  // for modules it does not know.
  static std::shared_ptr<Embedder> Load(const std::filesystem::path& path,
                                        const EmbedderOptions& options = {});

  // In any order of lengths; a text's vector does not depend on the others.
  // Throws kContextOverflow, with the text's number, for one too long.
  virtual Embeddings Embed(std::span<const std::string> texts,
                           const EmbedOptions& options = {}) = 0;

  virtual int64_t dimensions() const = 0;
  virtual int64_t max_tokens() const = 0;
  virtual const models::EncoderSpec& spec() const = 0;
};

// The cosine of the angle between two vectors; 0 where one of them is 0.
double Cosine(std::span<const float> a, std::span<const float> b);

}  // namespace malmoi::represent

#endif  // MALMOI_REPRESENT_CONTEXTUAL_EMBEDDER_H_
