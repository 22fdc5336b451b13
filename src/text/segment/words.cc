#include "text/segment/words.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "base/error.h"
#include "base/format.h"
#include "text/segment/breaks.h"
#include "text/segment/fold.h"
#include "text/segment/korean.h"
#include "text/unicode/utf8.h"

namespace malmoi::text {

namespace {

constexpr std::array<uint8_t, 256> kAsciiWord = [] {
  std::array<uint8_t, 256> is{};
  for (int c = 0; c < 128; ++c) {
    is[static_cast<size_t>(c)] = (c >= '0' && c <= '9') ||
                                 (c >= 'a' && c <= 'z') ||
                                 (c >= 'A' && c <= 'Z') || c == '_';
  }
  return is;
}();

// Calls use(begin, end, characters) for each run of word characters.
template <typename Use>
void ForRuns(std::string_view text, Use use) {
  const uint8_t* basic = BasicPlaneFlags();
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  const size_t size = text.size();
  size_t at = 0;
  while (at < size) {
    size_t begin = at;
    size_t count = 0;
    while (true) {  // the last character ends every run
      while (kAsciiWord[bytes[at]]) {
        ++at;
        ++count;
      }
      if (bytes[at] < 0x80) break;
      size_t next = at;
      const char32_t c = NextValid(text, next);
      if ((CharFlags(basic, c) & kWordChar) == 0) break;
      at = next;
      ++count;
    }
    if (count > 0) use(begin, at, count);
    if (bytes[at] < 0x80) {
      ++at;
    } else {
      NextValid(text, at);
    }
  }
}

// The same of ASCII and of words from two characters on, which is most text:
// 64 characters at a time become bits, whose changes are the words' bounds.
void AppendAsciiWords(std::string_view text,
                      std::vector<std::string_view>& words) {
  constexpr size_t kBits = 64;
  uint8_t is_word[kBits];
  size_t begin = 0;
  bool inside = false;
  for (size_t at = 0; at < text.size(); at += kBits) {
    const size_t count = std::min(kBits, text.size() - at);
    if (count < kBits) std::memset(is_word, 0, kBits);
    for (size_t i = 0; i < count; ++i) {
      const auto c = static_cast<uint8_t>(text[at + i]);
      const auto letter = static_cast<uint8_t>((c | 32) - 'a');
      const auto digit = static_cast<uint8_t>(c - '0');
      is_word[i] = (letter < 26) | (digit < 10) | (c == '_');
    }
    uint64_t bits = 0;
    for (size_t i = 0; i < 8; ++i) {  // the bytes 0 or 1 of a word as bits
      uint64_t eight;
      std::memcpy(&eight, is_word + i * 8, 8);
      bits |= (eight * 0x0102040810204080 >> 56) << (i * 8);
    }
    uint64_t bounds = bits ^ (bits << 1 | uint64_t{inside});
    while (bounds != 0) {
      const size_t bound = at + static_cast<size_t>(std::countr_zero(bounds));
      bounds &= bounds - 1;
      if (inside && bound - begin >= 2) {
        words.push_back(text.substr(begin, bound - begin));
      }
      inside = !inside;
      begin = bound;
    }
  }
}

}  // namespace

std::string_view WordRuleName(WordRule rule) {
  switch (rule) {
    case WordRule::kSklearn:
      return "sklearn";
    case WordRule::kUnicode:
      return "unicode";
    case WordRule::kKorean:
      return "korean";
  }
  return "";
}

std::optional<WordRule> FindWordRule(std::string_view name) {
  for (WordRule rule :
       {WordRule::kSklearn, WordRule::kUnicode, WordRule::kKorean}) {
    if (name == WordRuleName(rule)) return rule;
  }
  return std::nullopt;
}

void CutWords(WordRule rule, std::string_view text, std::string& made,
              std::vector<std::string_view>& words) {
  switch (rule) {
    case WordRule::kSklearn:
      if (IsAscii(text)) {
        AppendAsciiWords(text, words);
        break;
      }
      ForRuns(text, [&](size_t begin, size_t end, size_t count) {
        if (count >= 2) words.push_back(text.substr(begin, end - begin));
      });
      break;
    case WordRule::kUnicode:
      AppendUnicodeWords(text, words);
      break;
    case WordRule::kKorean:
      made.clear();
      made.reserve(text.size() + 16);
      ForRuns(text, [&](size_t begin, size_t end, size_t) {
        AppendKoreanStems(text.substr(begin, end - begin), made, words);
      });
      break;
  }
}

const std::vector<std::string_view>& WordCutter::Cut(std::string_view part) {
  words_.clear();
  if (!rule_) {
    words_.push_back(part);
    return words_;
  }
  if (const auto at = FindInvalidUtf8(part)) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = ReplaceInvalidUtf8(part.substr(0, 60)),
                 .what = "not UTF-8",
                 .got = Format("byte 0x{:02X}",
                               static_cast<unsigned char>(part[*at]))});
  }
  Fold(part, {.lowercase = false}, folded_);
  CutWords(*rule_, folded_, made_, words_);
  return words_;
}

}  // namespace malmoi::text
