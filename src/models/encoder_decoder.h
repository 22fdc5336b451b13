// An encoder-decoder: a text is read at once, in both directions, and another
// is written token by token, looking back at the first. Any number of texts at
// once; rows are packed, never padded.
#ifndef MALMOI_MODELS_ENCODER_DECODER_H_
#define MALMOI_MODELS_ENCODER_DECODER_H_

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "models/checkpoint.h"
#include "models/decoder.h"
#include "models/kv_cache.h"
#include "models/packed_cache.h"
#include "models/spec.h"
#include "ops/exec.h"

namespace malmoi::models {

// Tokens to append to one output, and what they look back at: a text's memory,
// which any number of outputs may share.
struct DecodeInput {
  Sequence* sequence = nullptr;
  const Sequence* memory = nullptr;
  std::span<const int32_t> tokens;
  LogitsFor logits = LogitsFor::kLast;
};

class EncoderDecoder {
 public:
  virtual ~EncoderDecoder() = default;

  // As Decoder::Load(), from a Hugging Face folder.
  static std::unique_ptr<EncoderDecoder> Load(const Checkpoint& checkpoint,
                                              Precision precision,
                                              ThreadPool& pool,
                                              PackedCache* cache = nullptr);

  virtual const EncoderDecoderSpec& spec() const = 0;
  virtual int64_t parameters() const = 0;

  // Reads texts. A memory holds what attention over its text needs: the keys
  // and values of each layer of the decoder, f32, computed once. Throws
  // kInvalidArgument for a text without tokens, kContextOverflow for one that
  // is longer than spec().context, kLimit for a token outside the vocabulary.
  virtual std::vector<std::unique_ptr<Sequence>> Encode(
      Exec& exec, std::span<const std::span<const int32_t>> texts) const = 0;

  // An empty output that grows up to `max_tokens`; kContextOverflow for more
  // than spec().context. Fork() it for a beam: pages are shared.
  virtual std::unique_ptr<Sequence> NewSequence(int64_t max_tokens) const = 0;

  // As Decoder::Forward(): appends tokens, returns the wanted logits, f32
  // [wanted rows, vocab_size], in exec.arena until its next Reset.
  virtual std::span<const float> Forward(
      Exec& exec, std::span<const DecodeInput> inputs) const = 0;
  // As Decoder::LogitsOf(), of rows of the decoder's stream.
  virtual std::span<const float> LogitsOf(
      Exec& exec, std::span<const float> rows) const = 0;
};

}  // namespace malmoi::models

#endif  // MALMOI_MODELS_ENCODER_DECODER_H_
