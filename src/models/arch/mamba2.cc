// Mamba 2 (Dao & Gu 2024): heads of channels that share a time step.
#include "models/arch/arch.h"
#include "models/arch/common.h"

namespace malmoi::models {

namespace {

constexpr TensorName kNames[] = {
    {Role::kEmbedding, "token_embd.weight", "backbone.embeddings.weight"},
    {Role::kEmbedding, "", "backbone.embedding.weight"},
    {Role::kOutputNorm, "output_norm.weight", "backbone.norm_f.weight"},
    {Role::kHead, "output.weight", "lm_head.weight"},
    {Role::kAttentionNorm, "blk.{}.attn_norm.weight",
     "backbone.layers.{}.norm.weight"},
    {Role::kStateIn, "blk.{}.ssm_in.weight",
     "backbone.layers.{}.mixer.in_proj.weight"},
    {Role::kStateFilters, "blk.{}.ssm_conv1d.weight",
     "backbone.layers.{}.mixer.conv1d.weight"},
    {Role::kStateStep, "blk.{}.ssm_dt.bias",
     "backbone.layers.{}.mixer.dt_bias"},
    {Role::kStateRates, "blk.{}.ssm_a", "backbone.layers.{}.mixer.A_log"},
    {Role::kStateSkips, "blk.{}.ssm_d", "backbone.layers.{}.mixer.D"},
    {Role::kStateNorm, "blk.{}.ssm_norm.weight",
     "backbone.layers.{}.mixer.norm.weight"},
    {Role::kStateOut, "blk.{}.ssm_out.weight",
     "backbone.layers.{}.mixer.out_proj.weight"},
};

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
