// Mamba 2 (Dao & Gu 2024): heads of channels that share a time step.
#include "models/arch/arch.h"
#include "models/arch/common.h"
#include "models/arch/names.h"

namespace malmoi::models {

namespace {

constexpr TensorName kOwn[] = {
    {Role::kStateStep, "blk.{}.ssm_dt.bias",
     "backbone.layers.{}.mixer.dt_bias"},
    {Role::kStateNorm, "blk.{}.ssm_norm.weight",
     "backbone.layers.{}.mixer.norm.weight"},
};
constexpr auto kNames = JoinNames(kBackboneNames, kOwn);

}  // namespace

const std::span<const TensorName> kMamba2Tensors = kNames;

Spec DescribeMamba2(const Checkpoint& checkpoint) {
  const Config config(checkpoint);
  Spec spec = ReadStateSpaceCommon(config);
  ReadStateHeads(
      config,
      {.heads = "num_heads", .head_dim = "head_dim", .groups = "n_groups"},
      spec);
  return spec;
}

}  // namespace malmoi::models
