// How words enter their table.
#include "text/tokenize/token_words.h"

#include <algorithm>
#include <bit>

#include "base/check.h"

namespace malmoi::text {

TokenWords::TokenWords(size_t count) {
  MALMOI_CHECK(count < (size_t{1} << 28));
  // Two thirds full at most.
  const size_t buckets = std::bit_ceil(std::max<size_t>(8, count / 2 + 1));
  buckets_.resize(buckets);
  shift_ = 64 - (std::bit_width(buckets) - 1);
}

void TokenWords::Add(const WordKey& key, uint64_t hash, int32_t id) {
  MALMOI_CHECK(id >= 0 && key != WordKey());
  if (Find(key, hash) >= 0) return;
  for (size_t at = Home(hash);; at = After(at)) {
    Bucket& bucket = buckets_[at];
    for (size_t i = 0; i < kEntries; ++i) {
      if (bucket.id[i] >= 0) continue;
      bucket.low[i] = key.low;
      bucket.high[i] = key.high;
      bucket.id[i] = id;
      return;
    }
    bucket.full = 1;
  }
}

}  // namespace malmoi::text
