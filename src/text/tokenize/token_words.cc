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
  const size_t bits = std::bit_ceil(std::max<size_t>(64, count * 8));
  filter_.resize(bits / 64);
  filter_mask_ = bits - 1;
}

void TokenWords::Add(const WordKey& key, uint64_t hash, int32_t id, bool part) {
  MALMOI_CHECK(id >= 0 && id < kWholeOnly && key != WordKey());
  if (FindEntry(key, hash) >= 0) return;
  size_t at = Home(hash);
  for (;; at = After(at)) {
    Bucket& bucket = buckets_[at];
    const auto free = std::find(std::begin(bucket.id), std::end(bucket.id),
                                kNone);
    if (free != std::end(bucket.id)) {
      const auto i = static_cast<size_t>(free - std::begin(bucket.id));
      bucket.low[i] = key.low;
      bucket.high[i] = key.high;
      bucket.id[i] = part ? id : id | kWholeOnly;
      break;
    }
    bucket.full = 1;
  }
  if (!part) return;
  const uint64_t bit = FilterBit(hash);
  filter_[bit / 64] |= uint64_t{1} << (bit % 64);
}

}  // namespace malmoi::text
