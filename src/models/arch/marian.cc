// Marian (Junczys-Dowmunt et al. 2018), the translators of OPUS-MT: BART with
// sinusoids, without a norm behind the embedding.
#include "models/arch/arch.h"
#include "models/arch/bart.h"

namespace malmoi::models {

EncoderDecoderSpec DescribeMarian(const Checkpoint& checkpoint) {
  const Config config(checkpoint);
  EncoderDecoderSpec spec = ReadBart(config);
  constexpr const char* kShared = "share_encoder_decoder_embeddings";
  if (config.Has(kShared) && !config.Flag(kShared)) {
    config.Refuse(kShared, "false");
  }
  spec.positions = PositionKind::kSinusoids;
  return spec;
}

}  // namespace malmoi::models
