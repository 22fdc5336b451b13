// BERT (Devlin et al. 2019), the encoder that others follow, and ELECTRA (Clark
// et al. 2020), whose tables are narrower than its layers and projected.
#include "models/arch/arch.h"
#include "models/arch/common.h"
#include "models/arch/names.h"

namespace malmoi::models {

namespace {

constexpr TensorName kOwn[] = {
    {Role::kQuery, "blk.{}.attn_q.weight",
     "encoder.layer.{}.attention.self.query.weight"},
    {Role::kKey, "blk.{}.attn_k.weight",
     "encoder.layer.{}.attention.self.key.weight"},
    {Role::kValue, "blk.{}.attn_v.weight",
     "encoder.layer.{}.attention.self.value.weight"},
    {Role::kAttentionOutput, "blk.{}.attn_output.weight",
     "encoder.layer.{}.attention.output.dense.weight"},
    {Role::kPostAttentionNorm, "blk.{}.attn_output_norm.weight",
     "encoder.layer.{}.attention.output.LayerNorm.weight"},
    {Role::kUp, "blk.{}.ffn_up.weight",
     "encoder.layer.{}.intermediate.dense.weight"},
    {Role::kDown, "blk.{}.ffn_down.weight",
     "encoder.layer.{}.output.dense.weight"},
    {Role::kPostFeedForwardNorm, "blk.{}.layer_output_norm.weight",
     "encoder.layer.{}.output.LayerNorm.weight"},
    {Role::kPooler, "", "pooler.dense.weight"},
    {Role::kEmbeddingProjection, "", "embeddings_project.weight"},
};
constexpr auto kTensors = JoinNames(kEncoderEmbeddingNames, kOwn);

constexpr HeadForm kHeads[] = {
    {Task::kClassify, Activation::kTanh, kPooledNames},
    {Task::kTag, {}, kClassifierNames},
    {Task::kFill, {}, kWordNames},
    {Task::kAnswer, {}, kSpanNames},
};

constexpr TensorName kElectraPooled[] = {
    {Role::kHeadDense, "", "classifier.dense.weight"},
    {Role::kHeadOutput, "", "classifier.out_proj.weight"},
};
constexpr TensorName kElectraWords[] = {
    {Role::kHeadDense, "", "generator_predictions.dense.weight"},
    {Role::kHeadNorm, "", "generator_predictions.LayerNorm.weight"},
    {Role::kHeadBias, "", "generator_lm_head.bias"},
};
constexpr HeadForm kElectra[] = {
    {Task::kClassify, Activation::kGelu, kElectraPooled},
    {Task::kTag, {}, kClassifierNames},
    {Task::kFill, Activation::kGelu, kElectraWords},
    {Task::kAnswer, {}, kSpanNames},
};

}  // namespace

const std::span<const TensorName> kBertTensors = kTensors;
const std::span<const HeadForm> kBertHeads = kHeads;
const std::span<const HeadForm> kElectraHeads = kElectra;

EncoderSpec DescribeBert(const Checkpoint& checkpoint) {
  return ReadEncoder(Config(checkpoint));
}

}  // namespace malmoi::models
