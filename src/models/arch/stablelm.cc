// StableLM 2: LayerNorms, a quarter of each head rotates.
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
    {Role::kGate, "blk.{}.ffn_gate.weight",
     "model.layers.{}.mlp.gate_proj.weight"},
    {Role::kUp, "blk.{}.ffn_up.weight", "model.layers.{}.mlp.up_proj.weight"},
    {Role::kDown, "blk.{}.ffn_down.weight",
     "model.layers.{}.mlp.down_proj.weight"},
    {Role::kQueryNorm, "blk.{}.attn_q_norm.weight",
     "model.layers.{}.self_attn.q_layernorm.norms.{}.weight"},
    {Role::kKeyNorm, "blk.{}.attn_k_norm.weight",
     "model.layers.{}.self_attn.k_layernorm.norms.{}.weight"},
};

}  // namespace

const std::span<const TensorName> kStableLmTensors = kTensors;

Spec DescribeStableLm(const Checkpoint& checkpoint) {
  const Config config(checkpoint);
  Spec spec = ReadCommon(config, NormKind::kLayer);
  spec.norm_bias = true;
  spec.parallel = checkpoint.gguf
                      ? config.FindTensor("blk.0.ffn_norm.weight") == nullptr
                      : config.Flag("use_parallel_residual");
  spec.shared_norm = spec.parallel;
  spec.attention.bias = HasBias(config, "blk.0.attn_q.bias", "use_qkv_bias");
  if (HasBias(config, "blk.0.attn_q_norm.weight", "qk_layernorm")) {
    spec.attention.head_norms = HeadNorms::kOwnWeight;
  }
  return spec;
}

}  // namespace malmoi::models
