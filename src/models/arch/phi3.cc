#include "models/arch/phi3.h"

#include <cmath>

#include "models/config.h"
#include "models/rope_config.h"

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

constexpr std::string_view kIgnored[] = {"rope_factors_long.weight",
                                         "rope_factors_short.weight"};

}  // namespace

const std::span<const TensorName> kPhi3Tensors = kTensors;
const std::span<const std::string_view> kPhi3Ignored = kIgnored;

Spec DescribePhi3(const Checkpoint& checkpoint) {
  const Config config(checkpoint);
  Spec spec;
  spec.layers = config.Count("block_count", "num_hidden_layers");
  spec.width = config.Count("embedding_length", "hidden_size");
  spec.context = config.Count("context_length", "max_position_embeddings");
  spec.norm_epsilon =
      config.Number("attention.layer_norm_rms_epsilon", "rms_norm_eps");
  AttentionSpec& attention = spec.attention;
  attention.heads = config.Count("attention.head_count", "num_attention_heads");
  attention.kv_heads = config.Count("attention.head_count_kv",
                                    "num_key_value_heads", attention.heads);
  attention.head_dim = spec.width / attention.heads;
  attention.scale = 1.0 / std::sqrt(static_cast<double>(attention.head_dim));
  attention.rope = ReadRope(config, attention.head_dim, spec.context);
  attention.rope.pairs = RopePairs::kHalves;
  attention.window =
      config.CountOrZero("attention.sliding_window", "sliding_window");
  if (attention.window > 0) {
    attention.sliding.assign(static_cast<size_t>(spec.layers), true);
    attention.sliding_rope = attention.rope;
  }
  spec.feed_forward.hidden =
      config.Count("feed_forward_length", "intermediate_size");
  const std::string activation = config.Text("", "hidden_act", "silu");
  if (activation != "silu") config.Refuse("activation", activation);
  return spec;
}

}  // namespace malmoi::models
