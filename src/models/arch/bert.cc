// BERT (Devlin et al. 2019), the encoder that others follow.
#include "models/arch/arch.h"
#include "models/arch/common.h"

namespace malmoi::models {

namespace {

constexpr TensorName kTensors[] = {
    {Role::kEmbedding, "token_embd.weight",
     "bert.embeddings.word_embeddings.weight"},
    {Role::kPositions, "position_embd.weight",
     "bert.embeddings.position_embeddings.weight"},
    {Role::kTokenTypes, "token_types.weight",
     "bert.embeddings.token_type_embeddings.weight"},
    {Role::kEmbeddingNorm, "token_embd_norm.weight",
     "bert.embeddings.LayerNorm.weight"},
    {Role::kQuery, "blk.{}.attn_q.weight",
     "bert.encoder.layer.{}.attention.self.query.weight"},
    {Role::kKey, "blk.{}.attn_k.weight",
     "bert.encoder.layer.{}.attention.self.key.weight"},
    {Role::kValue, "blk.{}.attn_v.weight",
     "bert.encoder.layer.{}.attention.self.value.weight"},
    {Role::kAttentionOutput, "blk.{}.attn_output.weight",
     "bert.encoder.layer.{}.attention.output.dense.weight"},
    {Role::kPostAttentionNorm, "blk.{}.attn_output_norm.weight",
     "bert.encoder.layer.{}.attention.output.LayerNorm.weight"},
    {Role::kUp, "blk.{}.ffn_up.weight",
     "bert.encoder.layer.{}.intermediate.dense.weight"},
    {Role::kDown, "blk.{}.ffn_down.weight",
     "bert.encoder.layer.{}.output.dense.weight"},
    {Role::kPostFeedForwardNorm, "blk.{}.layer_output_norm.weight",
     "bert.encoder.layer.{}.output.LayerNorm.weight"},
    {Role::kPooler, "", "bert.pooler.dense.weight"},
};

}  // namespace

const std::span<const TensorName> kBertTensors = kTensors;

// Devlin et al. 2019.
EncoderSpec DescribeBert(const Checkpoint& checkpoint) {
  return ReadEncoder(Config(checkpoint));
}

}  // namespace malmoi::models
