// Tokens in, a row for each of them out, whether an encoder computes them or
// the inside of a decoder: what embedders pool.
#ifndef MALMOI_REPRESENT_CONTEXTUAL_TOKEN_ROWS_H_
#define MALMOI_REPRESENT_CONTEXTUAL_TOKEN_ROWS_H_

#include <cstdint>
#include <memory>
#include <span>

#include "models/checkpoint.h"
#include "models/decoder.h"
#include "models/packed_cache.h"
#include "ops/exec.h"

namespace malmoi::represent {

class TokenRows {
 public:
  virtual ~TokenRows() = default;

  // Throws as models::Encoder::Load() and models::Decoder::Load().
  static std::unique_ptr<TokenRows> Load(const models::Checkpoint& checkpoint,
                                         models::Precision precision,
                                         ThreadPool& pool,
                                         models::PackedCache* cache);

  virtual int64_t width() const = 0;
  virtual int64_t context() const = 0;  // most tokens of a text
  virtual bool decoder() const = 0;

  // The last layer's rows behind its norm, f32 [tokens of all texts, width];
  // they live until the next call, or the next Reset of exec.arena. A text's
  // rows do not depend on the others. Threads may call it at once, each with an
  // arena of its own, for texts of up to 2,048 tokens. Throws kLimit for a
  // token outside the vocabulary.
  virtual std::span<const float> Rows(
      Exec& exec, std::span<const std::span<const int32_t>> texts) = 0;
};

}  // namespace malmoi::represent

#endif  // MALMOI_REPRESENT_CONTEXTUAL_TOKEN_ROWS_H_
