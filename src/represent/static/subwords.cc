#include "represent/static/subwords.h"

#include <string>

namespace malmoi::represent {

uint32_t FastTextHash(std::string_view text) {
  uint32_t hash = 2166136261u;
  for (char c : text) {
    hash ^= static_cast<uint32_t>(static_cast<int8_t>(c));
    hash *= 16777619u;
  }
  return hash;
}

void ForSubwords(
    std::string_view word, const SubwordOptions& options,
    const std::function<void(std::string_view part, int64_t bucket)>& use) {
  if (options.max_chars < 1 || options.buckets < 1 || word == kEndOfSentence) {
    return;
  }
  std::string whole = "<";
  whole += word;
  whole += '>';
  const auto continues = [&](size_t at) { return (whole[at] & 0xC0) == 0x80; };
  for (size_t begin = 0; begin < whole.size(); ++begin) {
    if (continues(begin)) continue;
    size_t end = begin;
    for (int chars = 1; end < whole.size() && chars <= options.max_chars;
         ++chars) {
      ++end;
      while (end < whole.size() && continues(end)) ++end;
      // A lone < or > says nothing.
      if (chars < options.min_chars ||
          (chars == 1 && (begin == 0 || end == whole.size()))) {
        continue;
      }
      const std::string_view part(whole.data() + begin, end - begin);
      use(part, static_cast<int64_t>(FastTextHash(part)) % options.buckets);
    }
  }
}

std::vector<int64_t> SubwordBuckets(std::string_view word,
                                    const SubwordOptions& options) {
  std::vector<int64_t> buckets;
  ForSubwords(word, options, [&](std::string_view, int64_t bucket) {
    buckets.push_back(bucket);
  });
  return buckets;
}

}  // namespace malmoi::represent
