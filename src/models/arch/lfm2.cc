// LFM2 (Liquid AI 2025): short convolutions between two gates, and attention in
// some layers.
#include <cmath>
#include <string>

#include "models/arch/arch.h"
#include "models/arch/common.h"
#include "models/arch/names.h"

namespace malmoi::models {

namespace {

constexpr TensorName kTensors[] = {
    {Role::kEmbedding, "token_embd.weight", "model.embed_tokens.weight"},
    // Of the output, whatever its name.
    {Role::kOutputNorm, "token_embd_norm.weight",
     "model.embedding_norm.weight"},
    {Role::kHead, "output.weight", "lm_head.weight"},
    {Role::kAttentionNorm, "blk.{}.attn_norm.weight",
     "model.layers.{}.operator_norm.weight"},
    {Role::kQueryNorm, "blk.{}.attn_q_norm.weight",
     "model.layers.{}.self_attn.q_layernorm.weight"},
    {Role::kKeyNorm, "blk.{}.attn_k_norm.weight",
     "model.layers.{}.self_attn.k_layernorm.weight"},
    {Role::kAttentionOutput, "blk.{}.attn_output.weight",
     "model.layers.{}.self_attn.out_proj.weight"},
    {Role::kStateIn, "blk.{}.shortconv.in_proj.weight",
     "model.layers.{}.conv.in_proj.weight"},
    {Role::kStateFilters, "blk.{}.shortconv.conv.weight",
     "model.layers.{}.conv.conv.weight"},
    {Role::kStateOut, "blk.{}.shortconv.out_proj.weight",
     "model.layers.{}.conv.out_proj.weight"},
    {Role::kFeedForwardNorm, "blk.{}.ffn_norm.weight",
     "model.layers.{}.ffn_norm.weight"},
    {Role::kGate, "blk.{}.ffn_gate.weight",
     "model.layers.{}.feed_forward.w1.weight"},
    {Role::kUp, "blk.{}.ffn_up.weight",
     "model.layers.{}.feed_forward.w3.weight"},
    {Role::kDown, "blk.{}.ffn_down.weight",
     "model.layers.{}.feed_forward.w2.weight"},
};
constexpr auto kNames = JoinNames(kQueryKeyValueNames, kTensors);

// Two thirds, times a factor, up to a multiple: as for Llama's sizes.
int64_t Adjusted(const Config& config, int64_t hidden) {
  if (config.gguf() != nullptr) return hidden;
  if (config.Has("block_auto_adjust_ff_dim") &&
      !config.Flag("block_auto_adjust_ff_dim")) {
    return hidden;
  }
  const double factor = config.Number("", "block_ffn_dim_multiplier", 1.0);
  const int64_t multiple = config.Count("", "block_multiple_of", 256);
  CheckSize(config, "block_multiple_of", multiple, 1 << 20);
  CheckSize(config, "feed-forward size", hidden, 1 << 24);
  const auto scaled = static_cast<int64_t>(
      factor * std::floor(2.0 * static_cast<double>(hidden) / 3.0));
  return (scaled + multiple - 1) / multiple * multiple;
}

}  // namespace

const std::span<const TensorName> kLfm2Tensors = kNames;

Spec DescribeLfm2(const Checkpoint& checkpoint) {
  const Config config(checkpoint);
  Spec spec = ReadCommon(config, NormKind::kRms, /*hidden_per_width=*/1);
  spec.feed_forward.hidden = Adjusted(
      config,
      config.Count("feed_forward_length", "block_ff_dim|intermediate_size"));
  CheckSize(config, "feed-forward size", spec.feed_forward.hidden, 1 << 24);
  spec.attention.head_norms = HeadNorms::kEachHead;
  std::vector<bool> attention(static_cast<size_t>(spec.layers), false);
  if (config.gguf() != nullptr || config.Has("layer_types")) {
    attention = ReadAttentionLayers(config, spec);
  } else {
    for (const int64_t layer : config.Flags("full_attn_idxs")) {
      if (layer < 0 || layer >= spec.layers) {
        config.Refuse("layer with attention", std::to_string(layer));
      }
      attention[static_cast<size_t>(layer)] = true;
    }
  }
  StateSpaceSpec& state = spec.state_space;
  state.short_convolution = true;
  state.inner = spec.width;
  state.taps = config.Count("shortconv.l_cache", "conv_L_cache");
  CheckSize(config, "size of a convolution", state.taps, 64);
  state.attention = attention;
  state.bias = config.Flag("conv_bias");
  state.filter_bias = config.Flag("conv_bias");
  return spec;
}

}  // namespace malmoi::models
