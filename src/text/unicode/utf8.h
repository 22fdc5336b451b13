// UTF-8 and the Unicode properties that tokenizers and terminals need.
#ifndef MALMOI_TEXT_UNICODE_UTF8_H_
#define MALMOI_TEXT_UNICODE_UTF8_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace malmoi::text {

// The code point that starts at text[at], and its length in bytes; nullopt
// for an invalid or cut sequence (overlong forms and surrogates included).
struct CodePoint {
  char32_t value;
  int bytes;
};
std::optional<CodePoint> DecodeAt(std::string_view text, size_t at);
void AppendUtf8(std::string& out, char32_t value);

// Byte offset of the first invalid sequence; nullopt for valid text.
std::optional<size_t> FindInvalidUtf8(std::string_view text);
// Invalid bytes become U+FFFD, one per maximal bad sequence.
std::string ReplaceInvalidUtf8(std::string_view text);
// Bytes at the end of `text` that begin a character without finishing it.
size_t IncompleteTail(std::string_view text);

bool IsNumeric(char32_t c);        // categories Nd, Nl, No
bool IsWhitespace(char32_t c);     // White_Space
bool IsWordCharacter(char32_t c);  // letters, marks, digits, connectors

enum class NormalForm { kNfc, kNfd, kNfkc, kNfkd };
std::string Normalize(std::string_view text, NormalForm form);
std::string Lowercase(std::string_view text);
char32_t Uppercase(char32_t c);  // simple mapping
// Terminal columns: 2 for wide characters, 0 for combining ones.
int DisplayWidth(std::string_view text);

}  // namespace malmoi::text

#endif  // MALMOI_TEXT_UNICODE_UTF8_H_
