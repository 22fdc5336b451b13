// EXAONE 3 and 3.5: a Llama with names of its own.
#include "models/arch/arch.h"
#include "models/arch/common.h"

namespace malmoi::models {

namespace {

constexpr TensorName kTensors[] = {
    {Role::kEmbedding, "token_embd.weight", "transformer.wte.weight"},
    {Role::kOutputNorm, "output_norm.weight", "transformer.ln_f.weight"},
    {Role::kHead, "output.weight", "lm_head.weight"},
    {Role::kAttentionNorm, "blk.{}.attn_norm.weight",
     "transformer.h.{}.ln_1.weight"},
    {Role::kQuery, "blk.{}.attn_q.weight",
     "transformer.h.{}.attn.attention.q_proj.weight"},
    {Role::kKey, "blk.{}.attn_k.weight",
     "transformer.h.{}.attn.attention.k_proj.weight"},
    {Role::kValue, "blk.{}.attn_v.weight",
     "transformer.h.{}.attn.attention.v_proj.weight"},
    {Role::kAttentionOutput, "blk.{}.attn_output.weight",
     "transformer.h.{}.attn.attention.out_proj.weight"},
    {Role::kFeedForwardNorm, "blk.{}.ffn_norm.weight",
     "transformer.h.{}.ln_2.weight"},
    {Role::kGate, "blk.{}.ffn_gate.weight",
     "transformer.h.{}.mlp.c_fc_0.weight"},
    {Role::kUp, "blk.{}.ffn_up.weight", "transformer.h.{}.mlp.c_fc_1.weight"},
    {Role::kDown, "blk.{}.ffn_down.weight",
     "transformer.h.{}.mlp.c_proj.weight"},
};

}  // namespace

const std::span<const TensorName> kExaoneTensors = kTensors;

Spec DescribeExaone(const Checkpoint& checkpoint) {
  return ReadCommon(Config(checkpoint));
}

}  // namespace malmoi::models
