// Truncation and padding: always asked for, never done on the quiet. What a
// tokenizer.json says about them is what its makers trained with, and is told
// (Tokenizer::truncation(), padding()), not applied.
#ifndef MALMOI_TEXT_TOKENIZE_LENGTHS_H_
#define MALMOI_TEXT_TOKENIZE_LENGTHS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/json.h"

namespace malmoi::text {

struct Encoding;

enum class Side : uint8_t { kRight, kLeft };

struct Truncation {
  // Of two texts, which gives tokens up.
  enum class Strategy : uint8_t { kLongestFirst, kOnlyFirst, kOnlySecond };

  size_t max_tokens = 512;   // with the special tokens that are added
  Side side = Side::kRight;  // where tokens are taken away
  Strategy strategy = Strategy::kLongestFirst;
};

struct Padding {
  size_t length = 0;       // 0: that of the longest in the batch
  size_t multiple_of = 0;  // lengths are rounded up to it; 0: as they are
  Side side = Side::kRight;
  int32_t id = 0;
  int32_t type_id = 0;
};

// Leaves at most `max_tokens` and adds to truncated_tokens.
void Truncate(size_t max_tokens, Side side, Encoding& encoding);
// `max_tokens` together. Throws kInvalidArgument if the text that gives tokens
// up is too short for that.
void TruncatePair(size_t max_tokens, const Truncation& truncation,
                  Encoding& first, Encoding& second);

// Gives all the same length and an attention mask. One that is longer than
// Padding::length stays as it is, as in the library.
void Pad(const Padding& padding, std::span<Encoding> batch);

// Of a tokenizer.json; nullopt for null. Throw kCorrupt.
std::optional<Truncation> ReadTruncation(const Json& json,
                                         std::string_view where);
std::optional<Padding> ReadPadding(const Json& json, std::string_view where);

}  // namespace malmoi::text

#endif  // MALMOI_TEXT_TOKENIZE_LENGTHS_H_
