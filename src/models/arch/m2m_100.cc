// M2M-100 (Fan et al. 2021) and NLLB (NLLB Team 2022): translators between any
// two of a hundred languages and more.
#include "models/arch/arch.h"
#include "models/arch/bart.h"

namespace malmoi::models {

EncoderDecoderSpec DescribeM2m100(const Checkpoint& checkpoint) {
  const Config config(checkpoint);
  EncoderDecoderSpec spec = ReadBart(config);
  spec.positions = PositionKind::kSinusoidsToEnd;
  spec.position_offset = config.Count("", "pad_token_id", 1) + 1;
  spec.pre_norms = true;
  spec.output_norm = true;
  return spec;
}

}  // namespace malmoi::models
