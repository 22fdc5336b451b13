// Phi-3, 3.5 and 4-mini: fused matrices, LongRoPE.
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
    {Role::kQueryKeyValue, "blk.{}.attn_qkv.weight",
     "model.layers.{}.self_attn.qkv_proj.weight"},
    {Role::kAttentionOutput, "blk.{}.attn_output.weight",
     "model.layers.{}.self_attn.o_proj.weight"},
    {Role::kFeedForwardNorm, "blk.{}.ffn_norm.weight",
     "model.layers.{}.post_attention_layernorm.weight"},
    {Role::kGateUp, "blk.{}.ffn_up.weight",
     "model.layers.{}.mlp.gate_up_proj.weight"},
    {Role::kDown, "blk.{}.ffn_down.weight",
     "model.layers.{}.mlp.down_proj.weight"},
};

}  // namespace

const std::span<const TensorName> kPhi3Tensors = kTensors;

Spec DescribePhi3(const Checkpoint& checkpoint) {
  const Config config(checkpoint);
  Spec spec = ReadCommon(config);
  ReadSliding(config, 0, spec);
  return spec;
}

}  // namespace malmoi::models
