// The architectures malmoi knows: one sorted list of descriptions. An
// architecture describes; the families compute.
#ifndef MALMOI_MODELS_REGISTRY_H_
#define MALMOI_MODELS_REGISTRY_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "models/checkpoint.h"
#include "models/spec.h"

namespace malmoi::models {

// What a tensor is to the forward. The first four exist once, the others
// once per layer. Some files store query, key and value, or gate and up, as
// the rows of one matrix.
enum class Role {
  kEmbedding,
  kPositions,
  kOutputNorm,
  kHead,
  kAttentionNorm,
  kQueryKeyValue,
  kQuery,
  kKey,
  kValue,
  kQueryNorm,
  kKeyNorm,
  kAttentionOutput,
  kSinks,
  kPostAttentionNorm,
  kFeedForwardNorm,
  kGateUp,
  kGate,
  kUp,
  kDown,
  kPostFeedForwardNorm,
  // Of a mixture of experts: [experts, rows, columns], or one tensor for each
  // where the name has a second place for its number. A name that ends in
  // "_blocks" is of MXFP4, whose scales are called "_scales".
  kRouter,
  kExpertGate,
  kExpertUp,
  kExpertGateUp,
  kExpertDown,
  kSharedRouter,
  kSharedGateUp,
  kSharedGate,
  kSharedUp,
  kSharedDown,
  // Of a state space.
  kStateIn,
  kStateFilters,
  kStateParts,
  kStateStep,
  kStateRates,
  kStateSkips,
  kStateNorm,
  kStateOut,
  // Of encoders.
  kTokenTypes,
  kEmbeddingNorm,
  kEmbeddingProjection,
  kDistanceBias,
  kDistances,
  kDistanceNorm,
  kConvolution,  // [out, in, rows]
  kConvolutionNorm,
  kPooler,
  // Of their heads.
  kHeadDense,
  kHeadNorm,
  kHeadOutput,
  kHeadBias,
  // Of encoder-decoders: the encoder's; the decoder's attention over what the
  // encoder has left. The decoder's others are called as above.
  kEncoderPositions,
  kEncoderEmbeddingNorm,
  kEncoderDistanceBias,
  kEncoderAttentionNorm,
  kEncoderQuery,
  kEncoderKey,
  kEncoderValue,
  kEncoderAttentionOutput,
  kEncoderFeedForwardNorm,
  kEncoderGate,
  kEncoderUp,
  kEncoderDown,
  kEncoderOutputNorm,
  kCrossNorm,
  kCrossQuery,
  kCrossKey,
  kCrossValue,
  kCrossOutput,
  kLogitBias,
};

// Where a role is found: "blk.{}.attn_q.weight" in GGUF, "model.layers.{}
// .self_attn.q_proj.weight" in Hugging Face files; {} is the layer. A bias is
// called as its weight, with ".bias" for ".weight" at the end, or "_bias"
// behind a name without it. Empty: the format lacks it.
struct TensorName {
  Role role;
  std::string_view gguf;
  std::string_view hf;
};

// A head on an encoder: norm(activation(dense·row)), and an output of it. Each
// part but the output may be missing; where that has no matrix of its own it
// is the embedding, with a bias under kHeadBias.
struct HeadForm {
  Task task;
  std::optional<Activation> activation;  // empty: that of the layers
  std::span<const TensorName> tensors;
};

struct Architecture {
  std::string_view name;  // general.architecture and model_type
  // Throws kCorrupt for missing or senseless values, naming the key.
  Spec (*describe)(const Checkpoint& checkpoint);
  std::span<const TensorName> tensors;
  // Tensors that may be there and are not used: by prefix, or, after a *, by
  // suffix.
  std::span<const std::string_view> ignored = {};
  // What Hugging Face names begin with in most files; `tensors` are without.
  std::string_view prefix = "";
  // Of an encoder; `describe` is then null.
  EncoderSpec (*describe_encoder)(const Checkpoint& checkpoint) = nullptr;
  std::span<const HeadForm> heads = {};
  // Of an encoder-decoder.
  EncoderDecoderSpec (*describe_encoder_decoder)(const Checkpoint& checkpoint) =
      nullptr;

  bool Ignores(std::string_view tensor) const;
};

// Null for one that is not known.
const Architecture* KnownArchitecture(std::string_view name);
// Throws kUnsupported, listing what is known.
const Architecture& FindArchitecture(std::string_view name,
                                     std::string_view where);
// The same of one kind.
const Architecture& FindDecoder(std::string_view name, std::string_view where);
const Architecture& FindEncoder(std::string_view name, std::string_view where);
const Architecture& FindEncoderDecoder(std::string_view name,
                                       std::string_view where);
std::span<const Architecture> Architectures();

// `pattern` with the number in its first place, {}.
std::string FillName(std::string_view pattern, int64_t number);
// What converters to GGUF call a role; empty where they do not have it.
std::string GgufName(const Architecture& architecture, Role role,
                     int64_t layer);
// The name of a pattern in this checkpoint; empty where the format has none.
std::string NameIn(const Checkpoint& checkpoint,
                   const Architecture& architecture, const TensorName& name,
                   int64_t layer);
// Of a role; empty where the architecture has none.
std::string NameIn(const Checkpoint& checkpoint,
                   const Architecture& architecture, Role role, int64_t layer);

}  // namespace malmoi::models

#endif  // MALMOI_MODELS_REGISTRY_H_
