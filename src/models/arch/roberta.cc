// RoBERTa (Liu et al. 2019) and XLM-RoBERTa.
#include "models/arch/arch.h"
#include "models/arch/common.h"

namespace malmoi::models {

// RoBERTa (Liu et al. 2019) and XLM-RoBERTa: positions begin behind the
// padding token's.
EncoderSpec DescribeRoberta(const Checkpoint& checkpoint) {
  const Config config(checkpoint);
  EncoderSpec spec = ReadEncoder(config);
  spec.position_offset = config.Count("", "pad_token_id", 1) + 1;
  return spec;
}

}  // namespace malmoi::models
