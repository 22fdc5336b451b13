// Texts in, one vector each out, or one for each token: an encoder or the
// inside of a decoder, its tokenizer, and what a sentence-transformers folder
// says of prompts, lengths, pooling and projections (Reimers & Gurevych 2019,
// "Sentence-BERT"); or a table of vectors of tokens or words, whose mean is
// the text's (represent/static).
#ifndef MALMOI_REPRESENT_CONTEXTUAL_EMBEDDER_H_
#define MALMOI_REPRESENT_CONTEXTUAL_EMBEDDER_H_

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/adapter.h"
#include "models/decoder.h"
#include "models/packed_cache.h"

namespace malmoi::represent {

struct EmbedderOptions {
  models::Precision precision = models::Precision::kFast;
  int threads = 0;                      // 0: one per usable processor
  models::PackedCacheOptions packed{};  // as generate::LoadOptions
  std::vector<models::AdapterChoice> adapters{};
};

// Texts longer than the model reads. The result tells which these were.
enum class LongTexts {
  kRefuse,    // an error
  kTruncate,  // they are cut; special tokens around them stay
  // Windows that overlap, each with the prompt and the special tokens; the mean
  // of their vectors by the tokens of the text in each, normalized where the
  // model does.
  kChunk,
};

struct EmbedOptions {
  LongTexts longer = LongTexts::kRefuse;
  // Tokens that a window shares with the one before; none: an eighth of it.
  std::optional<int64_t> overlap{};
  std::string prompt{};  // in front of every text
  // The first so many components, brought to length 1 (Kusupati et al. 2022,
  // Matryoshka); 0: all, as the model gives them.
  int64_t dimensions = 0;
  bool normalize = false;  // also where the model does not
  size_t first = 0;        // the number of the first text, for messages
};

struct Embeddings {
  int64_t dimensions = 0;
  std::vector<float> values;    // [texts][dimensions]
  std::vector<int64_t> tokens;  // read of each text, special ones included
  std::vector<bool> truncated;
  std::vector<int64_t> chunks;  // windows of each text
  // Words or tokens of each text that a static table does not have and that do
  // not count; empty of other embedders.
  std::vector<int64_t> unknown;

  std::span<const float> row(size_t text) const {
    return std::span(values).subspan(text * static_cast<size_t>(dimensions),
                                     static_cast<size_t>(dimensions));
  }
};

// The vectors of a text's tokens, special ones included.
struct TokenEmbeddings {
  std::vector<int32_t> ids;        // -1: a word made of its parts
  std::vector<std::string> texts;  // as the vocabulary spells them
  std::vector<float> values;       // [ids][dimensions]
  bool truncated = false;
};

class Embedder {
 public:
  virtual ~Embedder() = default;

  // A Hugging Face folder or GGUF file of an encoder or a decoder; see
  // ReadModules() (modules.h) for pooling. Or a folder of static vectors
  // (static/token_embedder.h). Throws as models::Encoder::Load(),
  // models::Decoder::Load(), ReadModules() and LoadTokenEmbedder().
  static std::shared_ptr<Embedder> Load(const std::filesystem::path& path,
                                        const EmbedderOptions& options = {});

  // In any order of lengths; a text's vector does not depend on the others.
  // Throws kContextOverflow, with the text's number, for one too long;
  // kInvalidArgument for dimensions that the model does not have and for an
  // overlap as long as a window; kUnsupported where the model pools nothing,
  // and for a prompt with special tokens.
  virtual Embeddings Embed(std::span<const std::string> texts,
                           const EmbedOptions& options = {}) = 0;
  // The rows behind the transformer, and behind projections of tokens, as they
  // are: late interaction (Khattab & Zaharia 2020, ColBERT) wants them
  // normalized. Throws as Embed(); kInvalidArgument for chunks.
  virtual std::vector<TokenEmbeddings> EmbedTokens(
      std::span<const std::string> texts, const EmbedOptions& options = {}) = 0;

  virtual int64_t dimensions() const = 0;
  virtual int64_t token_dimensions() const = 0;
  virtual int64_t max_tokens() const = 0;
  // By name, and the name of the one that is used where nothing is said.
  virtual const std::map<std::string, std::string>& prompts() const = 0;
  virtual const std::string& default_prompt() const = 0;
  // The prompt of a name, or of the default where there is no name. Throws
  // kInvalidArgument with the names that there are.
  std::string Prompt(const std::optional<std::string>& name) const;

  // Whether vectors depend on what a set of texts has in common, and that set
  // has not been shown yet.
  virtual bool WantsTexts() const { return false; }
  // Shows it. Throws kInvalidArgument for a set that is too small.
  virtual void LearnFrom(std::span<const std::string> /*texts*/,
                         const EmbedOptions& /*options*/) {}
};

// The longest text that is read at all.
inline constexpr size_t kMaxTextBytes = size_t{64} << 20;
// Throws kInvalidArgument for a text that is not UTF-8 and kLimit for one that
// is too long, with its number, counted from 0 here and from 1 in the message.
void RequireText(std::string_view text, size_t number);

// The cosine of the angle between two vectors; 0 where one of them is 0.
double Cosine(std::span<const float> a, std::span<const float> b);

}  // namespace malmoi::represent

#endif  // MALMOI_REPRESENT_CONTEXTUAL_EMBEDDER_H_
