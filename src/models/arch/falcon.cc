// Falcon (Almazrouei et al. 2023): one or few key heads, parallel blocks.
#include "models/arch/arch.h"
#include "models/arch/common.h"

namespace malmoi::models {

namespace {

constexpr TensorName kTensors[] = {
    {Role::kEmbedding, "token_embd.weight",
     "transformer.word_embeddings.weight"},
    {Role::kOutputNorm, "output_norm.weight", "transformer.ln_f.weight"},
    {Role::kHead, "output.weight", "lm_head.weight"},
    // Falcon 40B has two norms side by side; in GGUF "attn_norm" is then the
    // feed-forward's.
    {Role::kAttentionNorm, "blk.{}.attn_norm_2.weight",
     "transformer.h.{}.ln_attn.weight"},
    {Role::kAttentionNorm, "blk.{}.attn_norm.weight",
     "transformer.h.{}.input_layernorm.weight"},
    {Role::kQueryKeyValue, "blk.{}.attn_qkv.weight",
     "transformer.h.{}.self_attention.query_key_value.weight"},
    {Role::kAttentionOutput, "blk.{}.attn_output.weight",
     "transformer.h.{}.self_attention.dense.weight"},
    {Role::kFeedForwardNorm, "blk.{}.ffn_norm.weight",
     "transformer.h.{}.post_attention_layernorm.weight"},
    {Role::kFeedForwardNorm, "blk.{}.attn_norm.weight",
     "transformer.h.{}.ln_mlp.weight"},
    {Role::kUp, "blk.{}.ffn_up.weight",
     "transformer.h.{}.mlp.dense_h_to_4h.weight"},
    {Role::kDown, "blk.{}.ffn_down.weight",
     "transformer.h.{}.mlp.dense_4h_to_h.weight"},
};

}  // namespace

const std::span<const TensorName> kFalconTensors = kTensors;

// Almazrouei et al. 2023. The query heads of a group, its key and its value
// lie together in folders; GGUF converters sort them.
Spec DescribeFalcon(const Checkpoint& checkpoint) {
  const Config config(checkpoint);
  Spec spec = ReadCommon(config, NormKind::kLayer, 4);
  spec.norm_bias = true;
  AttentionSpec& attention = spec.attention;
  const bool grouped = config.Flag("new_decoder_architecture");
  spec.parallel = checkpoint.gguf || grouped || config.Flag("parallel_attn");
  attention.folder_fused_order = FusedOrder::kGroups;
  if (!checkpoint.gguf) {
    attention.fused_order = FusedOrder::kGroups;
    if (!grouped) {
      attention.kv_heads = config.Flag("multi_query") ? 1 : attention.heads;
    }
  }
  if (config.Flag("alibi")) {
    // Added before scores are scaled. A GGUF does not say it.
    attention.alibi = attention.scale;
    attention.alibi_bf16 = true;
    attention.rope = {};
  }
  const bool two_norms =
      config.FindTensor("blk.0.attn_norm_2.weight") != nullptr ||
      config.FindTensor("transformer.h.0.ln_attn.weight") != nullptr;
  spec.shared_norm = spec.parallel && !two_norms;
  attention.bias = HasBias(config, "blk.0.attn_qkv.bias", "bias");
  attention.output_bias = HasBias(config, "blk.0.attn_output.bias", "bias");
  spec.feed_forward.gated = false;
  spec.feed_forward.bias = HasBias(config, "blk.0.ffn_up.bias", "bias");
  spec.feed_forward.activation = ReadActivation(config, Activation::kGelu);
  return spec;
}

}  // namespace malmoi::models
