// Phi-3, 3.5 and 4-mini: fused matrices, LongRoPE.
#include "models/arch/arch.h"
#include "models/arch/common.h"
#include "models/arch/names.h"

namespace malmoi::models {

namespace {

constexpr TensorName kOwn[] = {
    {Role::kQueryKeyValue, "blk.{}.attn_qkv.weight",
     "model.layers.{}.self_attn.qkv_proj.weight"},
    {Role::kGateUp, "blk.{}.ffn_up.weight",
     "model.layers.{}.mlp.gate_up_proj.weight"},
    {Role::kDown, "blk.{}.ffn_down.weight",
     "model.layers.{}.mlp.down_proj.weight"},
};
constexpr auto kTensors = JoinNames(
    kEndNames, kFirstNormNames, kSecondNormNames, kAttentionOutputNames, kOwn);

}  // namespace

const std::span<const TensorName> kPhi3Tensors = kTensors;

Spec DescribePhi3(const Checkpoint& checkpoint) {
  const Config config(checkpoint);
  Spec spec = ReadCommon(config);
  ReadSliding(config, 0, spec);
  return spec;
}

}  // namespace malmoi::models
