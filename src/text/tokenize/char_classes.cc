#include "text/tokenize/char_classes.h"

#include <array>
#include <memory>
#include <string>

#include "text/unicode/properties.h"

namespace malmoi::text {

namespace {

bool LeftByNfc(char32_t c) {
  if (c < 0x300 || IsOpaque(c, NormalForm::kNfc)) return true;
  if (c >= 0xd800 && c < 0xe000) return false;
  if (ContinuesCluster(c, NormalForm::kNfc)) return false;
  if (c >= 0xac00 && c <= 0xd7a3) return true;  // Hangul syllables
  std::u32string parts;
  AppendDecomposition(parts, c, NormalForm::kNfc);
  if (parts.size() == 1 && parts[0] == c) return true;
  std::string text;
  AppendUtf8(text, c);
  return Normalize(text, NormalForm::kNfc) == text;
}

uint8_t MakeClass(char32_t c) {
  const std::string_view category = GeneralCategory(c);
  uint8_t bits = 0;
  if (category[0] == 'L') bits |= kIsLetter;
  if (category[0] == 'N') bits |= kIsNumber;
  if (IsWhitespace(c)) bits |= kIsSpace;
  if (IsTokenNumber(c)) bits |= kIsTokenNumber;
  if (LeftByNfc(c)) bits |= kIsInert;
  return bits;
}

}  // namespace

ClassPage g_class_pages[0x1100];

// Two threads may make the same page; one of them is kept.
const uint8_t* MakeClassPage(uint32_t page) {
  auto made = std::make_unique<uint8_t[]>(256);
  for (uint32_t i = 0; i < 256; ++i) {
    made[i] = MakeClass(static_cast<char32_t>(page * 256 + i));
  }
  const uint8_t* kept = nullptr;
  if (g_class_pages[page].compare_exchange_strong(kept, made.get(),
                                                  std::memory_order_acq_rel)) {
    return made.release();  // as long as the process lives
  }
  return kept;
}

bool IsInert(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    if (static_cast<signed char>(text[at]) >= 0) {
      ++at;
      continue;
    }
    const ClassAt c = ClassIn(text.data(), at);
    if ((c.bits & kIsInert) == 0) return false;
    at += c.bytes;
  }
  return true;
}

}  // namespace malmoi::text
