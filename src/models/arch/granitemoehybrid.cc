// Granite 4: a Granite whose layers are Mamba 2 or attention, as a rule without
// positions, with a feed-forward or with experts beside a shared one.
#include <algorithm>
#include <string>

#include "models/arch/arch.h"
#include "models/arch/common.h"
#include "models/arch/names.h"

namespace malmoi::models {

namespace {

constexpr TensorName kOwn[] = {
    {Role::kStateNorm, "blk.{}.ssm_norm.weight",
     "model.layers.{}.mamba.norm.weight"},
    {Role::kGateUp, "", "model.layers.{}.shared_mlp.input_linear.weight"},
    {Role::kGate, "blk.{}.ffn_gate.weight", ""},
    {Role::kUp, "blk.{}.ffn_up.weight", ""},
    {Role::kDown, "blk.{}.ffn_down.weight",
     "model.layers.{}.shared_mlp.output_linear.weight"},
    // Beside experts the same is called otherwise in GGUF.
    {Role::kSharedGateUp, "", "model.layers.{}.shared_mlp.input_linear.weight"},
    {Role::kSharedGate, "blk.{}.ffn_gate_shexp.weight", ""},
    {Role::kSharedUp, "blk.{}.ffn_up_shexp.weight", ""},
    {Role::kSharedDown, "blk.{}.ffn_down_shexp.weight",
     "model.layers.{}.shared_mlp.output_linear.weight"},
    {Role::kRouter, "blk.{}.ffn_gate_inp.weight",
     "model.layers.{}.block_sparse_moe.router.layer.weight"},
    {Role::kExpertGate, "blk.{}.ffn_gate_exps.weight", ""},
    {Role::kExpertUp, "blk.{}.ffn_up_exps.weight", ""},
    {Role::kExpertGateUp, "",
     "model.layers.{}.block_sparse_moe.input_linear.weight"},
    {Role::kExpertDown, "blk.{}.ffn_down_exps.weight",
     "model.layers.{}.block_sparse_moe.output_linear.weight"},
};
constexpr auto kNames =
    JoinNames(kEndNames, kFirstNormNames, kQueryKeyValueNames,
              kAttentionOutputNames, kSecondNormNames, kMamba2Names, kOwn);

}  // namespace

const std::span<const TensorName> kGraniteMoeHybridTensors = kNames;

Spec DescribeGraniteMoeHybrid(const Checkpoint& checkpoint) {
  const Config config(checkpoint);
  Spec spec = DescribeGranite(checkpoint);
  if (config.CountOrZero("expert_count", "num_local_experts") > 0) {
    ReadExperts(config, spec);
    spec.experts.normalize = true;
    spec.experts.shared_router = false;
    spec.experts.shared_hidden = config.Count(
        "expert_shared_feed_forward_length", "shared_intermediate_size");
    CheckSize(config, "feed-forward size", spec.experts.shared_hidden, 1 << 24);
  } else {
    spec.feed_forward.hidden =
        config.Count("feed_forward_length", "shared_intermediate_size");
  }
  CheckSize(config, "feed-forward size", spec.feed_forward.hidden, 1 << 24);
  const bool rotates =
      config.gguf() != nullptr
          ? config.gguf()->GetBool(config.GgufKey("rope.scaling.finetuned")) !=
                false
          : config.Text("", "position_embedding_type", "") == "rope";
  if (!rotates) spec.attention.rope = {};
  const std::vector<bool> attention = ReadAttentionLayers(config, spec);
  if (std::find(attention.begin(), attention.end(), false) == attention.end()) {
    return spec;
  }
  constexpr StateKeys kKeys = {.inner = "",
                               .expand = "mamba_expand",
                               .states = "mamba_d_state",
                               .taps = "mamba_d_conv",
                               .heads = "mamba_n_heads",
                               .head_dim = "mamba_d_head",
                               .groups = "mamba_n_groups"};
  ReadState(config, kKeys, spec);
  ReadStateHeads(config, kKeys, spec);
  const auto first = static_cast<int64_t>(
      std::find(attention.begin(), attention.end(), false) - attention.begin());
  spec.state_space.attention = attention;
  spec.state_space.bias =
      HasBias(config, FillName("blk.{}.ssm_in.bias", first), "mamba_proj_bias");
  spec.state_space.filter_bias =
      HasBias(config, FillName("blk.{}.ssm_conv1d.bias", first),
              "mamba_conv_bias", true);
  return spec;
}

}  // namespace malmoi::models
