#include "text/unicode/properties.h"

#include <utf8proc.h>

#include <algorithm>
#include <iterator>
#include <span>

#include "base/format.h"
#include "text/unicode/tables.h"

namespace malmoi::text {

namespace {

// The range of a sorted table that holds `c`; null if none does.
template <typename Range, size_t kCount>
const Range* Lookup(const Range (&table)[kCount], char32_t c) {
  const Range* after = std::upper_bound(
      std::begin(table), std::end(table), c,
      [](char32_t value, const Range& range) { return value < range.first; });
  if (after == std::begin(table)) return nullptr;
  const Range* range = after - 1;
  return c <= range->last ? range : nullptr;
}

void AppendItem(std::string& out, char32_t first, char32_t last) {
  out += Format("\\x{{{:x}}}", static_cast<uint32_t>(first));
  if (first != last) {
    out += Format("-\\x{{{:x}}}", static_cast<uint32_t>(last));
  }
}

}  // namespace

std::string_view GeneralCategory(char32_t c) {
  if (c >= 0x80) {
    if (const CategoryRange* range = Lookup(kNewerCategories, c)) {
      return range->category;
    }
  }
  return utf8proc_category_string(static_cast<utf8proc_int32_t>(c));
}

bool IsTokenNumber(char32_t c) {
  if (c < 0x80) return c >= '0' && c <= '9';
  return GeneralCategory(c)[0] == 'N' || Lookup(kNewerNumbers, c) != nullptr;
}

bool IsTokenPunctuation(char32_t c) {
  if (c < 0x80) {
    return (c >= 0x21 && c <= 0x2f) || (c >= 0x3a && c <= 0x40) ||
           (c >= 0x5b && c <= 0x60) || (c >= 0x7b && c <= 0x7e);
  }
  if (GeneralCategory(c)[0] == 'P') {
    return Lookup(kTooNewPunctuation, c) == nullptr;
  }
  return Lookup(kFormerPunctuation, c) != nullptr;
}

bool IsTokenWord(char32_t c) {
  if (c < 0x80) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
           (c >= 'A' && c <= 'Z') || c == '_';
  }
  const std::string_view category = GeneralCategory(c);
  return category[0] == 'L' || category[0] == 'M' || category == "Nd" ||
         category == "Pc" || Lookup(kOtherJoined, c) != nullptr;
}

bool IsTokenControl(char32_t c) {
  if (c < 0x80) {
    return (c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f;
  }
  if (c == 0xfffd) return true;
  const std::string_view category = GeneralCategory(c);
  return (category == "Cf" || category == "Cc" || category == "Co") &&
         Lookup(kKeptControls, c) == nullptr;
}

bool IsTokenAccent(char32_t c) {
  if (c < 0x300) return false;
  if (GeneralCategory(c) == "Mn") return Lookup(kNoAccents, c) == nullptr;
  return Lookup(kFormerAccents, c) != nullptr;
}

bool IsTokenMark(char32_t c) {
  if (c < 0x300) return false;
  if (GeneralCategory(c)[0] == 'M') return Lookup(kKeptMarks, c) == nullptr;
  return Lookup(kFormerMarks, c) != nullptr;
}

void AppendTokenLowercase(std::string& out, char32_t c) {
  if (c == 0x130) {
    out += "i\xcc\x87";
  } else if (const ShiftRange* range = Lookup(kNewerLowercase, c)) {
    AppendUtf8(out, static_cast<char32_t>(static_cast<int>(c) + range->shift));
  } else {
    AppendUtf8(out, static_cast<char32_t>(
                        utf8proc_tolower(static_cast<utf8proc_int32_t>(c))));
  }
}

bool IsOpaque(char32_t c, NormalForm form) {
  if (c < 0x80) return false;
  if (Lookup(kNewerCategories, c) != nullptr) return true;
  if (form == NormalForm::kNfkc || form == NormalForm::kNfkd) {
    return Lookup(kOpaqueCompatibility, c) != nullptr;
  }
  return Lookup(kOpaque, c) != nullptr;
}

void AppendDecomposition(std::u32string& out, char32_t c, NormalForm form) {
  if (c < 0x80 || IsOpaque(c, form)) {
    out += c;
    return;
  }
  int options = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE;
  if (form == NormalForm::kNfkc || form == NormalForm::kNfkd) {
    options |= UTF8PROC_COMPAT;
  }
  utf8proc_int32_t parts[32];
  int boundary = 0;
  const utf8proc_ssize_t count = utf8proc_decompose_char(
      static_cast<utf8proc_int32_t>(c), parts,
      static_cast<utf8proc_ssize_t>(std::size(parts)),
      static_cast<utf8proc_option_t>(options), &boundary);
  if (count < 1 || count > static_cast<utf8proc_ssize_t>(std::size(parts))) {
    out += c;
    return;
  }
  for (utf8proc_ssize_t i = 0; i < count; ++i) {
    out += static_cast<char32_t>(parts[i]);
  }
}

int CombiningClass(char32_t c, NormalForm form) {
  if (c < 0x300 || IsOpaque(c, form)) return 0;
  return utf8proc_get_property(static_cast<utf8proc_int32_t>(c))
      ->combining_class;
}

bool IsGraphemeBoundary(char32_t before, char32_t after, int32_t& state) {
  // To the library marks that are too new for the system's data are marks.
  const auto known = [](char32_t c) {
    const CategoryRange* range = Lookup(kNewerCategories, c);
    const bool is_mark = range != nullptr && range->category[0] == 'M';
    return static_cast<utf8proc_int32_t>(is_mark ? 0x300 : c);
  };
  return utf8proc_grapheme_break_stateful(known(before), known(after), &state);
}

bool ContinuesCluster(char32_t c, NormalForm form) {
  if (c < 0x300) return false;
  if ((c >= 0x1160 && c <= 0x11ff) || GeneralCategory(c)[0] == 'M') return true;
  if (form == NormalForm::kNfc || form == NormalForm::kNfd) return false;
  // By compatibility these begin with such a character: two vowel signs of
  // Thai and Lao, the Hangul letters, halfwidth Hangul and sound marks.
  return c == 0xe33 || c == 0xeb3 || (c >= 0x3131 && c <= 0x318e) ||
         (c >= 0xff9e && c <= 0xffdc);
}

std::string NewerClassItems(std::string_view category) {
  std::string items;
  for (const CategoryRange& range : kNewerCategories) {
    if (std::string_view(range.category).starts_with(category)) {
      AppendItem(items, range.first, range.last);
    }
  }
  return items;
}

const std::string& OtherWordClassItems() {
  static const std::string items = [] {
    std::string all;
    for (const CodeRange& range : kOtherWord) {
      AppendItem(all, range.first, range.last);
    }
    return all;
  }();
  return items;
}

}  // namespace malmoi::text
