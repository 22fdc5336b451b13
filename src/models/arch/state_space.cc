// Settings of state spaces, as their configurations spell them.
#include <string>

#include "models/arch/common.h"

namespace malmoi::models {

void ReadState(const Config& config, const StateKeys& keys, Spec& spec) {
  StateSpaceSpec& state = spec.state_space;
  state.inner = config.Count("ssm.inner_size", keys.inner,
                             config.Count("", keys.expand, 2) * spec.width);
  state.states = config.Count("ssm.state_size", keys.states);
  state.taps = config.Count("ssm.conv_kernel", keys.taps);
  CheckSize(config, "channels of a state space", state.inner, 1 << 22);
  CheckSize(config, "size of a state", state.states, 1 << 12);
  CheckSize(config, "size of a convolution", state.taps, 64);
  state.log_rates = config.gguf() == nullptr;
}

Spec ReadStateSpaceCommon(const Config& config) {
  // What converters to GGUF write: the state knows no positions.
  constexpr int64_t kContext = int64_t{1} << 20;
  Spec spec;
  spec.layers = config.Count("block_count", "num_hidden_layers");
  CheckSize(config, "layers", spec.layers, 10'000);
  spec.width = config.Count("embedding_length", "hidden_size");
  CheckSize(config, "width", spec.width, 1 << 20);
  spec.context =
      config.Count("context_length", "max_position_embeddings", kContext);
  spec.norm_epsilon = config.Number("attention.layer_norm_rms_epsilon",
                                    "layer_norm_epsilon", 1e-5);
  if (ReadActivation(config, Activation::kSilu) != Activation::kSilu) {
    config.Refuse("activation", config.Text("", "hidden_act", ""));
  }
  ReadState(config,
            {.inner = "intermediate_size",
             .expand = "expand",
             .states = "state_size",
             .taps = "conv_kernel"},
            spec);
  spec.state_space.bias = HasBias(config, "blk.0.ssm_in.bias", "use_bias");
  spec.state_space.filter_bias =
      HasBias(config, "blk.0.ssm_conv1d.bias", "use_conv_bias", true);
  return spec;
}

void ReadStateHeads(const Config& config, const StateKeys& keys, Spec& spec) {
  StateSpaceSpec& state = spec.state_space;
  state.heads = config.Count("ssm.time_step_rank", keys.heads);
  state.groups = config.Count("ssm.group_count", keys.groups);
  CheckSize(config, "heads of a state space", state.heads, 1 << 16);
  CheckSize(config, "groups of a state space", state.groups, 1 << 16);
  const int64_t dim =
      config.Count("", keys.head_dim, state.inner / state.heads);
  if (dim * state.heads != state.inner || state.heads % state.groups != 0) {
    config.Refuse("heads of a state space",
                  std::to_string(state.heads) + " of " + std::to_string(dim) +
                      " in " + std::to_string(state.groups) + " groups for " +
                      std::to_string(state.inner) + " channels");
  }
  state.gated_norm = true;
  state.norm_epsilon = spec.norm_epsilon;
  if (!config.Unbounded("time_step_limit")) {
    config.Refuse("time_step_limit", "bounds other than 0 and infinity");
  }
}

std::vector<bool> ReadAttentionLayers(const Config& config, Spec& spec) {
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
    if (!attention.back() && type != "mamba" && type != "linear_attention" &&
        type != "conv") {
      config.Refuse("layer type", type);
    }
  }
  if (std::ssize(attention) != spec.layers) {
    config.Refuse("number of kinds of layers",
                  std::to_string(attention.size()));
  }
  return attention;
}

}  // namespace malmoi::models
