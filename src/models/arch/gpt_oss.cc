// gpt-oss (OpenAI 2025): experts in MXFP4 with clamped gates, a sink in every
// head, windows in every other layer.
#include "models/arch/arch.h"
#include "models/arch/common.h"
#include "models/arch/names.h"

namespace malmoi::models {

namespace {

constexpr TensorName kOwn[] = {
    // GGUF's name is that of what others have behind attention.
    {Role::kFeedForwardNorm, "blk.{}.post_attention_norm.weight",
     "model.layers.{}.post_attention_layernorm.weight"},
    {Role::kSinks, "blk.{}.attn_sinks.weight",
     "model.layers.{}.self_attn.sinks"},
    {Role::kRouter, "blk.{}.ffn_gate_inp.weight",
     "model.layers.{}.mlp.router.weight"},
    {Role::kExpertGate, "blk.{}.ffn_gate_exps.weight", ""},
    {Role::kExpertUp, "blk.{}.ffn_up_exps.weight", ""},
    {Role::kExpertGateUp, "", "model.layers.{}.mlp.experts.gate_up_proj"},
    {Role::kExpertGateUp, "",
     "model.layers.{}.mlp.experts.gate_up_proj_blocks"},
    {Role::kExpertDown, "blk.{}.ffn_down_exps.weight",
     "model.layers.{}.mlp.experts.down_proj"},
    {Role::kExpertDown, "", "model.layers.{}.mlp.experts.down_proj_blocks"},
};
constexpr auto kNames =
    JoinNames(kEndNames, kFirstNormNames, kQueryKeyValueNames,
              kAttentionOutputNames, kOwn);

}  // namespace

const std::span<const TensorName> kGptOssTensors = kNames;

Spec DescribeGptOss(const Checkpoint& checkpoint) {
  const Config config(checkpoint);
  Spec spec = ReadCommon(config);
  if (config.gguf() != nullptr) {
    // Which does not say that YaRN's range stays as it is.
    spec.attention.rope =
        ReadRope(config, spec.attention.head_dim, spec.context, "", false);
    spec.attention.rope.pairs = RopePairs::kHalves;
  }
  ReadSliding(config, /*pattern=*/2, spec);
  spec.attention.sinks = true;
  spec.attention.bias =
      HasBias(config, "blk.0.attn_q.bias", "attention_bias", true);
  spec.attention.output_bias =
      HasBias(config, "blk.0.attn_output.bias", "attention_bias", true);
  const double limit = config.Number("", "swiglu_limit", 7.0);
  if (limit != 7.0) config.Refuse("swiglu_limit", std::to_string(limit));
  const double alpha = config.Number("", "swiglu_alpha", 1.702);
  if (alpha != 1.702) config.Refuse("swiglu_alpha", std::to_string(alpha));
  spec.feed_forward.activation = Activation::kClampedSwish;
  ReadExperts(config, spec);
  spec.experts.normalize = true;
  spec.experts.router_bias = true;
  spec.experts.bias = true;
  spec.experts.alternating = config.gguf() == nullptr;
  spec.experts.transposed = config.gguf() == nullptr;
  return spec;
}

}  // namespace malmoi::models
