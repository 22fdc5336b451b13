// BART (Lewis et al. 2020), the encoder-decoder whose names and sizes others
// took over, and mBART (Liu et al. 2020), with norms before its blocks.
#include "models/arch/bart.h"

#include <cmath>
#include <string>

#include "models/arch/arch.h"
#include "models/arch/common.h"

namespace malmoi::models {

namespace {

constexpr TensorName kTensors[] = {
    {Role::kEmbedding, "", "shared.weight"},
    {Role::kEmbedding, "", "encoder.embed_tokens.weight"},
    {Role::kEmbedding, "", "decoder.embed_tokens.weight"},
    {Role::kEmbedding, "", "lm_head.weight"},
    {Role::kLogitBias, "", "final_logits_bias"},
    {Role::kEncoderPositions, "", "encoder.embed_positions.weight"},
    {Role::kEncoderEmbeddingNorm, "", "encoder.layernorm_embedding.weight"},
    {Role::kEncoderQuery, "", "encoder.layers.{}.self_attn.q_proj.weight"},
    {Role::kEncoderKey, "", "encoder.layers.{}.self_attn.k_proj.weight"},
    {Role::kEncoderValue, "", "encoder.layers.{}.self_attn.v_proj.weight"},
    {Role::kEncoderAttentionOutput, "",
     "encoder.layers.{}.self_attn.out_proj.weight"},
    {Role::kEncoderAttentionNorm, "",
     "encoder.layers.{}.self_attn_layer_norm.weight"},
    {Role::kEncoderUp, "", "encoder.layers.{}.fc1.weight"},
    {Role::kEncoderDown, "", "encoder.layers.{}.fc2.weight"},
    {Role::kEncoderFeedForwardNorm, "",
     "encoder.layers.{}.final_layer_norm.weight"},
    {Role::kEncoderOutputNorm, "", "encoder.layer_norm.weight"},
    {Role::kPositions, "", "decoder.embed_positions.weight"},
    {Role::kEmbeddingNorm, "", "decoder.layernorm_embedding.weight"},
    {Role::kQuery, "", "decoder.layers.{}.self_attn.q_proj.weight"},
    {Role::kKey, "", "decoder.layers.{}.self_attn.k_proj.weight"},
    {Role::kValue, "", "decoder.layers.{}.self_attn.v_proj.weight"},
    {Role::kAttentionOutput, "", "decoder.layers.{}.self_attn.out_proj.weight"},
    {Role::kAttentionNorm, "", "decoder.layers.{}.self_attn_layer_norm.weight"},
    {Role::kCrossQuery, "", "decoder.layers.{}.encoder_attn.q_proj.weight"},
    {Role::kCrossKey, "", "decoder.layers.{}.encoder_attn.k_proj.weight"},
    {Role::kCrossValue, "", "decoder.layers.{}.encoder_attn.v_proj.weight"},
    {Role::kCrossOutput, "", "decoder.layers.{}.encoder_attn.out_proj.weight"},
    {Role::kCrossNorm, "", "decoder.layers.{}.encoder_attn_layer_norm.weight"},
    {Role::kUp, "", "decoder.layers.{}.fc1.weight"},
    {Role::kDown, "", "decoder.layers.{}.fc2.weight"},
    {Role::kFeedForwardNorm, "", "decoder.layers.{}.final_layer_norm.weight"},
    {Role::kOutputNorm, "", "decoder.layer_norm.weight"},
};

constexpr std::string_view kIgnored[] = {
    "*embed_tokens.weight",
    "*lm_head.weight",
    "*embed_positions.weight",
    "*embed_positions.weights",
    "*coder.version",
    "*EncDecAttention.relative_attention_bias.weight",
};

StackSpec ReadStack(const Config& config, const std::string& stack,
                    int64_t width) {
  StackSpec spec;
  spec.layers = config.Count("", stack + "_layers");
  spec.heads = config.Count("", stack + "_attention_heads");
  spec.hidden = config.Count("", stack + "_ffn_dim");
  spec.head_dim = width / spec.heads;
  if (width % spec.heads != 0) {
    config.Refuse("number of attention heads", std::to_string(spec.heads));
  }
  spec.scale = 1.0 / std::sqrt(static_cast<double>(spec.head_dim));
  return spec;
}

}  // namespace

const std::span<const TensorName> kBartTensors = kTensors;
const std::span<const std::string_view> kEncoderDecoderIgnored = kIgnored;

EncoderDecoderSpec ReadBart(const Config& config) {
  EncoderDecoderSpec spec;
  spec.width = config.Count("", "d_model");
  spec.encoder = ReadStack(config, "encoder", spec.width);
  spec.decoder = ReadStack(config, "decoder", spec.width);
  spec.activation = ReadActivation(config, Activation::kGelu);
  spec.context = config.Count("", "max_position_embeddings");
  if (config.Flag("scale_embedding")) {
    spec.embedding_scale = std::sqrt(static_cast<double>(spec.width));
  }
  return spec;
}

EncoderDecoderSpec DescribeBart(const Checkpoint& checkpoint) {
  EncoderDecoderSpec spec = ReadBart(Config(checkpoint));
  spec.positions = PositionKind::kLearned;
  spec.position_offset = 2;
  spec.embedding_norm = true;
  return spec;
}

EncoderDecoderSpec DescribeMbart(const Checkpoint& checkpoint) {
  EncoderDecoderSpec spec = ReadBart(Config(checkpoint));
  spec.positions = PositionKind::kLearned;
  spec.position_offset = 2;
  spec.embedding_norm = true;
  spec.pre_norms = true;
  spec.output_norm = true;
  return spec;
}

}  // namespace malmoi::models
