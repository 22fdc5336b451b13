// RoBERTa (Liu et al. 2019) and XLM-RoBERTa.
#include "models/arch/arch.h"
#include "models/arch/common.h"
#include "models/arch/names.h"

namespace malmoi::models {

namespace {

constexpr TensorName kPooled[] = {
    {Role::kHeadDense, "cls.weight", "classifier.dense.weight"},
    {Role::kHeadOutput, "cls.output.weight", "classifier.out_proj.weight"},
};
constexpr TensorName kWords[] = {
    {Role::kHeadDense, "", "lm_head.dense.weight"},
    {Role::kHeadNorm, "", "lm_head.layer_norm.weight"},
    {Role::kHeadBias, "", "lm_head.bias"},
};
constexpr HeadForm kHeads[] = {
    {Task::kClassify, Activation::kTanh, kPooled},
    {Task::kTag, {}, kClassifierNames},
    {Task::kFill, Activation::kGelu, kWords},
    {Task::kAnswer, {}, kSpanNames},
};

}  // namespace

const std::span<const HeadForm> kRobertaHeads = kHeads;

// RoBERTa (Liu et al. 2019) and XLM-RoBERTa: positions begin behind the
// padding token's.
EncoderSpec DescribeRoberta(const Checkpoint& checkpoint) {
  const Config config(checkpoint);
  EncoderSpec spec = ReadEncoder(config);
  spec.position_offset = config.Count("", "pad_token_id", 1) + 1;
  return spec;
}

}  // namespace malmoi::models
