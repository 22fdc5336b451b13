// Phi 1, 1.5 and 2: parallel blocks with biases everywhere.
#include "models/arch/arch.h"
#include "models/arch/common.h"
#include "models/arch/names.h"

namespace malmoi::models {

namespace {

constexpr TensorName kOwn[] = {
    {Role::kEmbedding, "token_embd.weight", "model.embed_tokens.weight"},
    {Role::kOutputNorm, "output_norm.weight", "model.final_layernorm.weight"},
    {Role::kHead, "output.weight", "lm_head.weight"},
    {Role::kAttentionOutput, "blk.{}.attn_output.weight",
     "model.layers.{}.self_attn.dense.weight"},
    {Role::kUp, "blk.{}.ffn_up.weight", "model.layers.{}.mlp.fc1.weight"},
    {Role::kDown, "blk.{}.ffn_down.weight", "model.layers.{}.mlp.fc2.weight"},
};
constexpr auto kTensors = JoinNames(kFirstNormNames, kQueryKeyValueNames, kOwn);

}  // namespace

const std::span<const TensorName> kPhiTensors = kTensors;

Spec DescribePhi(const Checkpoint& checkpoint) {
  const Config config(checkpoint);
  Spec spec = ReadCommon(config, NormKind::kLayer);
  spec.norm_bias = true;
  spec.parallel = true;
  spec.shared_norm = true;
  spec.head_bias = true;
  spec.attention.bias = true;
  spec.attention.output_bias = true;
  spec.feed_forward.gated = false;
  spec.feed_forward.bias = true;
  spec.feed_forward.activation = ReadActivation(config, Activation::kGeluTanh);
  if (config.Flag("qk_layernorm")) config.Refuse("qk_layernorm", "true");
  return spec;
}

}  // namespace malmoi::models
