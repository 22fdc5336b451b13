#include "models/arch/llama.h"

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
};

// Precomputed frequencies that old converters stored; ours are computed.
constexpr std::string_view kIgnored[] = {"rope_freqs.weight",
                                         "model.rotary_emb."};

}  // namespace

const std::span<const TensorName> kLlamaTensors = kTensors;
const std::span<const std::string_view> kLlamaIgnored = kIgnored;

Spec DescribeLlama(const Checkpoint& checkpoint) {
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
  attention.head_dim = config.Count("attention.key_length", "head_dim",
                                    spec.width / attention.heads);
  attention.scale = 1.0 / std::sqrt(static_cast<double>(attention.head_dim));
  attention.rope = ReadRope(config, attention.head_dim, spec.context);
  // GGUF converters permute query and key rows for neighbouring pairs.
  attention.rope.pairs =
      checkpoint.gguf ? RopePairs::kAdjacent : RopePairs::kHalves;
  spec.feed_forward.hidden =
      config.Count("feed_forward_length", "intermediate_size");
  const std::string activation = config.Text("", "hidden_act", "silu");
  if (activation != "silu") config.Refuse("activation", activation);
  if (config.Flag("attention_bias") || config.Flag("mlp_bias")) {
    config.Refuse("bias in projections", "true");
  }
  return spec;
}

}  // namespace malmoi::models
