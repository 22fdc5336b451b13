// DeBERTa v2 and v3 (He et al. 2021): BERT whose attention tells contents and
// distances apart.
#include <cmath>
#include <string>

#include "models/arch/arch.h"
#include "models/arch/common.h"
#include "models/arch/names.h"

namespace malmoi::models {

namespace {

constexpr TensorName kOwn[] = {
    {Role::kQuery, "", "encoder.layer.{}.attention.self.query_proj.weight"},
    {Role::kKey, "", "encoder.layer.{}.attention.self.key_proj.weight"},
    {Role::kValue, "", "encoder.layer.{}.attention.self.value_proj.weight"},
    {Role::kAttentionOutput, "",
     "encoder.layer.{}.attention.output.dense.weight"},
    {Role::kPostAttentionNorm, "",
     "encoder.layer.{}.attention.output.LayerNorm.weight"},
    {Role::kUp, "", "encoder.layer.{}.intermediate.dense.weight"},
    {Role::kDown, "", "encoder.layer.{}.output.dense.weight"},
    {Role::kPostFeedForwardNorm, "",
     "encoder.layer.{}.output.LayerNorm.weight"},
    {Role::kDistances, "", "encoder.rel_embeddings.weight"},
    {Role::kDistanceNorm, "", "encoder.LayerNorm.weight"},
    {Role::kConvolution, "", "encoder.conv.conv.weight"},
    {Role::kConvolutionNorm, "", "encoder.conv.LayerNorm.weight"},
};
constexpr auto kTensors = JoinNames(kEncoderEmbeddingNames, kOwn);

// As DeBERTa v3's files have it.
constexpr TensorName kNewWords[] = {
    {Role::kHeadDense, "", "lm_predictions.lm_head.dense.weight"},
    {Role::kHeadNorm, "", "lm_predictions.lm_head.LayerNorm.weight"},
    {Role::kHeadBias, "", "lm_predictions.lm_head.bias"},
};
constexpr HeadForm kHeads[] = {
    {Task::kClassify, Activation::kGelu, kPooledNames},
    {Task::kTag, {}, kClassifierNames},
    {Task::kFill, {}, kWordNames},
    {Task::kFill, {}, kNewWords},
    {Task::kAnswer, {}, kSpanNames},
};

// Of xlarge and xxlarge.
void ReadConvolution(const Config& config, EncoderSpec& spec) {
  spec.convolution = config.CountOrZero("", "conv_kernel_size");
  if (spec.convolution == 0) return;
  if (spec.convolution % 2 == 0 || spec.convolution > 1024) {
    config.Refuse("conv_kernel_size", std::to_string(spec.convolution));
  }
  const int64_t groups = config.Count("", "conv_groups", 1);
  if (groups != 1) config.Refuse("conv_groups", std::to_string(groups));
  const std::string act = config.Text("", "conv_act", "tanh");
  if (act == "gelu") {
    spec.convolution_activation = Activation::kGelu;
  } else if (act == "relu") {
    spec.convolution_activation = Activation::kRelu;
  } else if (act != "tanh") {
    config.Refuse("conv_act", act);
  }
}

}  // namespace

const std::span<const TensorName> kDebertaTensors = kTensors;
const std::span<const HeadForm> kDebertaHeads = kHeads;

EncoderSpec DescribeDeberta(const Checkpoint& checkpoint) {
  const Config config(checkpoint);
  EncoderSpec spec = ReadEncoder(config);
  if (spec.embedding_width != spec.width) {
    config.Refuse("embedding_size", std::to_string(spec.embedding_width));
  }
  spec.learned_positions = !config.Has("position_biased_input") ||
                           config.Flag("position_biased_input");
  ReadConvolution(config, spec);
  if (!config.Flag("relative_attention")) {
    config.Refuse("relative_attention", "false");
  }
  if (!config.Flag("share_att_key")) config.Refuse("share_att_key", "false");
  const std::string act = config.Text("", "pooler_hidden_act", "gelu");
  if (act != "gelu") config.Refuse("pooler_hidden_act", act);
  DisentangledSpec& apart = spec.disentangled;
  apart.farthest = config.CountOrNone("max_relative_positions");
  if (apart.farthest == 0) apart.farthest = spec.positions;
  apart.buckets = config.CountOrNone("position_buckets");
  apart.span = apart.buckets > 0 ? apart.buckets : apart.farthest;
  apart.norm = config.Text("", "norm_rel_ebd", "none").find("layer_norm") !=
               std::string::npos;
  // "p2c|c2p", or a list of them.
  std::string kinds;
  for (const std::string& kind : config.Texts("pos_att_type")) kinds += kind;
  if (kinds.empty()) kinds = config.Text("", "pos_att_type", "");
  apart.query = kinds.find("c2p") != std::string::npos;
  apart.key = kinds.find("p2c") != std::string::npos;
  const int terms = 1 + (apart.query ? 1 : 0) + (apart.key ? 1 : 0);
  spec.attention.scale /= std::sqrt(static_cast<double>(terms));
  return spec;
}

}  // namespace malmoi::models
