#include "models/arch/gemma3.h"

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
    {Role::kQueryNorm, "blk.{}.attn_q_norm.weight",
     "model.layers.{}.self_attn.q_norm.weight"},
    {Role::kKeyNorm, "blk.{}.attn_k_norm.weight",
     "model.layers.{}.self_attn.k_norm.weight"},
    {Role::kAttentionOutput, "blk.{}.attn_output.weight",
     "model.layers.{}.self_attn.o_proj.weight"},
    {Role::kPostAttentionNorm, "blk.{}.post_attention_norm.weight",
     "model.layers.{}.post_attention_layernorm.weight"},
    {Role::kFeedForwardNorm, "blk.{}.ffn_norm.weight",
     "model.layers.{}.pre_feedforward_layernorm.weight"},
    {Role::kGate, "blk.{}.ffn_gate.weight",
     "model.layers.{}.mlp.gate_proj.weight"},
    {Role::kUp, "blk.{}.ffn_up.weight", "model.layers.{}.mlp.up_proj.weight"},
    {Role::kDown, "blk.{}.ffn_down.weight",
     "model.layers.{}.mlp.down_proj.weight"},
    {Role::kPostFeedForwardNorm, "blk.{}.post_ffw_norm.weight",
     "model.layers.{}.post_feedforward_layernorm.weight"},
};

constexpr int64_t kPattern = 6;  // where the file does not say

// Which layers slide: all but each sixth, or what the file says.
std::vector<bool> SlidingLayers(const Config& config, int64_t layers) {
  const auto every = [&](int64_t pattern) {
    std::vector<bool> sliding;
    for (int64_t i = 0; i < layers; ++i) {
      sliding.push_back((i + 1) % pattern != 0);
    }
    return sliding;
  };
  if (config.gguf() != nullptr) {
    const std::string key = config.GgufKey("attention.sliding_window_pattern");
    if (const auto flags = config.gguf()->GetBools(key)) {
      if (static_cast<int64_t>(flags->size()) != layers) {
        config.Refuse("sliding window pattern of this length",
                      std::to_string(flags->size()));
      }
      return *flags;
    }
    return every(
        config.Count("attention.sliding_window_pattern", "", kPattern));
  }
  const std::vector<std::string> types = config.Texts("layer_types");
  if (types.empty()) {
    return every(config.Count("", "sliding_window_pattern", kPattern));
  }
  if (static_cast<int64_t>(types.size()) != layers) {
    config.Refuse("layer_types of this length", std::to_string(types.size()));
  }
  std::vector<bool> sliding;
  for (const std::string& type : types) {
    if (type != "sliding_attention" && type != "full_attention") {
      config.Refuse("layer type", type);
    }
    sliding.push_back(type == "sliding_attention");
  }
  return sliding;
}

void ReadRopes(const Config& config, int64_t context,
               AttentionSpec& attention) {
  attention.rope =
      ReadRope(config, attention.head_dim, context, "full_attention");
  attention.rope.pairs = RopePairs::kHalves;
  RopeSpec& sliding = attention.sliding_rope;
  sliding.pairs = RopePairs::kHalves;
  sliding.dim = attention.rope.dim;
  const char* today = "rope_parameters.sliding_attention.rope_theta";
  sliding.theta = config.Number(
      "rope.freq_base_swa", config.Has(today) ? today : "rope_local_base_freq",
      10000.0);
}

}  // namespace

const std::span<const TensorName> kGemma3Tensors = kTensors;

Spec DescribeGemma3(const Checkpoint& checkpoint) {
  const Config config(checkpoint);
  Spec spec;
  spec.layers = config.Count("block_count", "num_hidden_layers");
  spec.width = config.Count("embedding_length", "hidden_size");
  spec.context = config.Count("context_length", "max_position_embeddings");
  spec.norm_epsilon =
      config.Number("attention.layer_norm_rms_epsilon", "rms_norm_eps");
  // GGUF converters add the 1 to the weights.
  spec.norm_offset = checkpoint.gguf ? 0.0 : 1.0;
  spec.post_norms = true;
  spec.embedding_scale = std::sqrt(static_cast<double>(spec.width));
  AttentionSpec& attention = spec.attention;
  attention.heads = config.Count("attention.head_count", "num_attention_heads");
  attention.kv_heads =
      config.Count("attention.head_count_kv", "num_key_value_heads");
  attention.head_dim = config.Count("attention.key_length", "head_dim",
                                    spec.width / attention.heads);
  // The 27B model (62 layers) scales by width/heads; GGUF has no key for it.
  const double divisor =
      checkpoint.gguf && spec.layers == 62
          ? static_cast<double>(spec.width / attention.heads)
          : config.Number("", "query_pre_attn_scalar",
                          static_cast<double>(attention.head_dim));
  attention.scale = 1.0 / std::sqrt(divisor);
  attention.head_norms = true;
  attention.window =
      config.CountOrZero("attention.sliding_window", "sliding_window");
  if (attention.window > 0) {
    attention.sliding = SlidingLayers(config, spec.layers);
  }
  ReadRopes(config, spec.context, attention);
  spec.feed_forward.hidden =
      config.Count("feed_forward_length", "intermediate_size");
  spec.feed_forward.activation = Activation::kGeluTanh;
  const std::string activation =
      config.Text("", "hidden_activation", "gelu_pytorch_tanh");
  if (activation != "gelu_pytorch_tanh") {
    config.Refuse("activation", activation);
  }
  for (const char* cap :
       {"final_logit_softcapping", "attn_logit_softcapping"}) {
    if (config.Has(cap)) config.Refuse(cap, "a number");
  }
  if (config.Flag("attention_bias") ||
      config.Flag("use_bidirectional_attention")) {
    config.Refuse("attention", "with bias or in both directions");
  }
  return spec;
}

}  // namespace malmoi::models
