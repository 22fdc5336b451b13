#include "text/unicode/utf8.h"

#include <utf8proc.h>

#include <cstdlib>
#include <cstring>
#include <memory>

#include "base/error.h"

namespace malmoi::text {

std::optional<CodePoint> DecodeAt(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) {
    return static_cast<unsigned char>(text[i]);
  };
  const unsigned char first = byte(at);
  if (first < 0x80) return CodePoint{first, 1};
  const int length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 ||
      at + static_cast<size_t>(length) > text.size()) {
    return std::nullopt;
  }
  char32_t value = first & (0xff >> (length + 1));
  for (int i = 1; i < length; ++i) {
    const unsigned char next = byte(at + static_cast<size_t>(i));
    if ((next & 0xc0) != 0x80) return std::nullopt;
    value = (value << 6) | (next & 0x3f);
  }
  const char32_t least = length == 2 ? 0x80 : length == 3 ? 0x800 : 0x10000;
  if (value < least || value > 0x10ffff ||
      (value >= 0xd800 && value < 0xe000)) {
    return std::nullopt;
  }
  return CodePoint{value, length};
}

void AppendUtf8(std::string& out, char32_t value) {
  const auto put = [&](char32_t byte) { out += static_cast<char>(byte); };
  if (value < 0x80) {
    put(value);
  } else if (value < 0x800) {
    put(0xc0 | (value >> 6));
    put(0x80 | (value & 0x3f));
  } else if (value < 0x10000) {
    put(0xe0 | (value >> 12));
    put(0x80 | ((value >> 6) & 0x3f));
    put(0x80 | (value & 0x3f));
  } else {
    put(0xf0 | (value >> 18));
    put(0x80 | ((value >> 12) & 0x3f));
    put(0x80 | ((value >> 6) & 0x3f));
    put(0x80 | (value & 0x3f));
  }
}

std::optional<size_t> FindInvalidUtf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    // Bytes of ASCII, if none has its highest bit set.
    while (text.size() - at >= 32) {
      uint64_t parts[4];
      std::memcpy(parts, text.data() + at, 32);
      const uint64_t any = parts[0] | parts[1] | parts[2] | parts[3];
      if ((any & 0x8080808080808080) != 0) break;
      at += 32;
    }
    if (at == text.size()) break;
    uint64_t eight = 0;
    if (text.size() - at >= 8) {
      std::memcpy(&eight, text.data() + at, 8);
      if ((eight & 0x8080808080808080) == 0) {
        at += 8;
        continue;
      }
    }
    if (static_cast<unsigned char>(text[at]) < 0x80) {
      ++at;
      continue;
    }
    const auto point = DecodeAt(text, at);
    if (!point) return at;
    at += static_cast<size_t>(point->bytes);
  }
  return std::nullopt;
}

size_t IncompleteTail(std::string_view text) {
  // Look back at most three bytes for a lead byte that wants more.
  for (size_t back = 1; back <= 3 && back <= text.size(); ++back) {
    const auto c = static_cast<unsigned char>(text[text.size() - back]);
    if ((c & 0xc0) == 0x80) continue;
    const size_t wanted = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
    return c <= 0xf4 && wanted > back ? back : 0;
  }
  return 0;
}

std::string ReplaceInvalidUtf8(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    if (const auto point = DecodeAt(text, at)) {
      out += text.substr(at, static_cast<size_t>(point->bytes));
      at += static_cast<size_t>(point->bytes);
      continue;
    }
    out += "\xef\xbf\xbd";
    ++at;
    while (at < text.size() &&
           (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80) {
      ++at;
    }
  }
  return out;
}

bool IsNumeric(char32_t c) {
  if (c < 0x80) return c >= '0' && c <= '9';
  const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  return category == UTF8PROC_CATEGORY_ND || category == UTF8PROC_CATEGORY_NL ||
         category == UTF8PROC_CATEGORY_NO;
}

bool IsWhitespace(char32_t c) {
  return (c >= 9 && c <= 13) || c == 0x20 || c == 0x85 || c == 0xa0 ||
         c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 ||
         c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

bool IsWordCharacter(char32_t c) {
  const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  return (category >= UTF8PROC_CATEGORY_LU &&
          category <= UTF8PROC_CATEGORY_NO) ||
         category == UTF8PROC_CATEGORY_PC;
}

namespace {
std::string Map(std::string_view text, utf8proc_option_t options) {
  utf8proc_uint8_t* result = nullptr;
  const utf8proc_ssize_t length = utf8proc_map(
      reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
      static_cast<utf8proc_ssize_t>(text.size()), &result, options);
  const std::unique_ptr<utf8proc_uint8_t, void (*)(void*)> owner(result,
                                                                 std::free);
  if (length < 0) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = "text", .what = "invalid UTF-8"});
  }
  return std::string(reinterpret_cast<const char*>(result),
                     static_cast<size_t>(length));
}
}  // namespace

std::string Normalize(std::string_view text, NormalForm form) {
  int options = UTF8PROC_STABLE;
  const bool compat = form == NormalForm::kNfkc || form == NormalForm::kNfkd;
  const bool compose = form == NormalForm::kNfc || form == NormalForm::kNfkc;
  options |= compose ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE;
  if (compat) options |= UTF8PROC_COMPAT;
  return Map(text, static_cast<utf8proc_option_t>(options));
}

std::string Lowercase(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const auto point = DecodeAt(text, at);
    if (!point) {
      out += text[at++];
      continue;
    }
    if (point->value == 0x130) {  // its lower case is two code points
      out += "i\xcc\x87";
    } else {
      AppendUtf8(out, static_cast<char32_t>(utf8proc_tolower(
                          static_cast<utf8proc_int32_t>(point->value))));
    }
    at += static_cast<size_t>(point->bytes);
  }
  return out;
}

char32_t Uppercase(char32_t c) {
  return static_cast<char32_t>(
      utf8proc_toupper(static_cast<utf8proc_int32_t>(c)));
}

int DisplayWidth(std::string_view text) {
  int width = 0;
  for (size_t at = 0; at < text.size();) {
    const auto point = DecodeAt(text, at);
    if (!point) {
      ++width;
      ++at;
      continue;
    }
    width += utf8proc_charwidth(static_cast<utf8proc_int32_t>(point->value));
    at += static_cast<size_t>(point->bytes);
  }
  return width;
}

}  // namespace malmoi::text
