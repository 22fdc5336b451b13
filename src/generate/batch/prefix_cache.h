// Sequences of finished requests, the least recently used first, in case a
// later prompt begins as one of them did.
#ifndef MALMOI_GENERATE_BATCH_PREFIX_CACHE_H_
#define MALMOI_GENERATE_BATCH_PREFIX_CACHE_H_

#include <cstdint>
#include <list>
#include <span>

#include "generate/token_sequence.h"

namespace malmoi::generate {

class PrefixCache {
 public:
  // Keeps it as the most recently used, instead of those that are only a
  // beginning of it and that it can be cut to.
  void Add(TokenSequence past);
  // The one that has most of the prompt's beginning; null: none has any. The
  // pointer is good until the next Add or Evict.
  const TokenSequence* Find(std::span<const int32_t> prompt) const;
  // Makes it the most recently used.
  void Touch(const TokenSequence* past);
  // Forgets the least recently used. Not when empty.
  void Evict() { entries_.pop_front(); }

  bool empty() const { return entries_.empty(); }
  const std::list<TokenSequence>& entries() const { return entries_; }

 private:
  std::list<TokenSequence> entries_;
};

}  // namespace malmoi::generate

#endif  // MALMOI_GENERATE_BATCH_PREFIX_CACHE_H_
