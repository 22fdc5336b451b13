// Granite 4: a Granite whose layers are Mamba 2 or attention, as a rule without
// positions. Those with experts are not here yet.
#include <algorithm>
#include <string>

#include "models/arch/arch.h"
#include "models/arch/common.h"
#include "models/arch/names.h"

namespace malmoi::models {

namespace {

constexpr TensorName kOwn[] = {
    {Role::kStateIn, "blk.{}.ssm_in.weight",
     "model.layers.{}.mamba.in_proj.weight"},
    {Role::kStateFilters, "blk.{}.ssm_conv1d.weight",
     "model.layers.{}.mamba.conv1d.weight"},
    {Role::kStateStep, "blk.{}.ssm_dt.bias", "model.layers.{}.mamba.dt_bias"},
    {Role::kStateRates, "blk.{}.ssm_a", "model.layers.{}.mamba.A_log"},
    {Role::kStateSkips, "blk.{}.ssm_d", "model.layers.{}.mamba.D"},
    {Role::kStateNorm, "blk.{}.ssm_norm.weight",
     "model.layers.{}.mamba.norm.weight"},
    {Role::kStateOut, "blk.{}.ssm_out.weight",
     "model.layers.{}.mamba.out_proj.weight"},
    {Role::kGateUp, "", "model.layers.{}.shared_mlp.input_linear.weight"},
    {Role::kGate, "blk.{}.ffn_gate.weight", ""},
    {Role::kUp, "blk.{}.ffn_up.weight", ""},
    {Role::kDown, "blk.{}.ffn_down.weight",
     "model.layers.{}.shared_mlp.output_linear.weight"},
};
constexpr auto kNames =
    JoinNames(kEndNames, kFirstNormNames, kQueryKeyValueNames,
              kAttentionOutputNames, kSecondNormNames, kOwn);

// Which layers attend. In GGUF those that have heads of keys and values.
std::vector<bool> AttentionLayers(const Config& config, Spec& spec) {
  std::vector<bool> attention;
  if (config.gguf() != nullptr) {
    const auto heads =
        config.gguf()->GetInts(config.GgufKey("attention.head_count_kv"));
    for (const int64_t count : heads.value_or(std::vector<int64_t>())) {
      attention.push_back(count > 0);
      if (count > 0) spec.attention.kv_heads = count;
    }
    if (spec.attention.kv_heads > spec.attention.heads) {
      config.Refuse("number of key and value heads",
                    std::to_string(spec.attention.kv_heads));
    }
  }
  for (const std::string& type :
       config.Texts("layer_types|layers_block_type")) {
    attention.push_back(type == "attention" || type == "full_attention");
    if (!attention.back() && type != "mamba" && type != "linear_attention") {
      config.Refuse("layer type", type);
    }
  }
  if (std::ssize(attention) != spec.layers) {
    config.Refuse("number of kinds of layers",
                  std::to_string(attention.size()));
  }
  return attention;
}

}  // namespace

const std::span<const TensorName> kGraniteMoeHybridTensors = kNames;

Spec DescribeGraniteMoeHybrid(const Checkpoint& checkpoint) {
  const Config config(checkpoint);
  Spec spec = DescribeGranite(checkpoint);
  if (config.CountOrZero("expert_count", "num_local_experts") > 0) {
    config.Refuse("feed-forward", "experts beside a shared one");
  }
  spec.feed_forward.hidden =
      config.Count("feed_forward_length", "shared_intermediate_size");
  CheckSize(config, "feed-forward size", spec.feed_forward.hidden, 1 << 24);
  const bool rotates =
      config.gguf() != nullptr
          ? config.gguf()->GetBool(config.GgufKey("rope.scaling.finetuned")) !=
                false
          : config.Text("", "position_embedding_type", "") == "rope";
  if (!rotates) spec.attention.rope = {};
  const std::vector<bool> attention = AttentionLayers(config, spec);
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
