// DistilBERT (Sanh et al. 2019): BERT without token types and pooler.
#include "models/arch/arch.h"
#include "models/arch/common.h"

namespace malmoi::models {

namespace {

constexpr TensorName kTensors[] = {
    {Role::kEmbedding, "token_embd.weight",
     "distilbert.embeddings.word_embeddings.weight"},
    {Role::kPositions, "position_embd.weight",
     "distilbert.embeddings.position_embeddings.weight"},
    {Role::kEmbeddingNorm, "token_embd_norm.weight",
     "distilbert.embeddings.LayerNorm.weight"},
    {Role::kQuery, "blk.{}.attn_q.weight",
     "distilbert.transformer.layer.{}.attention.q_lin.weight"},
    {Role::kKey, "blk.{}.attn_k.weight",
     "distilbert.transformer.layer.{}.attention.k_lin.weight"},
    {Role::kValue, "blk.{}.attn_v.weight",
     "distilbert.transformer.layer.{}.attention.v_lin.weight"},
    {Role::kAttentionOutput, "blk.{}.attn_output.weight",
     "distilbert.transformer.layer.{}.attention.out_lin.weight"},
    {Role::kPostAttentionNorm, "blk.{}.attn_output_norm.weight",
     "distilbert.transformer.layer.{}.sa_layer_norm.weight"},
    {Role::kUp, "blk.{}.ffn_up.weight",
     "distilbert.transformer.layer.{}.ffn.lin1.weight"},
    {Role::kDown, "blk.{}.ffn_down.weight",
     "distilbert.transformer.layer.{}.ffn.lin2.weight"},
    {Role::kPostFeedForwardNorm, "blk.{}.layer_output_norm.weight",
     "distilbert.transformer.layer.{}.output_layer_norm.weight"},
};

}  // namespace

const std::span<const TensorName> kDistilBertTensors = kTensors;

// Sanh et al. 2019: BERT without token types and pooler.
EncoderSpec DescribeDistilBert(const Checkpoint& checkpoint) {
  const Config config(checkpoint);
  return ReadEncoder(config);
}

}  // namespace malmoi::models
