// The words that are one token: those of a vocabulary of up to 15 bytes that a
// model makes of their bytes. Most words of a text are such, and are found
// without merging, also at their first time, with one access to memory. Shared
// by all threads.
#ifndef MALMOI_TEXT_TOKENIZE_TOKEN_WORDS_H_
#define MALMOI_TEXT_TOKENIZE_TOKEN_WORDS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/large_pages.h"
#include "text/tokenize/word_key.h"

namespace malmoi::text {

class TokenWords {
 public:
  static constexpr int32_t kNone = -1;

  // Room for `count` words.
  explicit TokenWords(size_t count);

  // A second word with the same key is left out.
  void Add(const WordKey& key, uint64_t hash, int32_t id);

  // A line of the cache.
  static constexpr size_t kEntries = 3;
  struct alignas(64) Bucket {
    uint64_t low[kEntries];
    uint64_t high[kEntries];
    uint32_t token[kEntries];  // plus one, 0: free
    uint32_t full;             // some of its words are in the next bucket
  };

  // Where a word's search begins; asks for it.
  const Bucket* Home(uint64_t hash) const {
    const Bucket* home = &buckets_[((hash >> 32) * buckets_.size()) >> 32];
    __builtin_prefetch(home);
    return home;
  }
  // The token of a word; kNone for what is none.
  int32_t Find(const WordKey& key, const Bucket* home) const {
    // Nearly always the first, as frequent words come first.
    if (home->low[0] == key.low && home->high[0] == key.high) {
      return static_cast<int32_t>(home->token[0] - 1);
    }
    return FindFrom(key, home);
  }

 private:
  int32_t FindFrom(const WordKey& key, const Bucket* bucket) const;
  const Bucket* After(const Bucket* bucket) const {
    return bucket == &buckets_.back() ? buckets_.data() : bucket + 1;
  }

  std::vector<Bucket, LargePages<Bucket>> buckets_;
};

}  // namespace malmoi::text

#endif  // MALMOI_TEXT_TOKENIZE_TOKEN_WORDS_H_
