// Static vectors distilled from an encoder, by model2vec's recipe (Tulkens &
// van Dongen 2024): every token of the vocabulary alone through the model, the
// principal components of what comes out, and weights by Zipf's law in the
// place of frequencies. The result is a folder that model2vec loads.
#ifndef MALMOI_LEARN_DISTILL_DISTILL_H_
#define MALMOI_LEARN_DISTILL_DISTILL_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "models/packed_cache.h"

namespace malmoi::learn {

struct DistillOptions {
  // Components to keep, at most the model's; 0: the model's dimensions as they
  // are. None: 256, or the model's where they are fewer.
  std::optional<int64_t> dimensions{};
  // Token i of n weighs a/(a + p), p = 1/(i + 2) of the sum of these; 0: 1.
  double sif_weight = 1e-4;
  bool half = true;  // F16, otherwise F32
  int threads = 0;   // 0: one per usable processor
  models::PackedCacheOptions packed{};
  // False stops with kCancelled.
  std::function<bool(int64_t done, int64_t all)> progress{};
};

struct DistillResult {
  int64_t tokens = 0, dimensions = 0;
  double share = 1;  // of the variance that the components kept
};

// `model`: a Hugging Face folder with tokenizer.json; `folder`: written, files
// that are there are replaced. Throws as represent::TokenRows::Load(),
// text::Tokenizer::FromFolder() and FileWriter; kUnsupported for a model
// without tokenizer.json; kInvalidArgument for options out of range.
DistillResult Distill(const std::filesystem::path& model,
                      const std::filesystem::path& folder,
                      const DistillOptions& options);

// tokenizer.json without what stands around texts, lengths, added tokens but
// the unknown and the padding one, and tokens like [unused12]; numbers are
// closed up. `kept`: the old number of each. `pad`: of the padding token.
// Throws kUnsupported for a kind of vocabulary that is not known, kCorrupt.
Json TokenizerOfTokens(Json tokenizer, const std::string& where,
                       std::optional<int32_t> pad, std::vector<int32_t>& kept);

}  // namespace malmoi::learn

#endif  // MALMOI_LEARN_DISTILL_DISTILL_H_
