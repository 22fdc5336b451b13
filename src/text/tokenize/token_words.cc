// How words enter their table.
#include "text/tokenize/token_words.h"

#include "base/check.h"

namespace malmoi::text {

TokenWords::TokenWords(size_t count) {
  MALMOI_CHECK(count < (size_t{1} << 28));
  // Half full, so that few words are not in their first bucket.
  buckets_.resize(count * 2 / kEntries + 1);
}

int32_t TokenWords::FindFrom(const WordKey& key, const Bucket* bucket) const {
  for (;; bucket = After(bucket)) {
    uint32_t token = 0;
    for (size_t i = 0; i < kEntries; ++i) {
      const uint64_t other =
          (bucket->low[i] ^ key.low) | (bucket->high[i] ^ key.high);
      token |= -static_cast<uint32_t>(other == 0) & bucket->token[i];
    }
    if (token != 0 || bucket->full == 0) return static_cast<int32_t>(token) - 1;
  }
}

void TokenWords::Add(const WordKey& key, uint64_t hash, int32_t id) {
  MALMOI_CHECK(id >= 0 && key != WordKey());
  const Bucket* home = Home(hash);
  if (Find(key, home) >= 0) return;
  for (;; home = After(home)) {
    Bucket& bucket = buckets_[static_cast<size_t>(home - buckets_.data())];
    for (size_t i = 0; i < kEntries; ++i) {
      if (bucket.token[i] != 0) continue;
      bucket.low[i] = key.low;
      bucket.high[i] = key.high;
      bucket.token[i] = static_cast<uint32_t>(id) + 1;
      return;
    }
    bucket.full = 1;
  }
}

}  // namespace malmoi::text
