// StarCoder2 (Lozhkov et al. 2024): a plain feed-forward with biases.
#include "models/arch/arch.h"
#include "models/arch/common.h"

namespace malmoi::models {

namespace {

constexpr TensorName kTensors[] = {
    {Role::kEmbedding, "token_embd.weight", "model.embed_tokens.weight"},
    {Role::kOutputNorm, "output_norm.weight", "model.norm.weight"},
    {Role::kHead, "output.weight", "lm_head.weight"},
    {Role::kAttentionNorm, "blk.{}.attn_norm.weight",
     "model.layers.{}.input_layernorm.weight"},
    {Role::kQuery, "blk.{}.attn_q.weight",
     "model.layers.{}.self_attn.q_proj.weight"},
    {Role::kKey, "blk.{}.attn_k.weight",
     "model.layers.{}.self_attn.k_proj.weight"},
    {Role::kValue, "blk.{}.attn_v.weight",
     "model.layers.{}.self_attn.v_proj.weight"},
    {Role::kAttentionOutput, "blk.{}.attn_output.weight",
     "model.layers.{}.self_attn.o_proj.weight"},
    {Role::kFeedForwardNorm, "blk.{}.ffn_norm.weight",
     "model.layers.{}.post_attention_layernorm.weight"},
    {Role::kUp, "blk.{}.ffn_up.weight", "model.layers.{}.mlp.c_fc.weight"},
    {Role::kDown, "blk.{}.ffn_down.weight",
     "model.layers.{}.mlp.c_proj.weight"},
};

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
