// RoBERTa (Liu et al. 2019) and XLM-RoBERTa.
#include "models/arch/arch.h"
#include "models/arch/common.h"

namespace malmoi::models {

namespace {

constexpr TensorName kTensors[] = {
    {Role::kEmbedding, "token_embd.weight",
     "roberta.embeddings.word_embeddings.weight"},
    {Role::kPositions, "position_embd.weight",
     "roberta.embeddings.position_embeddings.weight"},
    {Role::kTokenTypes, "token_types.weight",
     "roberta.embeddings.token_type_embeddings.weight"},
    {Role::kEmbeddingNorm, "token_embd_norm.weight",
     "roberta.embeddings.LayerNorm.weight"},
    {Role::kQuery, "blk.{}.attn_q.weight",
     "roberta.encoder.layer.{}.attention.self.query.weight"},
    {Role::kKey, "blk.{}.attn_k.weight",
     "roberta.encoder.layer.{}.attention.self.key.weight"},
    {Role::kValue, "blk.{}.attn_v.weight",
     "roberta.encoder.layer.{}.attention.self.value.weight"},
    {Role::kAttentionOutput, "blk.{}.attn_output.weight",
     "roberta.encoder.layer.{}.attention.output.dense.weight"},
    {Role::kPostAttentionNorm, "blk.{}.attn_output_norm.weight",
     "roberta.encoder.layer.{}.attention.output.LayerNorm.weight"},
    {Role::kUp, "blk.{}.ffn_up.weight",
     "roberta.encoder.layer.{}.intermediate.dense.weight"},
    {Role::kDown, "blk.{}.ffn_down.weight",
     "roberta.encoder.layer.{}.output.dense.weight"},
    {Role::kPostFeedForwardNorm, "blk.{}.layer_output_norm.weight",
     "roberta.encoder.layer.{}.output.LayerNorm.weight"},
    {Role::kPooler, "", "roberta.pooler.dense.weight"},
};

}  // namespace

const std::span<const TensorName> kRobertaTensors = kTensors;

// RoBERTa (Liu et al. 2019) and XLM-RoBERTa: positions begin behind the
// padding token's.
EncoderSpec DescribeRoberta(const Checkpoint& checkpoint) {
  const Config config(checkpoint);
  EncoderSpec spec = ReadEncoder(config);
  spec.position_offset = config.Count("", "pad_token_id", 1) + 1;
  return spec;
}

}  // namespace malmoi::models
