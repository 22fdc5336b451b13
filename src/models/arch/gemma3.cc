// Gemma 3: five layers with a window to one without, norms of heads; and
// EmbeddingGemma (Schechter Vera et al. 2025), which reads both ways.
#include "models/arch/arch.h"
#include "models/arch/common.h"

namespace malmoi::models {

namespace {

constexpr std::string_view kDense[] = {"dense_2.", "dense_3.",
                                       "rope_freqs.weight"};

}  // namespace

const std::span<const std::string_view> kDenseNames = kDense;

Spec DescribeGemma3(const Checkpoint& checkpoint) {
  const Config config(checkpoint);
  Spec spec = DescribeGemma(checkpoint);
  spec.post_norms = true;
  ReadQueryScale(config, 62, spec);
  spec.attention.head_norms = HeadNorms::kEachHead;
  ReadSliding(config, 6, spec);
  if (config.Flag("use_bidirectional_attention") ||
      checkpoint.Architecture() == "gemma-embedding") {
    spec.attention.both_ways = true;
    // The number is of both sides together.
    if (spec.attention.window > 0) {
      spec.attention.window = spec.attention.window / 2 + 1;
    }
  }
  ReadOwnSlidingRope(
      config,
      "rope_parameters.sliding_attention.rope_theta|rope_local_base_freq",
      10000.0, spec);
  if (ReadActivation(config, Activation::kGeluTanh) != Activation::kGeluTanh) {
    config.Refuse("activation", "another than gelu_pytorch_tanh");
  }
  for (const char* cap :
       {"final_logit_softcapping", "attn_logit_softcapping"}) {
    if (config.Has(cap)) config.Refuse(cap, "a number");
  }
  return spec;
}

}  // namespace malmoi::models
