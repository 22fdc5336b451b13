// An encoder: tokens in, a vector for each of them out, for any number of texts
// at once. Rows are packed, never padded.
#ifndef MALMOI_MODELS_ENCODER_H_
#define MALMOI_MODELS_ENCODER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "models/checkpoint.h"
#include "models/decoder.h"
#include "models/packed_cache.h"
#include "models/spec.h"
#include "ops/exec.h"

namespace malmoi::models {

// One text, or a pair: its tokens, and the type of each; empty: all 0.
struct EncoderInput {
  std::span<const int32_t> tokens;
  std::span<const int32_t> types;
};

class Encoder {
 public:
  virtual ~Encoder() = default;

  // As Decoder::Load(). With a task, its head too: throws kUnsupported for a
  // checkpoint without it, telling what it has.
  static std::unique_ptr<Encoder> Load(const Checkpoint& checkpoint,
                                       Precision precision, ThreadPool& pool,
                                       PackedCache* cache = nullptr,
                                       std::optional<Task> task = {});

  virtual const EncoderSpec& spec() const = 0;
  virtual int64_t parameters() const = 0;

  // The last layer's rows, f32 [tokens of all inputs, width], in input order;
  // in exec.arena until its next Reset, which Forward does on entry. A text's
  // rows do not depend on what else is in the batch. Throws kContextOverflow
  // for a text longer than the model's positions, kLimit for a token outside
  // the vocabulary.
  virtual std::span<const float> Forward(
      Exec& exec, std::span<const EncoderInput> inputs) const = 0;

  // tanh of a projection of a text's first row, [width]; empty where the model
  // has no pooler.
  virtual std::vector<float> Pool(Exec& exec,
                                  std::span<const float> first_row) const = 0;

  // What the head gives for rows of Forward(), or means of them, f32 [count,
  // width]: [count, spec().outputs]. Labels (kClassify, kTag), the vocabulary
  // (kFill), or begin and end of an answer (kAnswer), before any softmax.
  virtual std::vector<float> Head(Exec& exec, std::span<const float> rows,
                                  int64_t count) const = 0;
};

// "ForSequenceClassification", as classes in config.json end.
std::string_view TaskName(Task task);
// The task of the class in config.json; none for a bare model or another.
std::optional<Task> TaskOf(const Checkpoint& checkpoint);

}  // namespace malmoi::models

#endif  // MALMOI_MODELS_ENCODER_H_
