// The logit lens (nostalgebraist 2020): the model's own last norm and head,
// with its scale and cap, applied to the residual stream behind every layer, as
// if the model ended there.
#ifndef MALMOI_APPS_INSPECT_LENS_H_
#define MALMOI_APPS_INSPECT_LENS_H_

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "apps/inspect/hidden_states.h"
#include "apps/inspect/inspected_model.h"

namespace malmoi::apps {

struct TokenProbability {
  int32_t id = 0;
  double probability = 0;
};

// What one distribution over the vocabulary says.
struct Prediction {
  std::vector<TokenProbability> top;  // most probable first; ties: lower id
  // Of the token that really comes next; none behind the text's end.
  std::optional<int32_t> next;
  int64_t rank = 0;        // 1: the most probable
  double probability = 0;  // of it
  double entropy = 0;      // bits
};
Prediction Summarize(std::span<const float> logits, int64_t top,
                     std::optional<int32_t> next);

struct Lens {
  PositionRange range;
  // [0] behind the embedding, [i] behind layer i; of each position in range.
  // The last are the model's predictions.
  std::vector<std::vector<Prediction>> layers;
};

// Of a decoder's text or an encoder-decoder's target. Throws kUnsupported for
// other models, as ReadHiddenStates().
Lens ReadLens(const InspectedModel& model, std::span<const int32_t> ids,
              std::span<const int32_t> target, int64_t top,
              PositionRange range = {});

// The prediction behind the last token.
Prediction PredictNext(const InspectedModel& model,
                       std::span<const int32_t> ids,
                       std::span<const int32_t> target, int64_t top);

}  // namespace malmoi::apps

#endif  // MALMOI_APPS_INSPECT_LENS_H_
