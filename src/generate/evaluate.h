// Measuring a model: perplexity of a text and agreement with reference values.
// Its speed is bench.h's.
#ifndef MALMOI_GENERATE_EVALUATE_H_
#define MALMOI_GENERATE_EVALUATE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "generate/language_model.h"

namespace malmoi::generate {

using EvalProgress = std::function<void(int64_t done, int64_t total)>;

struct Perplexity {
  double perplexity = 0;  // exp(nll / tokens)
  int64_t tokens = 0;     // that were predicted
  double nll = 0;         // nats, summed
};
struct EvalOptions {
  int64_t context = 0;                    // tokens of a window; 0: the model's
  std::optional<models::KvType> kv_type;  // of the model, not of a reference
};
// The logits that predict each token after the first, once each, in order:
// visit(place of the token, token, logits [vocab_size]). `text` in windows that
// overlap by half. Returns its tokens. Throws kInvalidArgument for a text of
// less than two.
text::Encoding ScoreText(
    std::shared_ptr<const LanguageModel> model, std::string_view text,
    const EvalOptions& options, const EvalProgress& progress,
    const std::function<void(size_t at, int32_t token,
                             std::span<const float> logits)>& visit);

// `text` in windows that overlap by half: each token after the first is
// scored once with at least half a window before it, except in the first
// window.
Perplexity EvaluatePerplexity(std::shared_ptr<const LanguageModel> model,
                              std::string_view text,
                              const EvalOptions& options = {},
                              const EvalProgress& progress = {});

// How far a model's predictions are from a reference's, over the positions
// that perplexity counts.
struct Divergence {
  double kl_mean = 0;  // KL(reference || model), nats
  double kl_p99 = 0;   // the least that 99 % of the positions stay within
  double kl_max = 0;
  double same_top = 0;  // share whose most probable token is the same
};
struct Comparison {
  Perplexity model, reference;
  Divergence divergence;
};
// Both models in the same windows. Models whose tokenizers or vocabularies
// differ on this text: kInvalidArgument.
Comparison CompareModels(std::shared_ptr<const LanguageModel> model,
                         std::shared_ptr<const LanguageModel> reference,
                         std::string_view text, const EvalOptions& options = {},
                         const EvalProgress& progress = {});

struct VerifyCheck {
  std::string name;  // "tokens", "logits fast", "logits exact", "greedy"
  bool passed = false;
  std::string measured;  // "max |difference| 0.031 over 2,143 positions"
  std::string allowed;
};
struct VerifyReport {
  bool passed = false;
  // No reference for this file travels with malmoi: its architecture was
  // checked, on small models of its kind.
  bool architecture_only = false;
  std::vector<VerifyCheck> checks;
};
// Re-checks the reference outputs that ship with malmoi for this model (found
// by the sha256 of its file), or those of its architecture. No reference for
// either: kUnsupported.
VerifyReport VerifyModel(const std::filesystem::path& path, int threads,
                         const EvalProgress& progress = {});

struct ArchitectureCheck {
  std::string architecture, model;  // "qwen2", "qwen2-window"
  bool passed = false;
  double difference = 0;  // the largest, relative to the largest value
  std::string error;      // or why it could not be compared
};
// Small models of every architecture, or of one, in f32 against what
// transformers computed; empty for a name that is not there.
std::vector<ArchitectureCheck> VerifyArchitectures(
    std::string_view architecture, int threads,
    const EvalProgress& progress = {});

}  // namespace malmoi::generate

#endif  // MALMOI_GENERATE_EVALUATE_H_
