// Nomic Embed (Nussbaum et al. 2024): BERT with rotary positions and a gated
// feed-forward.
#include "models/arch/arch.h"
#include "models/arch/common.h"
#include "models/arch/names.h"

namespace malmoi::models {

namespace {

constexpr TensorName kTensors[] = {
    {Role::kEmbedding, "token_embd.weight",
     "embeddings.word_embeddings.weight"},
    {Role::kTokenTypes, "token_types.weight",
     "embeddings.token_type_embeddings.weight"},
    {Role::kEmbeddingNorm, "token_embd_norm.weight", "emb_ln.weight"},
    {Role::kQueryKeyValue, "blk.{}.attn_qkv.weight",
     "encoder.layers.{}.attn.Wqkv.weight"},
    {Role::kAttentionOutput, "blk.{}.attn_output.weight",
     "encoder.layers.{}.attn.out_proj.weight"},
    {Role::kPostAttentionNorm, "blk.{}.attn_output_norm.weight",
     "encoder.layers.{}.norm1.weight"},
    {Role::kUp, "blk.{}.ffn_up.weight", "encoder.layers.{}.mlp.fc11.weight"},
    {Role::kGate, "blk.{}.ffn_gate.weight",
     "encoder.layers.{}.mlp.fc12.weight"},
    {Role::kDown, "blk.{}.ffn_down.weight", "encoder.layers.{}.mlp.fc2.weight"},
    {Role::kPostFeedForwardNorm, "blk.{}.layer_output_norm.weight",
     "encoder.layers.{}.norm2.weight"},
};

}  // namespace

const std::span<const TensorName> kNomicBertTensors = kTensors;

EncoderSpec DescribeNomicBert(const Checkpoint& checkpoint) {
  const Config config(checkpoint);
  EncoderSpec spec = ReadEncoder(config);
  // The Hub's configurations use the words of the model's own code.
  if (config.Flag("prenorm")) config.Refuse("prenorm", "true");
  if (config.Number("", "rotary_emb_fraction", 1.0) != 1.0) {
    config.Refuse("rotary_emb_fraction", "other than 1");
  }
  spec.learned_positions = false;
  AttentionSpec& attention = spec.attention;
  attention.bias = config.Flag("qkv_proj_bias");
  attention.output_bias = attention.bias;
  spec.feed_forward = {.hidden = spec.feed_forward.hidden,
                       .gated = true,
                       .bias = config.Flag("mlp_fc1_bias"),
                       .activation = Activation::kSilu};
  attention.rope = ReadRope(config, attention.head_dim, spec.positions);
  attention.rope.theta = config.Number(
      "rope.freq_base", "rope_parameters.rope_theta|rope_theta|rotary_emb_base",
      1000.0);
  attention.rope.pairs = RopePairs::kHalves;
  return spec;
}

}  // namespace malmoi::models
