#include "text/segment/fold.h"

#include <utf8proc.h>

#include <cstring>
#include <memory>

#include "text/unicode/utf8.h"

namespace malmoi::text {

namespace {

bool IsPythonSpace(char32_t c) {
  return IsWhitespace(c) || (c >= 0x1c && c <= 0x1f);
}

uint8_t ComputeFlags(char32_t c) {
  const auto code = static_cast<utf8proc_int32_t>(c);
  const auto category = utf8proc_category(code);
  uint8_t flags = 0;
  if ((category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO) ||
      (category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO) ||
      c == '_') {
    flags |= kWordChar;
  }
  if (IsPythonSpace(c)) flags |= kSpaceChar;
  if (utf8proc_tolower(code) != code) flags |= kHasLower;
  if ((c >= 0xac00 && c <= 0xd7a3) || (c >= 0x1100 && c <= 0x11ff) ||
      (c >= 0x3131 && c <= 0x318e)) {
    flags |= kHangul;
  }
  return flags;
}

// Cased and Case_Ignorable of the Unicode Standard, chapter 3.13, for the
// sigma. Other_Lowercase and Other_Uppercase of PropList.txt are the ranges.
bool IsCased(char32_t c) {
  struct Range {
    char32_t first, last;
  };
  static constexpr Range kOther[] = {
      {0xaa, 0xaa},       {0xba, 0xba},       {0x2b0, 0x2b8},
      {0x2c0, 0x2c1},     {0x2e0, 0x2e4},     {0x345, 0x345},
      {0x37a, 0x37a},     {0x1d2c, 0x1d6a},   {0x1d78, 0x1d78},
      {0x1d9b, 0x1dbf},   {0x2071, 0x2071},   {0x207f, 0x207f},
      {0x2090, 0x209c},   {0x2160, 0x217f},   {0x24b6, 0x24e9},
      {0x2c7c, 0x2c7d},   {0xa69c, 0xa69d},   {0xa770, 0xa770},
      {0xa7f8, 0xa7f9},   {0xab5c, 0xab5f},   {0x1f130, 0x1f149},
      {0x1f150, 0x1f169}, {0x1f170, 0x1f189},
  };
  const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  if (category == UTF8PROC_CATEGORY_LU || category == UTF8PROC_CATEGORY_LL ||
      category == UTF8PROC_CATEGORY_LT) {
    return true;
  }
  for (const Range& range : kOther) {
    if (c >= range.first && c <= range.last) return true;
  }
  return false;
}

bool IsCaseIgnorable(char32_t c) {
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK:
      return true;
    default:
      break;
  }
  switch (c) {  // Word_Break: MidLetter, MidNumLet, Single_Quote
    case '\'':
    case '.':
    case ':':
    case 0xb7:
    case 0x387:
    case 0x55f:
    case 0x5f4:
    case 0x2018:
    case 0x2019:
    case 0x2024:
    case 0x2027:
    case 0xfe13:
    case 0xfe52:
    case 0xfe55:
    case 0xff07:
    case 0xff0e:
    case 0xff1a:
      return true;
    default:
      return false;
  }
}

// Whether the capital sigma at [at, at + 2) ends its word.
bool IsFinalSigma(std::string_view text, size_t at) {
  bool cased = false;
  for (size_t back = at; back > 0;) {
    size_t begin = back - 1;
    while ((static_cast<unsigned char>(text[begin]) & 0xc0) == 0x80) --begin;
    size_t next = begin;
    const char32_t c = NextValid(text, next);
    back = begin;
    if (IsCaseIgnorable(c)) continue;
    cased = IsCased(c);
    break;
  }
  if (!cased) return false;
  for (size_t next = at + 2; next < text.size();) {
    const char32_t c = NextValid(text, next);
    if (!IsCaseIgnorable(c)) return !IsCased(c);
  }
  return true;
}

void AppendAsciiLower(std::string_view text, std::string& out) {
  const size_t begin = out.size();
  out.resize(begin + text.size());
  char* to = out.data() + begin;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    to[i] = static_cast<char>(c + ((c >= 'A' && c <= 'Z') ? 32 : 0));
  }
}

void AppendLower(std::string_view text, std::string& out) {
  const uint8_t* basic = BasicPlaneFlags();
  out.reserve(out.size() + text.size() + 16);
  for (size_t at = 0; at < text.size();) {
    const auto first = static_cast<unsigned char>(text[at]);
    if (first < 0x80) {
      out += static_cast<char>(first + ((first - 'A' < 26u) ? 32 : 0));
      ++at;
      continue;
    }
    const size_t begin = at;
    const char32_t c = NextValid(text, at);
    if ((CharFlags(basic, c) & kHasLower) == 0) {
      out.append(text.data() + begin, at - begin);
    } else if (c == 0x130) {
      out += "i\xcc\x87";
    } else if (c == 0x3a3) {
      AppendUtf8(out, IsFinalSigma(text, begin) ? 0x3c2 : 0x3c3);
    } else {
      AppendUtf8(out, static_cast<char32_t>(
                          utf8proc_tolower(static_cast<utf8proc_int32_t>(c))));
    }
  }
}

void StripAccents(Accents accents, std::string& text) {
  const std::string apart = Normalize(text, NormalForm::kNfkd);
  text.clear();
  for (size_t at = 0; at < apart.size();) {
    const size_t begin = at;
    const char32_t c = NextValid(apart, at);
    const bool keep =
        accents == Accents::kAscii
            ? c < 0x80
            : utf8proc_get_property(static_cast<utf8proc_int32_t>(c))
                      ->combining_class == 0;
    if (keep) text.append(apart, begin, at - begin);
  }
}

}  // namespace

const uint8_t* BasicPlaneFlags() {
  static const std::unique_ptr<uint8_t[]> flags = [] {
    auto all = std::make_unique<uint8_t[]>(0x10000);
    for (char32_t c = 0; c < 0x10000; ++c) all[c] = ComputeFlags(c);
    return all;
  }();
  return flags.get();
}

uint8_t AstralFlags(char32_t c) { return ComputeFlags(c); }

bool IsAscii(std::string_view text) {
  size_t at = 0;
  uint64_t all = 0;
  for (; at + 8 <= text.size(); at += 8) {
    uint64_t eight;
    std::memcpy(&eight, text.data() + at, 8);
    all |= eight;
  }
  for (; at < text.size(); ++at) {
    all |= static_cast<unsigned char>(text[at]);
  }
  return (all & 0x8080808080808080) == 0;
}

void Fold(std::string_view text, const FoldOptions& options, std::string& out) {
  out.clear();
  const bool ascii = IsAscii(text);
  if (!options.lowercase) {
    out.assign(text);
  } else if (ascii) {
    AppendAsciiLower(text, out);
  } else {
    AppendLower(text, out);
  }
  if (!ascii && options.accents != Accents::kKeep) {
    StripAccents(options.accents, out);
  }
  out += '\n';
}

void AppendJamo(std::string_view text, std::string& out) {
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const char32_t c = NextValid(text, at);
    if (c < 0xac00 || c > 0xd7a3) {
      out.append(text.data() + begin, at - begin);
      continue;
    }
    // The Unicode Standard, chapter 3.12.
    const char32_t index = c - 0xac00;
    AppendUtf8(out, 0x1100 + index / 588);
    AppendUtf8(out, 0x1161 + index % 588 / 28);
    if (index % 28 != 0) AppendUtf8(out, 0x11a7 + index % 28);
  }
}

}  // namespace malmoi::text
