// Names of tensors that models share, in groups of which tables are joined. A
// table holds each role once in each format, or alternatives in order.
#ifndef MALMOI_MODELS_ARCH_NAMES_H_
#define MALMOI_MODELS_ARCH_NAMES_H_

#include <array>
#include <cstddef>

#include "models/registry.h"

namespace malmoi::models {

template <size_t... kSizes>
constexpr auto JoinNames(const TensorName (&... groups)[kSizes]) {
  std::array<TensorName, (kSizes + ...)> all{};
  size_t next = 0;
  const auto add = [&](const auto& group) {
    for (const TensorName& name : group) all[next++] = name;
  };
  (add(groups), ...);
  return all;
}

// Llama's names, which most decoders took over.
inline constexpr TensorName kEndNames[] = {
    {Role::kEmbedding, "token_embd.weight", "model.embed_tokens.weight"},
    {Role::kOutputNorm, "output_norm.weight", "model.norm.weight"},
    {Role::kHead, "output.weight", "lm_head.weight"},
};
inline constexpr TensorName kFirstNormNames[] = {
    {Role::kAttentionNorm, "blk.{}.attn_norm.weight",
     "model.layers.{}.input_layernorm.weight"},
};
inline constexpr TensorName kSecondNormNames[] = {
    {Role::kFeedForwardNorm, "blk.{}.ffn_norm.weight",
     "model.layers.{}.post_attention_layernorm.weight"},
};
inline constexpr TensorName kQueryKeyValueNames[] = {
    {Role::kQuery, "blk.{}.attn_q.weight",
     "model.layers.{}.self_attn.q_proj.weight"},
    {Role::kKey, "blk.{}.attn_k.weight",
     "model.layers.{}.self_attn.k_proj.weight"},
    {Role::kValue, "blk.{}.attn_v.weight",
     "model.layers.{}.self_attn.v_proj.weight"},
};
inline constexpr TensorName kHeadNormNames[] = {
    {Role::kQueryNorm, "blk.{}.attn_q_norm.weight",
     "model.layers.{}.self_attn.q_norm.weight"},
    {Role::kKeyNorm, "blk.{}.attn_k_norm.weight",
     "model.layers.{}.self_attn.k_norm.weight"},
};
inline constexpr TensorName kAttentionOutputNames[] = {
    {Role::kAttentionOutput, "blk.{}.attn_output.weight",
     "model.layers.{}.self_attn.o_proj.weight"},
};
inline constexpr TensorName kGatedNames[] = {
    {Role::kGate, "blk.{}.ffn_gate.weight",
     "model.layers.{}.mlp.gate_proj.weight"},
    {Role::kUp, "blk.{}.ffn_up.weight", "model.layers.{}.mlp.up_proj.weight"},
    {Role::kDown, "blk.{}.ffn_down.weight",
     "model.layers.{}.mlp.down_proj.weight"},
};

// Layers of a state space and nothing else, as Mamba's two releases name them.
inline constexpr TensorName kBackboneNames[] = {
    {Role::kEmbedding, "token_embd.weight", "backbone.embeddings.weight"},
    // As state-spaces published it first.
    {Role::kEmbedding, "", "backbone.embedding.weight"},
    {Role::kOutputNorm, "output_norm.weight", "backbone.norm_f.weight"},
    {Role::kHead, "output.weight", "lm_head.weight"},
    {Role::kAttentionNorm, "blk.{}.attn_norm.weight",
     "backbone.layers.{}.norm.weight"},
    {Role::kStateIn, "blk.{}.ssm_in.weight",
     "backbone.layers.{}.mixer.in_proj.weight"},
    {Role::kStateFilters, "blk.{}.ssm_conv1d.weight",
     "backbone.layers.{}.mixer.conv1d.weight"},
    {Role::kStateRates, "blk.{}.ssm_a", "backbone.layers.{}.mixer.A_log"},
    {Role::kStateSkips, "blk.{}.ssm_d", "backbone.layers.{}.mixer.D"},
    {Role::kStateOut, "blk.{}.ssm_out.weight",
     "backbone.layers.{}.mixer.out_proj.weight"},
};

// Mamba 2 in layers that may attend, but for the norm behind its gate.
inline constexpr TensorName kMamba2Names[] = {
    {Role::kStateIn, "blk.{}.ssm_in.weight",
     "model.layers.{}.mamba.in_proj.weight"},
    {Role::kStateFilters, "blk.{}.ssm_conv1d.weight",
     "model.layers.{}.mamba.conv1d.weight"},
    {Role::kStateStep, "blk.{}.ssm_dt.bias", "model.layers.{}.mamba.dt_bias"},
    {Role::kStateRates, "blk.{}.ssm_a", "model.layers.{}.mamba.A_log"},
    {Role::kStateSkips, "blk.{}.ssm_d", "model.layers.{}.mamba.D"},
    {Role::kStateOut, "blk.{}.ssm_out.weight",
     "model.layers.{}.mamba.out_proj.weight"},
};

// What an encoder's head ends with, by its task.
inline constexpr TensorName kClassifierNames[] = {
    {Role::kHeadOutput, "cls.output.weight", "classifier.weight"},
};
inline constexpr TensorName kPooledNames[] = {
    {Role::kHeadDense, "cls.weight", "pooler.dense.weight"},
    {Role::kHeadOutput, "cls.output.weight", "classifier.weight"},
};
inline constexpr TensorName kWordNames[] = {
    {Role::kHeadDense, "", "cls.predictions.transform.dense.weight"},
    {Role::kHeadNorm, "", "cls.predictions.transform.LayerNorm.weight"},
    {Role::kHeadBias, "", "cls.predictions.bias"},
};
inline constexpr TensorName kSpanNames[] = {
    {Role::kHeadOutput, "", "qa_outputs.weight"},
};

// What all encoders have before their first layer.
inline constexpr TensorName kEncoderEmbeddingNames[] = {
    {Role::kEmbedding, "token_embd.weight",
     "embeddings.word_embeddings.weight"},
    {Role::kPositions, "position_embd.weight",
     "embeddings.position_embeddings.weight"},
    {Role::kTokenTypes, "token_types.weight",
     "embeddings.token_type_embeddings.weight"},
    {Role::kEmbeddingNorm, "token_embd_norm.weight",
     "embeddings.LayerNorm.weight"},
};

}  // namespace malmoi::models

#endif  // MALMOI_MODELS_ARCH_NAMES_H_
