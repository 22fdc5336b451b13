// ALBERT (Lan et al. 2020): an encoder whose layers share their weights.
#include "models/arch/arch.h"
#include "models/arch/common.h"
#include "models/arch/names.h"

namespace malmoi::models {

namespace {

constexpr TensorName kOwn[] = {
    {Role::kQuery, "blk.{}.attn_q.weight",
     "encoder.albert_layer_groups.{}.albert_layers.0.attention.query.weight"},
    {Role::kKey, "blk.{}.attn_k.weight",
     "encoder.albert_layer_groups.{}.albert_layers.0.attention.key.weight"},
    {Role::kValue, "blk.{}.attn_v.weight",
     "encoder.albert_layer_groups.{}.albert_layers.0.attention.value.weight"},
    {Role::kAttentionOutput, "blk.{}.attn_output.weight",
     "encoder.albert_layer_groups.{}.albert_layers.0.attention.dense.weight"},
    {Role::kPostAttentionNorm, "blk.{}.attn_output_norm.weight",
     "encoder.albert_layer_groups.{}.albert_layers.0.attention.LayerNorm."
     "weight"},
    {Role::kPostFeedForwardNorm, "blk.{}.layer_output_norm.weight",
     "encoder.albert_layer_groups.{}.albert_layers.0.full_layer_layer_norm."
     "weight"},
    {Role::kUp, "blk.{}.ffn_up.weight",
     "encoder.albert_layer_groups.{}.albert_layers.0.ffn.weight"},
    {Role::kDown, "blk.{}.ffn_down.weight",
     "encoder.albert_layer_groups.{}.albert_layers.0.ffn_output.weight"},
    {Role::kEmbeddingProjection, "",
     "encoder.embedding_hidden_mapping_in.weight"},
    {Role::kPooler, "", "pooler.weight"},
};
constexpr auto kTensors = JoinNames(kEncoderEmbeddingNames, kOwn);

constexpr TensorName kPooled[] = {
    {Role::kHeadDense, "", "pooler.weight"},
    {Role::kHeadOutput, "", "classifier.weight"},
};
constexpr TensorName kWords[] = {
    {Role::kHeadDense, "", "predictions.dense.weight"},
    {Role::kHeadNorm, "", "predictions.LayerNorm.weight"},
    {Role::kHeadBias, "", "predictions.bias"},
};
constexpr HeadForm kHeads[] = {
    {Task::kClassify, Activation::kTanh, kPooled},
    {Task::kTag, {}, kClassifierNames},
    {Task::kFill, {}, kWords},
    {Task::kAnswer, {}, kSpanNames},
};

}  // namespace

const std::span<const HeadForm> kAlbertHeads = kHeads;
const std::span<const TensorName> kAlbertTensors = kTensors;

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
