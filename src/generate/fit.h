// Planning before a load: the memory a model needs and the speed it will have
// here, from its headers and from what the machine was just measured to do.
#ifndef MALMOI_GENERATE_FIT_H_
#define MALMOI_GENERATE_FIT_H_

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "models/adapter.h"
#include "models/checkpoint.h"
#include "models/decoder_plan.h"
#include "ops/machine.h"

namespace malmoi::generate {

// One forward: `rows` new tokens in each of `sequences`, each of which has
// `past` positions already; `logits` rows of each sequence get logits.
struct ForwardShape {
  int64_t rows = 1;
  int64_t sequences = 1;
  int64_t past = 0;
  int64_t logits = 1;
};

// Seconds of a forward, by what they are spent on.
struct PredictedTime {
  double arithmetic = 0;  // matrices that the multipliers limit
  double memory = 0;      // matrices that reading them limits
  double attention = 0;
  double elements = 0;  // norms, gates, rotation, quantizing: all by element
  double regions = 0;   // starting and joining threads

  double seconds() const {
    return arithmetic + memory + attention + elements + regions;
  }
  PredictedTime& operator+=(const PredictedTime& other);
  PredictedTime operator*(double factor) const;
};

// The model is one of roofs: a matrix costs the larger of its operations over
// the int8 roof (f32 for float weights) and its bytes over the memory roof,
// each times what the kernels were measured to reach of it. The constants
// stand in fit.cc; docs/PERFORMANCE.md says how they were found and how to
// find them again. `roofs` are of the threads that the model will run on.
PredictedTime PredictForward(const models::DecoderPlan& plan,
                             const ops::Roofs& roofs,
                             const ForwardShape& shape);
// A prompt in pieces of 512, as every verb feeds it; `tokens` one at a time
// behind `past` others, in several sequences at once.
PredictedTime PredictPrompt(const models::DecoderPlan& plan,
                            const ops::Roofs& roofs, int64_t tokens);
PredictedTime PredictDecode(const models::DecoderPlan& plan,
                            const ops::Roofs& roofs, int64_t tokens,
                            int64_t past, int64_t sequences);

// Adds what an adapter beside the model multiplies by.
void AddAdapter(const models::Adapter& adapter, models::DecoderPlan& plan);

// Bytes of keys and values, and of states, that a row with `past` positions
// before it reads, in all layers.
double KvReadBytes(const models::DecoderPlan& plan, int64_t past);

struct PredictedSpeed {
  double prompt_tokens_per_s = 0;  // of a prompt of 512
  double decode_tokens_per_s = 0;  // of 128 behind it
};
PredictedSpeed PredictSpeed(const models::DecoderPlan& plan,
                            const ops::Roofs& roofs);

struct PredictedMemory {
  size_t weights = 0;  // bytes of the panels
  size_t kv = 0;       // keys and values of the whole context, states
  size_t scratch = 0;  // activations of a piece of a prompt; an estimate
  size_t total() const { return weights + kv + scratch; }
};
PredictedMemory PredictMemory(const models::DecoderPlan& plan, int64_t context);

// One way to have the model here: as it is, or quantized.
struct FitOption {
  std::string type;  // "Q4_K_M"; of the source, what most of it is
  bool source = false;
  uint64_t file_bytes = 0;
  PredictedMemory memory;
  bool fits = false;
  PredictedSpeed speed;
};

enum class FitReason {
  kSource,       // as it is, it fits with room
  kLargest,      // the largest quantization that does
  kTight,        // one that fits, but with little room
  kNothingFits,  // the smallest is still too large
};

struct FitReport {
  models::DecoderPlan plan;  // as it is
  int64_t context = 0;
  uint64_t available_bytes = 0;
  std::vector<FitOption> options;  // the source first, then by size
  size_t choice = 0;               // among `options`
  FitReason reason = FitReason::kSource;
};

// Tokens of context that a plan is made for unless told otherwise: 4,096, or
// the model's if that is less. More than the model's: kInvalidArgument.
int64_t PlannedContext(const models::Spec& spec, int64_t asked);

// Reads headers only. `context` 0: the default above. Quantizations are those
// that make the file smaller.
FitReport FitModel(const models::Checkpoint& checkpoint,
                   const ops::Machine& machine, const ops::Roofs& roofs,
                   int64_t context);

// The share of the free memory that a model may take: the rest is for the
// page cache, which the file's embedding is read from, and for other programs.
inline constexpr double kRoomyShare = 0.85;

}  // namespace malmoi::generate

#endif  // MALMOI_GENERATE_FIT_H_
