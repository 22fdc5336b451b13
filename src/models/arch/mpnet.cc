// MPNet (Song et al. 2020): an encoder with a bias by distance.
#include "models/arch/arch.h"
#include "models/arch/common.h"

namespace malmoi::models {

namespace {

constexpr TensorName kTensors[] = {
    {Role::kEmbedding, "token_embd.weight",
     "mpnet.embeddings.word_embeddings.weight"},
    {Role::kPositions, "position_embd.weight",
     "mpnet.embeddings.position_embeddings.weight"},
    {Role::kEmbeddingNorm, "token_embd_norm.weight",
     "mpnet.embeddings.LayerNorm.weight"},
    {Role::kQuery, "blk.{}.attn_q.weight",
     "mpnet.encoder.layer.{}.attention.attn.q.weight"},
    {Role::kKey, "blk.{}.attn_k.weight",
     "mpnet.encoder.layer.{}.attention.attn.k.weight"},
    {Role::kValue, "blk.{}.attn_v.weight",
     "mpnet.encoder.layer.{}.attention.attn.v.weight"},
    {Role::kAttentionOutput, "blk.{}.attn_output.weight",
     "mpnet.encoder.layer.{}.attention.attn.o.weight"},
    {Role::kPostAttentionNorm, "blk.{}.attn_output_norm.weight",
     "mpnet.encoder.layer.{}.attention.LayerNorm.weight"},
    {Role::kUp, "blk.{}.ffn_up.weight",
     "mpnet.encoder.layer.{}.intermediate.dense.weight"},
    {Role::kDown, "blk.{}.ffn_down.weight",
     "mpnet.encoder.layer.{}.output.dense.weight"},
    {Role::kPostFeedForwardNorm, "blk.{}.layer_output_norm.weight",
     "mpnet.encoder.layer.{}.output.LayerNorm.weight"},
    {Role::kDistanceBias, "", "mpnet.encoder.relative_attention_bias.weight"},
    {Role::kPooler, "", "mpnet.pooler.dense.weight"},
};

}  // namespace

const std::span<const TensorName> kMpnetTensors = kTensors;

// Song et al. 2020: scores also depend on the distance.
EncoderSpec DescribeMpnet(const Checkpoint& checkpoint) {
  const Config config(checkpoint);
  EncoderSpec spec = ReadEncoder(config);
  spec.position_offset = config.Count("", "pad_token_id", 1) + 1;
  spec.distance_buckets =
      config.Count("", "relative_attention_num_buckets", 32);
  return spec;
}

}  // namespace malmoi::models
