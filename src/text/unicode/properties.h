// Character properties as the tokenizers library sees them: the system's
// Unicode 14 data with an overlay (tables.h) where that library's differ.
#ifndef MALMOI_TEXT_UNICODE_PROPERTIES_H_
#define MALMOI_TEXT_UNICODE_PROPERTIES_H_

#include <string>
#include <string_view>

#include "text/unicode/utf8.h"

namespace malmoi::text {

// "Lu", "Nd" ...: the general category in Unicode 16.
std::string_view GeneralCategory(char32_t c);

bool IsTokenNumber(char32_t c);       // Nd, Nl, No
bool IsTokenPunctuation(char32_t c);  // ASCII punctuation, P*
// Alphabetic, M, Nd, Pc and the two joiners.
bool IsTokenWord(char32_t c);

// What cleaning a text for BERT takes out: Cc (but tab and line ends), Cf, Co,
// U+FFFD.
bool IsTokenControl(char32_t c);
bool IsTokenAccent(char32_t c);  // Mn, to BERT
bool IsTokenMark(char32_t c);    // M

// Appends the lower case of `c`: one character, but two for U+0130.
void AppendTokenLowercase(std::string& out, char32_t c);
// Whether a normal form leaves `c` as it is although Unicode maps it.
bool IsOpaque(char32_t c, NormalForm form);
// Appends the decomposition of `c` by a normal form; `c` itself if
// it is opaque.
void AppendDecomposition(std::u32string& out, char32_t c, NormalForm form);
// By which marks are put in order; 0 for opaque characters.
int CombiningClass(char32_t c, NormalForm form);
// Whether a grapheme cluster ends between two characters. `state` is 0 where a
// text begins.
bool IsGraphemeBoundary(char32_t before, char32_t after, int32_t& state);
// Whether `c` may combine with the character before it in a normal form:
// marks, and the second and third letters of a Hangul syllable.
bool ContinuesCluster(char32_t c, NormalForm form);

// Items of a regular expression's character class, like `\x{1c89}-\x{1c8a}`:
// the characters of a category ("L", "Lu") that are newer than Unicode 14.
// Empty for what has none.
std::string NewerClassItems(std::string_view category);
// The same for the word characters that are no letters, marks, Nd or Pc.
const std::string& OtherWordClassItems();

}  // namespace malmoi::text

#endif  // MALMOI_TEXT_UNICODE_PROPERTIES_H_
