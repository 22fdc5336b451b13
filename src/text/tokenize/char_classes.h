// What the patterns of tokenizers ask of a character, as one byte from a table
// whose pages are made when they are first asked for.
#ifndef MALMOI_TEXT_TOKENIZE_CHAR_CLASSES_H_
#define MALMOI_TEXT_TOKENIZE_CHAR_CLASSES_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace malmoi::text {

// Bits. The first three are \p{L}, \p{N} and \s of patterns.
inline constexpr uint8_t kIsLetter = 1;
inline constexpr uint8_t kIsNumber = 2;
inline constexpr uint8_t kIsSpace = 4;
inline constexpr uint8_t kIsTokenNumber = 8;  // of the stage Digits
// NFC leaves it as it is, whatever stands before or after it.
inline constexpr uint8_t kIsInert = 16;

// The table's page of the characters 256·page to 256·page + 255.
using ClassPage = std::atomic<const uint8_t*>;
extern ClassPage g_class_pages[0x1100];
const uint8_t* MakeClassPage(uint32_t page);

inline uint8_t ClassOf(char32_t c) {
  const uint8_t* page = g_class_pages[c >> 8].load(std::memory_order_acquire);
  if (page == nullptr) page = MakeClassPage(c >> 8);
  return page[c & 0xff];
}

struct ClassAt {
  uint8_t bits;
  uint8_t bytes;
};

// Of the character at text[at], in valid UTF-8.
inline ClassAt ClassIn(const char* text, size_t at) {
  const auto byte = [&](size_t i) {
    return static_cast<char32_t>(static_cast<unsigned char>(text[at + i]));
  };
  const char32_t first = byte(0);
  if (first < 0x80) return {ClassOf(first), 1};
  if (first < 0xe0) {
    return {ClassOf(((first & 0x1f) << 6) | (byte(1) & 0x3f)), 2};
  }
  if (first < 0xf0) {
    return {ClassOf(((first & 0xf) << 12) | ((byte(1) & 0x3f) << 6) |
                    (byte(2) & 0x3f)),
            3};
  }
  return {ClassOf(((first & 0x7) << 18) | ((byte(1) & 0x3f) << 12) |
                  ((byte(2) & 0x3f) << 6) | (byte(3) & 0x3f)),
          4};
}

// Whether NFC leaves valid UTF-8 as it is; false is no proof that it doesn't.
bool IsInert(std::string_view text);

}  // namespace malmoi::text

#endif  // MALMOI_TEXT_TOKENIZE_CHAR_CLASSES_H_
