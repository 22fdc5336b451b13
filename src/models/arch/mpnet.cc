// MPNet (Song et al. 2020): an encoder with a bias by distance.
#include "models/arch/arch.h"
#include "models/arch/common.h"
#include "models/arch/names.h"

namespace malmoi::models {

namespace {

constexpr TensorName kOwn[] = {
    {Role::kQuery, "blk.{}.attn_q.weight",
     "encoder.layer.{}.attention.attn.q.weight"},
    {Role::kKey, "blk.{}.attn_k.weight",
     "encoder.layer.{}.attention.attn.k.weight"},
    {Role::kValue, "blk.{}.attn_v.weight",
     "encoder.layer.{}.attention.attn.v.weight"},
    {Role::kAttentionOutput, "blk.{}.attn_output.weight",
     "encoder.layer.{}.attention.attn.o.weight"},
    {Role::kPostAttentionNorm, "blk.{}.attn_output_norm.weight",
     "encoder.layer.{}.attention.LayerNorm.weight"},
    {Role::kUp, "blk.{}.ffn_up.weight",
     "encoder.layer.{}.intermediate.dense.weight"},
    {Role::kDown, "blk.{}.ffn_down.weight",
     "encoder.layer.{}.output.dense.weight"},
    {Role::kPostFeedForwardNorm, "blk.{}.layer_output_norm.weight",
     "encoder.layer.{}.output.LayerNorm.weight"},
    {Role::kDistanceBias, "", "encoder.relative_attention_bias.weight"},
    {Role::kPooler, "", "pooler.dense.weight"},
};
constexpr auto kTensors = JoinNames(kEncoderEmbeddingNames, kOwn);

}  // namespace

const std::span<const TensorName> kMpnetTensors = kTensors;

EncoderSpec DescribeMpnet(const Checkpoint& checkpoint) {
  const Config config(checkpoint);
  EncoderSpec spec = ReadEncoder(config);
  spec.position_offset = config.Count("", "pad_token_id", 1) + 1;
  spec.distance_buckets =
      config.Count("", "relative_attention_num_buckets", 32);
  return spec;
}

}  // namespace malmoi::models
