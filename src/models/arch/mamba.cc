// Mamba (Gu & Dao 2023) and Falcon-Mamba, which normalizes what its steps are
// made of: layers of a state space and nothing else. In GGUF both have one
// name.
#include "models/arch/arch.h"
#include "models/arch/common.h"
#include "models/arch/names.h"

namespace malmoi::models {

namespace {

constexpr TensorName kOwn[] = {
    {Role::kStateParts, "blk.{}.ssm_x.weight",
     "backbone.layers.{}.mixer.x_proj.weight"},
    {Role::kStateStep, "blk.{}.ssm_dt.weight",
     "backbone.layers.{}.mixer.dt_proj.weight"},
};
constexpr auto kNames = JoinNames(kBackboneNames, kOwn);

}  // namespace

const std::span<const TensorName> kMambaTensors = kNames;

Spec DescribeMamba(const Checkpoint& checkpoint) {
  const Config config(checkpoint);
  Spec spec = ReadStateSpaceCommon(config);
  StateSpaceSpec& state = spec.state_space;
  state.step_rank = config.Count("ssm.time_step_rank", "time_step_rank",
                                 (spec.width + 15) / 16);
  CheckSize(config, "rank of time steps", state.step_rank, 1 << 16);
  if (config.gguf() != nullptr) {
    state.part_norms =
        config.gguf()->GetBool(config.GgufKey("ssm.dt_b_c_rms")) == true;
  }
  state.norm_epsilon =
      config.Number("attention.layer_norm_rms_epsilon", "mixer_rms_eps", 1e-6);
  return spec;
}

Spec DescribeFalconMamba(const Checkpoint& checkpoint) {
  Spec spec = DescribeMamba(checkpoint);
  spec.state_space.part_norms = true;
  return spec;
}

}  // namespace malmoi::models
