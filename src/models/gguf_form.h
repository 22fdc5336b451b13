// How llama.cpp's converter writes an architecture as GGUF, where that differs:
// its keys, and what becomes of its tensors. Read both ways.
#ifndef MALMOI_MODELS_GGUF_FORM_H_
#define MALMOI_MODELS_GGUF_FORM_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "models/spec.h"

namespace malmoi::models {

// Where a key's value comes from. The first three are copied as config.json
// has them, where it does; the others are known once it is understood.
enum class Fact {
  kCount,
  kNumber,
  kFlag,
  kLayers,
  kContext,
  kWidth,
  kHidden,
  kHeads,
  kKvHeads,
  kKvHeadsByLayer,  // 0: the layer does not attend
  kHeadDim,         // with that of values; where config.json states it
  kOwnHeadDim,      // always
  kEpsilon,
  kTheta,
  kUnusualTheta,  // where it is not 10000, which readers take for granted
  kSlidingTheta,  // where layers with a window have one of their own
  kRopeDim,
  kScaling,    // several keys
  kLongRope,   // LongRoPE as Phi-3 has it
  kNoScaling,  // "none", whatever else
  kVocabulary,
  kWindow,        // where there is one
  kWindowOrZero,  // always
  kSlidingLayers,
  kParallel,
  kRotates,
  kPartNorms,
  kInner,
  kStepRank,
  kStateHeads,
  kZero,
  kWord,           // as config.json has it
  kNotCausal,      // no, it sees both ways
  kLabels,         // of a classifier
  kPoolingOfHead,  // what a classifier reads: cls or mean
  kTokenTypes,     // in the tokenizer's keys
  kDecoderLayers,  // of an encoder-decoder
  kBuckets,        // of distances
  kStartToken,
  kText,  // a constant, which stands where config.json's name would
  // Of config.json alone: a GGUF shows it by its tensors, or takes it for
  // granted.
  kActivation,
  kGatedActivation,  // with the gate, in one word
  kAttentionBias,
  kFeedForwardBias,
  kNormalize,
  kScoreDivisor,
  kHeadNorms,
  kManyKeys,   // more than one key head
  kOneKey,     // one
  kNormCount,  // of parallel blocks
  kKinds,      // of layers, in words: those that attend stand in `gguf`
  kPositionKind,
  kStateHeadDim,
  kFilterBias,
  kGatedNorm,
  kRopeByLayer,  // in rope_parameters, by the kind of layer
  kUnrounded,    // YaRN's range
  kYes,
  kNo,
};

struct GgufKey {
  Fact fact;
  std::string_view gguf;     // behind "architecture."
  std::string_view hf = {};  // spellings, parted by bars: the first is written
};

struct GgufForm {
  std::string_view model_type;    // of config.json
  std::string_view architecture;  // general.architecture
  std::string_view hf_class;      // config.json's `architectures`
  std::span<const GgufKey> keys;
  int64_t context = 0;          // written whatever the model's is
  double epsilon = 0;           // the same
  bool file_type = true;        // says the type of its matrices
  bool attention_only = false;  // of a hybrid without a layer of the other kind
  // The halves of query and key heads become neighbours.
  bool interleaved = false;
  double norm_offset = 0;       // added to the weights of norms
  bool merges_scales = false;   // factors of config.json go into the matrices
  bool grouped_norms = false;   // a state's norm has a row for each group
  bool single_columns = false;  // rates and skips of heads are [heads, 1]
  bool cut_positions = false;   // rows that no token has are left out
  bool both_ways = false;       // of a model that reads so
  int dense_layers = 0;         // that a text's vector may pass through
};

// The forms of decoders, and of the others.
std::span<const GgufForm> GgufForms();

// That of a folder's model_type which fits what is known of it. Throws
// kUnsupported, listing those that there are.
const GgufForm& FindGgufForm(std::string_view model_type, const Spec& spec,
                             std::string_view where);

}  // namespace malmoi::models

#endif  // MALMOI_MODELS_GGUF_FORM_H_
