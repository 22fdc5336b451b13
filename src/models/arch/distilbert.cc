// DistilBERT (Sanh et al. 2019): BERT without token types and pooler.
#include "models/arch/arch.h"
#include "models/arch/common.h"
#include "models/arch/names.h"

namespace malmoi::models {

namespace {

constexpr TensorName kOwn[] = {
    {Role::kQuery, "blk.{}.attn_q.weight",
     "transformer.layer.{}.attention.q_lin.weight"},
    {Role::kKey, "blk.{}.attn_k.weight",
     "transformer.layer.{}.attention.k_lin.weight"},
    {Role::kValue, "blk.{}.attn_v.weight",
     "transformer.layer.{}.attention.v_lin.weight"},
    {Role::kAttentionOutput, "blk.{}.attn_output.weight",
     "transformer.layer.{}.attention.out_lin.weight"},
    {Role::kPostAttentionNorm, "blk.{}.attn_output_norm.weight",
     "transformer.layer.{}.sa_layer_norm.weight"},
    {Role::kUp, "blk.{}.ffn_up.weight", "transformer.layer.{}.ffn.lin1.weight"},
    {Role::kDown, "blk.{}.ffn_down.weight",
     "transformer.layer.{}.ffn.lin2.weight"},
    {Role::kPostFeedForwardNorm, "blk.{}.layer_output_norm.weight",
     "transformer.layer.{}.output_layer_norm.weight"},
};
constexpr auto kTensors = JoinNames(kEncoderEmbeddingNames, kOwn);

constexpr TensorName kPooled[] = {
    {Role::kHeadDense, "", "pre_classifier.weight"},
    {Role::kHeadOutput, "", "classifier.weight"},
};
constexpr TensorName kWords[] = {
    {Role::kHeadDense, "", "vocab_transform.weight"},
    {Role::kHeadNorm, "", "vocab_layer_norm.weight"},
    {Role::kHeadBias, "", "vocab_projector.bias"},
};
constexpr HeadForm kHeads[] = {
    {Task::kClassify, Activation::kRelu, kPooled},
    {Task::kTag, {}, kClassifierNames},
    {Task::kFill, {}, kWords},
    {Task::kAnswer, {}, kSpanNames},
};

}  // namespace

const std::span<const HeadForm> kDistilBertHeads = kHeads;
const std::span<const TensorName> kDistilBertTensors = kTensors;

EncoderSpec DescribeDistilBert(const Checkpoint& checkpoint) {
  return ReadEncoder(Config(checkpoint));
}

}  // namespace malmoi::models
