// The words that are one token: those of a vocabulary of up to 15 bytes that a
// model makes of their bytes. Most words of a text are such, and are found
// without merging, also at their first time, with one access to memory. Shared
// by all threads.
#ifndef MALMOI_TEXT_TOKENIZE_TOKEN_WORDS_H_
#define MALMOI_TEXT_TOKENIZE_TOKEN_WORDS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "text/tokenize/word_key.h"

namespace malmoi::text {

class TokenWords {
 public:
  static constexpr int32_t kNone = -1;

  // Room for `count` words.
  explicit TokenWords(size_t count);

  // A second word with the same key is left out.
  void Add(const WordKey& key, uint64_t hash, int32_t id);

  void Prefetch(uint64_t hash) const { __builtin_prefetch(&buckets_[Home(hash)]); }
  // The token of a word; kNone for what is none.
  int32_t Find(const WordKey& key, uint64_t hash) const {
    for (size_t at = Home(hash);; at = After(at)) {
      const Bucket& bucket = buckets_[at];
      // Without branches, which none could foretell.
      int32_t id = kNone;
      for (size_t i = 0; i < kEntries; ++i) {
        const uint64_t other =
            (bucket.low[i] ^ key.low) | (bucket.high[i] ^ key.high);
        id = other == 0 ? bucket.id[i] : id;
      }
      if (id >= 0 || bucket.full == 0) return id;
    }
  }

 private:
  static constexpr size_t kEntries = 3;
  // A line of the cache.
  struct alignas(64) Bucket {
    uint64_t low[kEntries] = {};
    uint64_t high[kEntries] = {};
    int32_t id[kEntries] = {kNone, kNone, kNone};
    uint32_t full = 0;  // some of its words are in the next bucket
  };

  size_t Home(uint64_t hash) const { return static_cast<size_t>(hash >> shift_); }
  size_t After(size_t at) const { return (at + 1) & (buckets_.size() - 1); }

  std::vector<Bucket> buckets_;
  int shift_;
};

}  // namespace malmoi::text

#endif  // MALMOI_TEXT_TOKENIZE_TOKEN_WORDS_H_
