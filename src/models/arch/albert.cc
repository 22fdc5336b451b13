// ALBERT (Lan et al. 2020): an encoder whose layers share their weights.
#include "models/arch/arch.h"
#include "models/arch/common.h"

namespace malmoi::models {

namespace {

constexpr TensorName kTensors[] = {
    {Role::kEmbedding, "token_embd.weight",
     "albert.embeddings.word_embeddings.weight"},
    {Role::kPositions, "position_embd.weight",
     "albert.embeddings.position_embeddings.weight"},
    {Role::kTokenTypes, "token_types.weight",
     "albert.embeddings.token_type_embeddings.weight"},
    {Role::kEmbeddingNorm, "token_embd_norm.weight",
     "albert.embeddings.LayerNorm.weight"},
    {Role::kQuery, "blk.{}.attn_q.weight",
     "albert.encoder.albert_layer_groups.{}.albert_layers.0.attention.query."
     "weight"},
    {Role::kKey, "blk.{}.attn_k.weight",
     "albert.encoder.albert_layer_groups.{}.albert_layers.0.attention.key."
     "weight"},
    {Role::kValue, "blk.{}.attn_v.weight",
     "albert.encoder.albert_layer_groups.{}.albert_layers.0.attention.value."
     "weight"},
    {Role::kAttentionOutput, "blk.{}.attn_output.weight",
     "albert.encoder.albert_layer_groups.{}.albert_layers.0.attention.dense."
     "weight"},
    {Role::kPostAttentionNorm, "blk.{}.attn_output_norm.weight",
     "albert.encoder.albert_layer_groups.{}.albert_layers.0.attention."
     "LayerNorm.weight"},
    {Role::kUp, "blk.{}.ffn_up.weight",
     "albert.encoder.albert_layer_groups.{}.albert_layers.0.ffn.weight"},
    {Role::kDown, "blk.{}.ffn_down.weight",
     "albert.encoder.albert_layer_groups.{}.albert_layers.0.ffn_output.weight"},
    {Role::kPostFeedForwardNorm, "blk.{}.layer_output_norm.weight",
     "albert.encoder.albert_layer_groups.{}.albert_layers.0.full_layer_layer_"
     "norm.weight"},
    {Role::kEmbeddingProjection, "",
     "albert.encoder.embedding_hidden_mapping_in.weight"},
    {Role::kPooler, "", "albert.pooler.weight"},
};

}  // namespace

const std::span<const TensorName> kAlbertTensors = kTensors;

// Lan et al. 2020: layers share their weights.
EncoderSpec DescribeAlbert(const Checkpoint& checkpoint) {
  const Config config(checkpoint);
  EncoderSpec spec = ReadEncoder(config);
  spec.groups = config.Count("", "num_hidden_groups", 1);
  if (config.Count("", "inner_group_num", 1) != 1) {
    config.Refuse("inner_group_num", "more than 1");
  }
  return spec;
}

}  // namespace malmoi::models
