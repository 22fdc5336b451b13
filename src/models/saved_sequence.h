// A sequence's tokens, pages and state as bytes, to go on with them in another
// process. Little-endian: the magic, eight u64 (version, layers, kv heads,
// head dim, type, tokens, lengths of the two names), two more in version 3,
// which is that of sequences with a state (its layers, f32 values of each), the
// names, the tokens as i32, zeros up to a multiple of 64, the pages, the state,
// the SHA-256 of all that in hex.
#ifndef MALMOI_MODELS_SAVED_SEQUENCE_H_
#define MALMOI_MODELS_SAVED_SEQUENCE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/kv_cache.h"

namespace malmoi::models {

// Views of the bytes it was read from.
struct SavedSequence {
  std::string_view model;   // what computed it, see generate/saved_session.cc
  std::string_view target;  // the kernels that did: "AVX2"
  KvShape shape;
  std::vector<int32_t> tokens;
  std::span<const std::byte> pages;  // one after another
  std::span<const std::byte> state;
  std::span<const std::byte> hashed;
  std::string_view hash;
};

// The bytes of a sequence that holds `tokens`.
std::string SaveSequence(const Sequence& sequence,
                         std::span<const int32_t> tokens,
                         std::string_view model, std::string_view target);

// Throws kCorrupt for bytes that are not what SaveSequence writes, and
// kUnsupported for another version. Does not compute the hash.
SavedSequence ParseSequence(std::span<const std::byte> bytes,
                            std::string_view where);
// Throws kCorrupt when the bytes have another hash.
void CheckHash(const SavedSequence& saved, std::string_view where);

// Fills an empty sequence of the same shape with the first `length` tokens'
// positions; with a state, of all tokens.
void RestoreSequence(const SavedSequence& saved, int64_t length,
                     Sequence& sequence);

}  // namespace malmoi::models

#endif  // MALMOI_MODELS_SAVED_SEQUENCE_H_
