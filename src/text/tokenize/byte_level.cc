#include "text/tokenize/byte_level.h"

#include <array>
#include <cstdint>

#include "text/unicode/utf8.h"

namespace malmoi::text {

namespace {

struct Tables {
  std::array<std::string, 256> spelling;
  std::array<int16_t, 512> byte;  // of a character, -1: none

  Tables() {
    byte.fill(-1);
    char32_t next = 256;
    for (int b = 0; b < 256; ++b) {
      const bool printable =
          (b >= '!' && b <= '~') || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
      const char32_t c = printable ? static_cast<char32_t>(b) : next++;
      AppendUtf8(spelling[static_cast<size_t>(b)], c);
      byte[c] = static_cast<int16_t>(b);
    }
  }
};
const Tables& GetTables() {
  static const Tables tables;
  return tables;
}

}  // namespace

std::string_view SpellingOf(char byte) {
  static const Tables& tables = GetTables();
  return tables.spelling[static_cast<unsigned char>(byte)];
}

std::optional<std::string> BytesOfSpelling(std::string_view spelling) {
  const Tables& tables = GetTables();
  std::string bytes;
  for (size_t at = 0; at < spelling.size();) {
    const auto point = DecodeAt(spelling, at);
    if (!point || point->value >= tables.byte.size() ||
        tables.byte[point->value] < 0) {
      return std::nullopt;
    }
    bytes += static_cast<char>(tables.byte[point->value]);
    at += static_cast<size_t>(point->bytes);
  }
  return bytes;
}

std::string SpellingOfBytes(std::string_view bytes) {
  std::string spelling;
  for (char c : bytes) {
    spelling += SpellingOf(c);
  }
  return spelling;
}

}  // namespace malmoi::text
