// What attention looks at: probabilities of chosen layers and heads, what each
// head does in a few numbers, and rollout (Abnar & Zuidema 2020, "Quantifying
// Attention Flow in Transformers").
#ifndef MALMOI_APPS_INSPECT_ATTENTION_MAPS_H_
#define MALMOI_APPS_INSPECT_ATTENTION_MAPS_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "apps/inspect/inspected_model.h"

namespace malmoi::apps {

// Of an encoder-decoder: the encoder among its tokens, the decoder among its
// own, or the decoder over the encoder's. Other models have one attention.
enum class AttentionKind { kEncoder, kDecoder, kCross };

struct AttentionChoice {
  AttentionKind kind = AttentionKind::kEncoder;
  std::optional<int64_t> layer;  // counted from 1; none: all that attend
  std::optional<int64_t> head;   // counted from 1; none: see `mean`
  bool mean = false;             // of the heads, in place of each
};

struct AttentionMap {
  int64_t layer = 0;          // counted from 1
  int64_t head = 0;           // counted from 1; 0: the mean of all
  std::vector<float> values;  // [rows][columns]: row looks at column
};

struct AttentionMaps {
  int64_t rows = 0, columns = 0;
  std::vector<AttentionMap> maps;  // by layer, then head
};

// Throws kInvalidArgument for a layer or head out of range; kUnsupported for a
// model or a layer without attention, by name; kLimit for more than 1 GiB.
AttentionMaps ReadAttention(const InspectedModel& model,
                            std::span<const int32_t> ids,
                            std::span<const int32_t> target,
                            const AttentionChoice& choice);

// What a head does, the mean over its rows (of a causal stack without the first
// row, which has nothing to choose from).
struct HeadSummary {
  int64_t layer = 0, head = 0;                         // counted from 1
  double entropy = 0;                                  // bits
  double self = 0, previous = 0, next = 0, first = 0;  // shares
};
std::vector<HeadSummary> SummarizeHeads(const InspectedModel& model,
                                        std::span<const int32_t> ids,
                                        std::span<const int32_t> target,
                                        AttentionKind kind);

// [tokens][tokens]: for each layer from the first, half of the mean of heads
// (its rows brought to sum 1) and half of the identity, for the residual
// stream, multiplied. Row i: how much of each token has reached position i.
std::vector<float> Rollout(const AttentionMaps& means);
// Of one stack. Throws as ReadAttention(), and kUnsupported for cross-attention
// and where a layer does not attend.
std::vector<float> ReadRollout(const InspectedModel& model,
                               std::span<const int32_t> ids,
                               std::span<const int32_t> target,
                               AttentionKind kind);

}  // namespace malmoi::apps

#endif  // MALMOI_APPS_INSPECT_ATTENTION_MAPS_H_
