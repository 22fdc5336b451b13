#include "models/model_facts.h"

#include "models/config.h"
#include "models/same_spec.h"

namespace malmoi::models {

namespace {

Spec SpecOf(const EncoderSpec& encoder) {
  Spec spec;
  spec.layers = encoder.layers;
  spec.width = encoder.width;
  spec.context = encoder.context();
  spec.norm_epsilon = encoder.norm_epsilon;
  spec.attention = encoder.attention;
  spec.feed_forward = encoder.feed_forward;
  return spec;
}

Spec SpecOf(const EncoderDecoderSpec& both, const Checkpoint& checkpoint) {
  constexpr int64_t kTrained = 512;  // positions, where nobody says otherwise
  Spec spec;
  spec.layers = both.encoder.layers;
  spec.width = both.width;
  spec.context =
      Config(checkpoint).Count("context_length", "n_positions", kTrained);
  spec.norm_epsilon = both.norm_epsilon;
  spec.attention.heads = both.encoder.heads;
  spec.attention.head_dim = both.encoder.head_dim;
  spec.feed_forward.hidden = both.encoder.hidden;
  spec.feed_forward.gated = both.gated;
  spec.feed_forward.activation = both.activation;
  spec.tied_head = both.logit_scale != 1;
  return spec;
}

}  // namespace

int64_t ModelFacts::LayersOf(Role role) const {
  if (!both) return spec.layers;
  const bool first =
      role >= Role::kEncoderPositions && role <= Role::kEncoderOutputNorm;
  return first ? both->encoder.layers : both->decoder.layers;
}

int64_t ModelFacts::Needs(Role role) const {
  const bool first_without =
      encoder && encoder->pre_norms && role == Role::kAttentionNorm;
  return LayersOf(role) - (first_without ? 1 : 0);
}

ModelFacts FactsOf(const Checkpoint& checkpoint,
                   const Architecture& architecture) {
  ModelFacts facts;
  if (architecture.describe_encoder_decoder != nullptr) {
    facts.both = architecture.describe_encoder_decoder(checkpoint);
    facts.spec = SpecOf(*facts.both, checkpoint);
  } else if (architecture.describe_encoder != nullptr) {
    facts.encoder = architecture.describe_encoder(checkpoint);
    facts.spec = SpecOf(*facts.encoder);
  } else {
    facts.spec = architecture.describe(checkpoint);
  }
  return facts;
}

std::string Difference(const ModelFacts& a, const ModelFacts& b) {
  if (a.both && b.both) return Difference(*a.both, *b.both);
  if (a.encoder && b.encoder) return Difference(*a.encoder, *b.encoder);
  if (!a.decodes() || !b.decodes()) return "kind of model";
  return Difference(a.spec, b.spec);
}

}  // namespace malmoi::models
