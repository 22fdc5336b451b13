// What most decoders have in common: names of tensors and settings. An arch
// file begins with these and states what is different.
#ifndef MALMOI_MODELS_ARCH_COMMON_H_
#define MALMOI_MODELS_ARCH_COMMON_H_

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "models/config.h"
#include "models/registry.h"
#include "models/rope_config.h"
#include "models/spec.h"

namespace malmoi::models {

// Llama's names, with those of query and key norms and of norms behind a
// block, which its relatives have.
extern const std::span<const TensorName> kLlamaTensors;
// The same where a norm stands behind each block (Gemma 2, OLMo 2): there
// "post_attention_layernorm" is what it says.
extern const std::span<const TensorName> kSandwichTensors;
// With a mixture of experts, as Qwen and OLMoE have it; Mixtral; Granite.
extern const std::span<const TensorName> kMixtureTensors;
extern const std::span<const TensorName> kMixtralTensors;
extern const std::span<const TensorName> kGraniteMoeTensors;
// Buffers that old releases stored.
extern const std::span<const std::string_view> kOldBuffers;

// Layers, width, context, norms, heads, rotation by halves, feed-forward:
// gated, with config.json's activation or SiLU. Without a
// `hidden_per_width`, the hidden size must be stated.
Spec ReadCommon(const Config& config, NormKind norm = NormKind::kRms,
                int64_t hidden_per_width = 0);

// Sizes, activation and epsilon of an encoder; token types and a pooler
// wherever the checkpoint has them.
EncoderSpec ReadEncoder(const Config& config);

// `hf`: config.json's flag; a GGUF shows it by its tensor.
bool HasBias(const Config& config, std::string_view gguf_tensor,
             std::string_view hf, bool fallback = false);
void ReadLlamaBiases(const Config& config, Spec& spec);

// Refuses a number that lists are made of before tensors are looked at.
void CheckSize(const Config& config, std::string_view what, int64_t value,
               int64_t most);

// Layers, width, context, norms, the state space.
Spec ReadStateSpaceCommon(const Config& config);
// What config.json calls the sizes of a state space.
struct StateKeys {
  std::string_view inner, expand, states, taps;
  std::string_view heads, head_dim, groups;
};
void ReadState(const Config& config, const StateKeys& keys, Spec& spec);
// Its heads, and the norm behind their gate.
void ReadStateHeads(const Config& config, const StateKeys& keys, Spec& spec);

// Which layers attend, in hybrids. In GGUF those that have heads of keys and
// values, whose number is read here.
std::vector<bool> ReadAttentionLayers(const Config& config, Spec& spec);

Activation ReadActivation(const Config& config, Activation fallback);

// Count and size of the experts.
void ReadExperts(const Config& config, Spec& spec);
// Layers without them, as Qwen's configurations say it.
void ReadDenseLayers(const Config& config, Spec& spec);

// Sliding windows: which layers, by layer_types or a list of flags, else all
// but each `pattern`-th; 1: none; 0: all. They rotate as the others do.
void ReadSliding(const Config& config, int64_t pattern, Spec& spec);

// After ReadSliding(): rotations of the two kinds of layers apart. Those with a
// window rotate plainly, by the base under `hf_theta`, or `theta`.
void ReadOwnSlidingRope(const Config& config, std::string_view hf_theta,
                        double theta, Spec& spec);

// Gemma 2 and 3 scale scores by query_pre_attn_scalar. The 27B model, of
// `layers_by_width` layers, means width/heads; GGUF has no key for it.
void ReadQueryScale(const Config& config, int64_t layers_by_width, Spec& spec);

// Of a GGUF whose query and key rows converters have permuted, so that
// neighbours rotate together.
void InterleaveHeads(Spec& spec);

// Layers that see everything do not rotate.
void UnrotateFullLayers(Spec& spec);

}  // namespace malmoi::models

#endif  // MALMOI_MODELS_ARCH_COMMON_H_
