// ELECTRA (Clark et al. 2020): narrow tables before a wider encoder.
#include "models/arch/arch.h"
#include "models/arch/common.h"

namespace malmoi::models {

namespace {

constexpr TensorName kTensors[] = {
    {Role::kEmbedding, "token_embd.weight",
     "electra.embeddings.word_embeddings.weight"},
    {Role::kPositions, "position_embd.weight",
     "electra.embeddings.position_embeddings.weight"},
    {Role::kTokenTypes, "token_types.weight",
     "electra.embeddings.token_type_embeddings.weight"},
    {Role::kEmbeddingNorm, "token_embd_norm.weight",
     "electra.embeddings.LayerNorm.weight"},
    {Role::kQuery, "blk.{}.attn_q.weight",
     "electra.encoder.layer.{}.attention.self.query.weight"},
    {Role::kKey, "blk.{}.attn_k.weight",
     "electra.encoder.layer.{}.attention.self.key.weight"},
    {Role::kValue, "blk.{}.attn_v.weight",
     "electra.encoder.layer.{}.attention.self.value.weight"},
    {Role::kAttentionOutput, "blk.{}.attn_output.weight",
     "electra.encoder.layer.{}.attention.output.dense.weight"},
    {Role::kPostAttentionNorm, "blk.{}.attn_output_norm.weight",
     "electra.encoder.layer.{}.attention.output.LayerNorm.weight"},
    {Role::kUp, "blk.{}.ffn_up.weight",
     "electra.encoder.layer.{}.intermediate.dense.weight"},
    {Role::kDown, "blk.{}.ffn_down.weight",
     "electra.encoder.layer.{}.output.dense.weight"},
    {Role::kPostFeedForwardNorm, "blk.{}.layer_output_norm.weight",
     "electra.encoder.layer.{}.output.LayerNorm.weight"},
    {Role::kEmbeddingProjection, "", "electra.embeddings_project.weight"},
};

}  // namespace

const std::span<const TensorName> kElectraTensors = kTensors;

// Clark et al. 2020.
EncoderSpec DescribeElectra(const Checkpoint& checkpoint) {
  const Config config(checkpoint);
  EncoderSpec spec = ReadEncoder(config);
  spec.pooler = false;
  return spec;
}

}  // namespace malmoi::models
