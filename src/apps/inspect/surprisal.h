// How much each token of a text surprises a model: minus the logarithm of the
// probability that it gave the token, in bits (Hale 2001; Levy 2008).
#ifndef MALMOI_APPS_INSPECT_SURPRISAL_H_
#define MALMOI_APPS_INSPECT_SURPRISAL_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "apps/inspect/inspected_model.h"
#include "apps/inspect/lens.h"
#include "generate/evaluate.h"

namespace malmoi::apps {

struct TokenSurprisal {
  std::optional<double> bits;  // none: nothing came before it
  int64_t rank = 0;            // of the token among all, 1: most probable
  TokenProbability expected;   // the most probable instead
};

struct Surprisal {
  ReadText text;
  std::vector<TokenSurprisal> tokens;
  double bits = 0;     // summed
  int64_t scored = 0;  // tokens with bits
  int64_t bytes = 0;   // of the text
  double bits_per_byte = 0;
  double perplexity = 0;  // 2^(bits / scored), as eval's
};

// Of any length: in windows of `context` tokens (0: the model's) that overlap
// by half, as generate::EvaluatePerplexity() has them.
Surprisal MeasureSurprisal(const InspectedModel& model, std::string_view text,
                           int64_t context,
                           const generate::EvalProgress& progress = {});
// Of what an encoder-decoder writes for a text.
Surprisal MeasureSurprisal(const InspectedModel& model, const ReadText& text,
                           std::string_view target);

}  // namespace malmoi::apps

#endif  // MALMOI_APPS_INSPECT_SURPRISAL_H_
