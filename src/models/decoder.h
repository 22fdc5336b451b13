// A decoder-only language model: tokens in, logits out, for any number of
// sequences at once. Loading packs weights into the panels of this machine.
#ifndef MALMOI_MODELS_DECODER_H_
#define MALMOI_MODELS_DECODER_H_

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "models/checkpoint.h"
#include "models/kv_cache.h"
#include "models/packed_cache.h"
#include "models/spec.h"
#include "ops/exec.h"

namespace malmoi::models {

enum class Precision {
  kFast,   // int8 activations for quantized weights
  kExact,  // weights dequantized to f32, activations f32, keys and values f32:
           // slow, for checking
  kInt8,   // as kFast, and float weights become Q8_0; of embedders
  kBf16,   // weights become bf16, and activations where the processor
           // multiplies these faster; of embedders
};

enum class LogitsFor { kNone, kLast, kAll };

// Tokens to append to one sequence, and which of them need logits.
struct SequenceInput {
  Sequence* sequence = nullptr;
  std::span<const int32_t> tokens;
  LogitsFor logits = LogitsFor::kLast;
};

class Decoder {
 public:
  virtual ~Decoder() = default;

  // Reads Spec and tensors. `pool` serves the packing only; with a `cache`,
  // which may be null, panels are mapped from it or kept there. Throws kCorrupt
  // or kUnsupported, naming every missing, unused and misshapen tensor. Without
  // a head, which need not be there, it is for Hidden() only.
  static std::unique_ptr<Decoder> Load(const Checkpoint& checkpoint,
                                       Precision precision, ThreadPool& pool,
                                       PackedCache* cache = nullptr,
                                       bool head = true);

  virtual const Spec& spec() const = 0;
  virtual int64_t parameters() const = 0;
  virtual size_t weight_bytes() const = 0;  // of the panels in memory

  // How a sequence keeps keys and values: `type`, or f16 (f32 when exact).
  virtual KvShape kv_shape(std::optional<KvType> type = {}) const = 0;
  // Whether its sequences forget their last tokens, see KvShape::rewinds().
  bool rewinds() const { return kv_shape().rewinds(); }
  // An empty sequence that grows up to `max_tokens` positions. The sequences
  // of one Forward have the same type.
  virtual std::unique_ptr<Sequence> NewSequence(
      int64_t max_tokens, std::optional<KvType> type = {}) const = 0;
  // One for a text that is read in a single Hidden(): it has the keys and
  // values, in f32, of one layer at a time.
  virtual std::unique_ptr<Sequence> NewReading(int64_t tokens) const = 0;

  // Appends each input's tokens to its sequence and returns the wanted
  // logits, f32 [wanted rows, vocab_size], in input order; they live in
  // exec.arena until its next Reset (which Forward itself does on entry).
  // The result of a row does not depend on what else is in the batch, how a
  // prompt is cut into calls, or the number of threads. Throws
  // kContextOverflow when a sequence would outgrow its capacity, kLimit for
  // a token outside the vocabulary; the sequences are then unchanged.
  // Callers feed long prompts in pieces (512 tokens) to bound memory.
  virtual std::span<const float> Forward(
      Exec& exec, std::span<const SequenceInput> inputs) const = 0;

  // The same forward, but instead of logits what the head would read: the
  // last layer's rows behind the last norm, f32 [wanted rows, width].
  virtual std::span<const float> Hidden(
      Exec& exec, std::span<const SequenceInput> inputs) const = 0;

  // What the last norm and the head make of rows of the residual stream, such
  // as a tap sees behind any layer: logits, f32 [rows, vocab_size], which live
  // as those of Forward(). Not without a head.
  virtual std::span<const float> LogitsOf(
      Exec& exec, std::span<const float> rows) const = 0;
};

}  // namespace malmoi::models

#endif  // MALMOI_MODELS_DECODER_H_
