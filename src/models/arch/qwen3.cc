// Qwen3: norms of query and key heads in place of the biases.
#include "models/arch/arch.h"
#include "models/arch/common.h"

namespace malmoi::models {

Spec DescribeQwen3(const Checkpoint& checkpoint) {
  const Config config(checkpoint);
  Spec spec = DescribeQwen2(checkpoint);
  spec.attention.bias = HasBias(config, "blk.0.attn_q.bias", "attention_bias");
  spec.attention.output_bias =
      HasBias(config, "blk.0.attn_output.bias", "attention_bias");
  spec.attention.head_norms = HeadNorms::kEachHead;
  return spec;
}

}  // namespace malmoi::models
