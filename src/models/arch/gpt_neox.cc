// GPT-NeoX (Black et al. 2022): Pythia, Polyglot-Ko.
#include "models/arch/arch.h"
#include "models/arch/common.h"

namespace malmoi::models {

namespace {

constexpr TensorName kTensors[] = {
    {Role::kEmbedding, "token_embd.weight", "gpt_neox.embed_in.weight"},
    {Role::kOutputNorm, "output_norm.weight",
     "gpt_neox.final_layer_norm.weight"},
    {Role::kHead, "output.weight", "embed_out.weight"},
    {Role::kAttentionNorm, "blk.{}.attn_norm.weight",
     "gpt_neox.layers.{}.input_layernorm.weight"},
    {Role::kQueryKeyValue, "blk.{}.attn_qkv.weight",
     "gpt_neox.layers.{}.attention.query_key_value.weight"},
    {Role::kAttentionOutput, "blk.{}.attn_output.weight",
     "gpt_neox.layers.{}.attention.dense.weight"},
    {Role::kFeedForwardNorm, "blk.{}.ffn_norm.weight",
     "gpt_neox.layers.{}.post_attention_layernorm.weight"},
    {Role::kUp, "blk.{}.ffn_up.weight",
     "gpt_neox.layers.{}.mlp.dense_h_to_4h.weight"},
    {Role::kDown, "blk.{}.ffn_down.weight",
     "gpt_neox.layers.{}.mlp.dense_4h_to_h.weight"},
};

}  // namespace

const std::span<const TensorName> kGptNeoXTensors = kTensors;

Spec DescribeGptNeoX(const Checkpoint& checkpoint) {
  const Config config(checkpoint);
  Spec spec = ReadCommon(config, NormKind::kLayer);
  spec.norm_bias = true;
  spec.parallel =
      checkpoint.gguf
          ? checkpoint.gguf->GetBool(config.GgufKey("use_parallel_residual"))
                .value_or(true)
          : !config.Has("use_parallel_residual") ||
                config.Flag("use_parallel_residual");
  AttentionSpec& attention = spec.attention;
  // GGUF converters sort the rows by query, key and value.
  attention.folder_fused_order = FusedOrder::kGroups;
  if (!checkpoint.gguf) attention.fused_order = FusedOrder::kGroups;
  attention.bias =
      HasBias(config, "blk.0.attn_qkv.bias", "attention_bias", true);
  attention.output_bias =
      HasBias(config, "blk.0.attn_output.bias", "attention_bias", true);
  spec.feed_forward.gated = false;
  spec.feed_forward.bias = true;
  spec.feed_forward.activation = ReadActivation(config, Activation::kGelu);
  return spec;
}

}  // namespace malmoi::models
