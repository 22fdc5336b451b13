// StableLM 2: LayerNorms, a quarter of each head rotates.
#include "models/arch/arch.h"
#include "models/arch/common.h"
#include "models/arch/names.h"

namespace malmoi::models {

namespace {

constexpr TensorName kOwn[] = {
    {Role::kQueryNorm, "blk.{}.attn_q_norm.weight",
     "model.layers.{}.self_attn.q_layernorm.norms.{}.weight"},
    {Role::kKeyNorm, "blk.{}.attn_k_norm.weight",
     "model.layers.{}.self_attn.k_layernorm.norms.{}.weight"},
};
constexpr auto kTensors =
    JoinNames(kEndNames, kFirstNormNames, kSecondNormNames, kQueryKeyValueNames,
              kAttentionOutputNames, kGatedNames, kOwn);

}  // namespace

const std::span<const TensorName> kStableLmTensors = kTensors;

Spec DescribeStableLm(const Checkpoint& checkpoint) {
  const Config config(checkpoint);
  Spec spec = ReadCommon(config, NormKind::kLayer);
  spec.norm_bias = true;
  spec.parallel = checkpoint.gguf
                      ? config.FindTensor("blk.0.ffn_norm.weight") == nullptr
                      : config.Flag("use_parallel_residual");
  spec.shared_norm = spec.parallel;
  spec.attention.bias = HasBias(config, "blk.0.attn_q.bias", "use_qkv_bias");
  if (HasBias(config, "blk.0.attn_q_norm.weight", "qk_layernorm")) {
    spec.attention.head_norms = HeadNorms::kOwnWeight;
  }
  return spec;
}

}  // namespace malmoi::models
