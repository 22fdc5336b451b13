// Falcon-H1 (TII 2025): every layer has Mamba 2 and attention side by side. Its
// multipliers (Yang et al. 2022, µP) are in the weights of a GGUF already.
#include "models/arch/arch.h"
#include "models/arch/common.h"
#include "models/arch/names.h"

namespace malmoi::models {

namespace {

constexpr TensorName kOwn[] = {
    {Role::kEmbedding, "token_embd.weight", "model.embed_tokens.weight"},
    {Role::kOutputNorm, "output_norm.weight", "model.final_layernorm.weight"},
    {Role::kHead, "output.weight", "lm_head.weight"},
    {Role::kStateNorm, "blk.{}.ssm_norm.weight",
     "model.layers.{}.mamba.norm.weight"},
    // Converters leave the end out.
    {Role::kFeedForwardNorm, "blk.{}.ffn_norm",
     "model.layers.{}.pre_ff_layernorm.weight"},
    {Role::kFeedForwardNorm, "blk.{}.ffn_norm.weight", ""},
    {Role::kGate, "blk.{}.ffn_gate.weight",
     "model.layers.{}.feed_forward.gate_proj.weight"},
    {Role::kUp, "blk.{}.ffn_up.weight",
     "model.layers.{}.feed_forward.up_proj.weight"},
    {Role::kDown, "blk.{}.ffn_down.weight",
     "model.layers.{}.feed_forward.down_proj.weight"},
};
constexpr auto kNames = JoinNames(kFirstNormNames, kQueryKeyValueNames,
                                  kAttentionOutputNames, kMamba2Names, kOwn);

}  // namespace

const std::span<const TensorName> kFalconH1Tensors = kNames;

Spec DescribeFalconH1(const Checkpoint& checkpoint) {
  const Config config(checkpoint);
  Spec spec = ReadCommon(config);
  for (const char* flag : {"attention_bias", "mlp_bias", "projectors_bias",
                           "mamba_proj_bias", "mamba_norm_before_gate"}) {
    const bool used = std::string_view(flag) != "mamba_norm_before_gate" ||
                      config.Flag("mamba_rms_norm");
    if (used && config.Flag(flag)) config.Refuse(flag, "true");
  }
  if (config.Has("mamba_use_mlp") && !config.Flag("mamba_use_mlp")) {
    config.Refuse("mamba_use_mlp", "false");
  }
  if (config.Has("attn_layer_indices")) {
    config.Refuse("attn_layer_indices", "a list");
  }
  const auto multiplier = [&](const char* key) {
    return config.Number("", key, 1.0);
  };
  const auto multipliers = [&](const char* key, size_t count) {
    if (!config.Has(key)) return std::vector<double>(count, 1.0);
    std::vector<double> values = config.Numbers(key);
    if (values.size() != count) {
      config.Refuse(key, std::to_string(values.size()) + " numbers");
    }
    return values;
  };
  constexpr StateKeys kKeys = {.inner = "mamba_d_ssm",
                               .expand = "mamba_expand",
                               .states = "mamba_d_state",
                               .taps = "mamba_d_conv",
                               .heads = "mamba_n_heads",
                               .head_dim = "mamba_d_head",
                               .groups = "mamba_n_groups"};
  ReadState(config, kKeys, spec);
  ReadStateHeads(config, kKeys, spec);
  StateSpaceSpec& state = spec.state_space;
  state.beside = true;
  state.filter_bias =
      HasBias(config, "blk.0.ssm_conv1d.bias", "mamba_conv_bias", true);
  // Which config.json says, and a GGUF by having it.
  state.gated_norm = HasBias(config, "blk.0.ssm_norm.weight", "mamba_rms_norm");
  state.part_scales = multipliers("ssm_multipliers", 5);
  for (double& scale : state.part_scales) {
    scale *= multiplier("ssm_in_multiplier");
  }
  state.added_scale = multiplier("ssm_out_multiplier");
  AttentionSpec& attention = spec.attention;
  const double in = multiplier("attention_in_multiplier");
  attention.scale *= in * in * multiplier("key_multiplier");
  attention.added_scale = in * multiplier("attention_out_multiplier");
  const std::vector<double> ends = multipliers("mlp_multipliers", 2);
  spec.feed_forward.gate_scale = ends[0];
  spec.feed_forward.added_scale = ends[1];
  spec.embedding_scale = multiplier("embedding_multiplier");
  spec.logit_scale = multiplier("lm_head_multiplier");
  return spec;
}

}  // namespace malmoi::models
