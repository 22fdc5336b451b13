// Korean words without a dictionary: a word loses the particles (josa) and the
// endings of verbs (eomi) that rules find at its end. Less than a
// morphological analysis and much faster; docs/counting.md says how much less.
#ifndef MALMOI_TEXT_SEGMENT_KOREAN_H_
#define MALMOI_TEXT_SEGMENT_KOREAN_H_

#include <string>
#include <string_view>
#include <vector>

namespace malmoi::text {

// What is left of a word of Hangul syllables (valid UTF-8), one at least: the
// beginning of it, or where its last syllable changes (갔어요 → 가) a text at
// the end of `made`. It is never longer than the word.
std::string_view StripKorean(std::string_view word, std::string& made);

// Appends the parts of a run of word characters: stems of Hangul, the rest as
// it is ("LG전자가" → LG, 전자). `made` has room for run.size() bytes more.
void AppendKoreanStems(std::string_view run, std::string& made,
                       std::vector<std::string_view>& words);

}  // namespace malmoi::text

#endif  // MALMOI_TEXT_SEGMENT_KOREAN_H_
