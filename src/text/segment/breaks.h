// Words and sentences of any language by Unicode's rules (UAX #29, Unicode
// Text Segmentation, default rules; properties of Unicode 14 in tables made by
// tools/make_break_tables.py).
#ifndef MALMOI_TEXT_SEGMENT_BREAKS_H_
#define MALMOI_TEXT_SEGMENT_BREAKS_H_

#include <cstddef>
#include <string_view>
#include <vector>

namespace malmoi::text {

// Byte offsets of the boundaries, the begin (0) and the end included; of valid
// UTF-8. Empty for an empty text.
std::vector<size_t> WordBoundaries(std::string_view text);
std::vector<size_t> SentenceBoundaries(std::string_view text);

// Appends what lies between word boundaries and holds a letter or a digit.
void AppendUnicodeWords(std::string_view text,
                        std::vector<std::string_view>& words);

}  // namespace malmoi::text

#endif  // MALMOI_TEXT_SEGMENT_BREAKS_H_
