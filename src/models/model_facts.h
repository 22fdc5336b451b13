// What a checkpoint says of a model of any kind, as conversions need it.
#ifndef MALMOI_MODELS_MODEL_FACTS_H_
#define MALMOI_MODELS_MODEL_FACTS_H_

#include <optional>
#include <string>

#include "models/checkpoint.h"
#include "models/registry.h"
#include "models/spec.h"

namespace malmoi::models {

// Of an encoder, and of one with a decoder, `spec` has what tensors and keys
// need: of both stacks the encoder's; tied_head where logits are scaled, as a
// head of its own is not.
struct ModelFacts {
  Spec spec;
  std::optional<EncoderSpec> encoder;
  std::optional<EncoderDecoderSpec> both;

  bool decodes() const { return !encoder && !both; }
  // Layers that have a role: of an encoder-decoder, of one of its stacks.
  int64_t LayersOf(Role role) const;
  // Those that must have it where one has.
  int64_t Needs(Role role) const;
};

// Throws as the architecture's description.
ModelFacts FactsOf(const Checkpoint& checkpoint,
                   const Architecture& architecture);

// The first difference in what they compute; empty where there is none.
std::string Difference(const ModelFacts& a, const ModelFacts& b);

}  // namespace malmoi::models

#endif  // MALMOI_MODELS_MODEL_FACTS_H_
