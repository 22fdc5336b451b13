// Text as it is counted: lower case and accents as Python has them, so that a
// vocabulary is that of scikit-learn, and the classes by which words are cut.
// Characters of the basic plane are looked up in one table of 64 KiB.
#ifndef MALMOI_TEXT_SEGMENT_FOLD_H_
#define MALMOI_TEXT_SEGMENT_FOLD_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace malmoi::text {

inline constexpr uint8_t kWordChar = 1;   // \w of Python: L*, N*, "_"
inline constexpr uint8_t kSpaceChar = 2;  // \s of Python
inline constexpr uint8_t kHasLower = 4;   // lower case differs
inline constexpr uint8_t kHangul = 8;     // a syllable or a letter of Hangul

// The flags of U+0000 to U+FFFF.
const uint8_t* BasicPlaneFlags();
uint8_t AstralFlags(char32_t c);
inline uint8_t CharFlags(const uint8_t* basic, char32_t c) {
  return c < 0x10000 ? basic[c] : AstralFlags(c);
}

// The character at `at` of valid UTF-8; `at` moves behind it.
inline char32_t NextValid(std::string_view text, size_t& at) {
  const auto byte = [&](size_t i) {
    return static_cast<char32_t>(static_cast<unsigned char>(text[at + i]));
  };
  const char32_t first = byte(0);
  if (first < 0x80) {
    at += 1;
    return first;
  }
  if (first < 0xe0) {
    const char32_t c = (first & 0x1f) << 6 | (byte(1) & 0x3f);
    at += 2;
    return c;
  }
  if (first < 0xf0) {
    const char32_t c =
        (first & 0xf) << 12 | (byte(1) & 0x3f) << 6 | (byte(2) & 0x3f);
    at += 3;
    return c;
  }
  const char32_t c = (first & 7) << 18 | (byte(1) & 0x3f) << 12 |
                     (byte(2) & 0x3f) << 6 | (byte(3) & 0x3f);
  at += 4;
  return c;
}

bool IsAscii(std::string_view text);

// What happens to accents: nothing; NFKD without combining characters; NFKD
// without all that is not ASCII (scikit-learn's strip_accents).
enum class Accents { kKeep, kUnicode, kAscii };

struct FoldOptions {
  bool lowercase = true;
  Accents accents = Accents::kKeep;
};

// Replaces `out` by the folded text, followed by a newline that ends the last
// word for those who read ahead. `text` is valid UTF-8. Lower case is
// str.lower(): U+0130 becomes two characters, a final capital sigma is final.
void Fold(std::string_view text, const FoldOptions& options, std::string& out);

// Syllables of Hangul become two or three letters each (as NFD does); all else
// stays.
void AppendJamo(std::string_view text, std::string& out);

}  // namespace malmoi::text

#endif  // MALMOI_TEXT_SEGMENT_FOLD_H_
