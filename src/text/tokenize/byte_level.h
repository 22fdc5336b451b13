// GPT-2's printable spelling of bytes (Radford et al. 2019): each byte is a
// character, so that a vocabulary of byte sequences can be written as text.
#ifndef MALMOI_TEXT_TOKENIZE_BYTE_LEVEL_H_
#define MALMOI_TEXT_TOKENIZE_BYTE_LEVEL_H_

#include <optional>
#include <string>
#include <string_view>

namespace malmoi::text {

// The one or two bytes of UTF-8 that a byte is spelled with.
std::string_view SpellingOf(char byte);
// The bytes that a spelling stands for; nullopt if it is not one.
std::optional<std::string> BytesOfSpelling(std::string_view spelling);
std::string SpellingOfBytes(std::string_view bytes);

// How GPT-2 cuts text before merging.
inline constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

}  // namespace malmoi::text

#endif  // MALMOI_TEXT_TOKENIZE_BYTE_LEVEL_H_
