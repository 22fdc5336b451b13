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
