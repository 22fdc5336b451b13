// StarCoder2 (Lozhkov et al. 2024): a plain feed-forward with biases.
#include "models/arch/arch.h"
#include "models/arch/common.h"
#include "models/arch/names.h"

namespace malmoi::models {

namespace {

constexpr TensorName kOwn[] = {
    {Role::kUp, "blk.{}.ffn_up.weight", "model.layers.{}.mlp.c_fc.weight"},
    {Role::kDown, "blk.{}.ffn_down.weight",
     "model.layers.{}.mlp.c_proj.weight"},
};
constexpr auto kTensors =
    JoinNames(kEndNames, kFirstNormNames, kSecondNormNames, kQueryKeyValueNames,
              kAttentionOutputNames, kOwn);

}  // namespace

const std::span<const TensorName> kStarCoder2Tensors = kTensors;

Spec DescribeStarCoder2(const Checkpoint& checkpoint) {
  const Config config(checkpoint);
  Spec spec = ReadCommon(config, NormKind::kLayer);
  spec.norm_bias = true;
  spec.attention.bias = HasBias(config, "blk.0.attn_q.bias", "use_bias", true);
  spec.attention.output_bias =
      HasBias(config, "blk.0.attn_output.bias", "use_bias", true);
  spec.feed_forward.gated = false;
  spec.feed_forward.bias =
      HasBias(config, "blk.0.ffn_up.bias", "use_bias", true);
  spec.feed_forward.activation = ReadActivation(config, Activation::kGeluTanh);
  ReadSliding(config, 0, spec);
  return spec;
}

}  // namespace malmoi::models
