// GPT-2 (Radford et al. 2019): learned positions, matrices as [in, out].
#include "models/arch/arch.h"
#include "models/arch/common.h"

namespace malmoi::models {

namespace {

constexpr TensorName kTensors[] = {
    {Role::kEmbedding, "token_embd.weight", "wte.weight"},
    {Role::kPositions, "position_embd.weight", "wpe.weight"},
    {Role::kOutputNorm, "output_norm.weight", "ln_f.weight"},
    {Role::kHead, "output.weight", "lm_head.weight"},
    {Role::kAttentionNorm, "blk.{}.attn_norm.weight", "h.{}.ln_1.weight"},
    {Role::kQueryKeyValue, "blk.{}.attn_qkv.weight", "h.{}.attn.c_attn.weight"},
    {Role::kAttentionOutput, "blk.{}.attn_output.weight",
     "h.{}.attn.c_proj.weight"},
    {Role::kFeedForwardNorm, "blk.{}.ffn_norm.weight", "h.{}.ln_2.weight"},
    {Role::kUp, "blk.{}.ffn_up.weight", "h.{}.mlp.c_fc.weight"},
    {Role::kDown, "blk.{}.ffn_down.weight", "h.{}.mlp.c_proj.weight"},
};

}  // namespace

const std::span<const TensorName> kGpt2Tensors = kTensors;

// Radford et al. 2019. Its folders keep matrices as [in, out].
Spec DescribeGpt2(const Checkpoint& checkpoint) {
  const Config config(checkpoint);
  Spec spec = ReadCommon(config, NormKind::kLayer, 4);
  spec.norm_bias = true;
  spec.learned_positions = true;
  spec.transposed = !checkpoint.gguf;
  spec.attention.rope = {};
  spec.attention.bias = true;
  spec.attention.output_bias = true;
  spec.feed_forward.gated = false;
  spec.feed_forward.bias = true;
  spec.feed_forward.activation = ReadActivation(config, Activation::kGeluTanh);
  if (config.Flag("scale_attn_by_inverse_layer_idx") ||
      (config.Has("scale_attn_weights") &&
       !config.Flag("scale_attn_weights"))) {
    config.Refuse("scale of attention", "not 1/sqrt(head_dim)");
  }
  return spec;
}

}  // namespace malmoi::models
