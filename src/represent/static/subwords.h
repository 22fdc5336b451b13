// fastText's parts of words: character n-grams of <word>, hashed into buckets
// (Bojanowski et al. 2017, "Enriching Word Vectors with Subword Information").
#ifndef MALMOI_REPRESENT_STATIC_SUBWORDS_H_
#define MALMOI_REPRESENT_STATIC_SUBWORDS_H_

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

namespace malmoi::represent {

inline constexpr std::string_view kEndOfSentence = "</s>";

// FNV-1a over bytes that are sign-extended, as fastText's files need it.
uint32_t FastTextHash(std::string_view text);

struct SubwordOptions {
  int min_chars = 3;
  int max_chars = 6;  // 0: none
  int64_t buckets = 2'000'000;
};

// The buckets of the parts of a word, in fastText's order; none of </s>.
std::vector<int64_t> SubwordBuckets(std::string_view word,
                                    const SubwordOptions& options);
// The same with the parts themselves.
void ForSubwords(
    std::string_view word, const SubwordOptions& options,
    const std::function<void(std::string_view part, int64_t bucket)>& use);

}  // namespace malmoi::represent

#endif  // MALMOI_REPRESENT_STATIC_SUBWORDS_H_
