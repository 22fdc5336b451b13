// The published patterns that cut a text before merging, written out: the same
// pieces as the regular expression gives, which tests compare. A pattern is
// known by its text. Where a rule for cased letters meets characters that are
// not ASCII, it asks the regular expression.
#ifndef MALMOI_TEXT_TOKENIZE_CUTTER_H_
#define MALMOI_TEXT_TOKENIZE_CUTTER_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "text/tokenize/char_classes.h"
#include "text/tokenize/regex.h"

namespace malmoi::text {

enum class CutRule : uint8_t {
  kWords,          // kGpt2Pattern
  kWordsDigits,    // the same between numbers, which are cut one by one
  kPrefixed3,      // kLlama3Pattern
  kPrefixed1,      // kQwen2Pattern
  kCased,          // kO200kPattern
  kCasedNoSuffix,  // kTekkenPattern
};

// The rule that cuts as the pattern does.
std::optional<CutRule> RuleOfPattern(std::string_view pattern);

namespace cut {

inline bool IsUpper(char c) { return c >= 'A' && c <= 'Z'; }
inline bool IsLower(char c) { return c >= 'a' && c <= 'z'; }
inline bool IsDigit(char c) { return c >= '0' && c <= '9'; }
inline bool IsAscii(char c) { return static_cast<signed char>(c) >= 0; }
inline bool IsNewline(char c) { return c == '\r' || c == '\n'; }

// The end of the ASCII letters (kCase 0: of one case, 'A' or 'a') from there.
template <char kCase = 0>
inline size_t SkipLetters(const char* text, size_t at, size_t size) {
#ifdef __SSE2__
  while (size - at >= 16) {
    __m128i bytes =
        _mm_loadu_si128(reinterpret_cast<const __m128i*>(text + at));
    if constexpr (kCase == 0) bytes = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
    const __m128i from =
        _mm_sub_epi8(bytes, _mm_set1_epi8(kCase == 0 ? 'a' : kCase));
    const __m128i in =
        _mm_cmpeq_epi8(_mm_min_epu8(from, _mm_set1_epi8(25)), from);
    const auto others = static_cast<uint32_t>(~_mm_movemask_epi8(in)) & 0xffff;
    if (others != 0) return at + static_cast<size_t>(std::countr_zero(others));
    at += 16;
  }
#endif
  for (; at < size; ++at) {
    const char c = kCase == 0 ? static_cast<char>(text[at] | 0x20) : text[at];
    if (static_cast<unsigned char>(c - (kCase == 0 ? 'a' : kCase)) > 25) break;
  }
  return at;
}

// The end of the run of characters, from there, with (class & mask) == want.
inline size_t SkipClass(const char* text, size_t at, size_t size, uint8_t mask,
                        uint8_t want) {
  while (at < size) {
    const ClassAt c = ClassIn(text, at);
    if ((c.bits & mask) != want) break;
    at += c.bytes;
  }
  return at;
}

inline size_t SkipAllLetters(const char* text, size_t at, size_t size) {
  for (;;) {
    at = SkipLetters(text, at, size);
    if (at == size || IsAscii(text[at])) return at;
    const ClassAt c = ClassIn(text, at);
    if ((c.bits & kIsLetter) == 0) return at;
    at += c.bytes;
  }
}

// The end of a contraction ('s, 'll ...) at text[at], an apostrophe; `at` if
// there is none. Whatever the case: 's also has the long s.
template <bool kAnyCase>
inline size_t Contraction(const char* text, size_t at, size_t size) {
  if (size - at < 2) return at;
  const auto lower = [&](size_t i) {
    return static_cast<char>(kAnyCase ? text[i] | 0x20 : text[i]);
  };
  // Setting that bit makes letters of no other ASCII characters that matter.
  switch (lower(at + 1)) {
    case 's':
    case 't':
    case 'm':
    case 'd':
      return at + 2;
    case 'r':
    case 'v':
      return size - at > 2 && lower(at + 2) == 'e' ? at + 3 : at;
    case 'l':
      return size - at > 2 && lower(at + 2) == 'l' ? at + 3 : at;
    default:
      break;
  }
  if (kAnyCase && size - at > 2 && text[at + 1] == '\xc5' &&
      text[at + 2] == '\xbf') {
    return at + 3;
  }
  return at;
}

inline size_t LastCharacter(const char* text, size_t end) {
  do --end;
  while ((static_cast<unsigned char>(text[end]) & 0xc0) == 0x80);
  return end;
}

// Whitespace from `at` on, of which the last character stays with what
// follows, unless it is the only one or nothing follows.
inline size_t SpaceEnd(const char* text, size_t at, size_t run, size_t size) {
  if (run == size) return run;
  const size_t last = LastCharacter(text, run);
  return last == at ? run : last;
}

template <bool kDigits>
inline size_t Words(const char* text, size_t at, size_t size) {
  constexpr uint8_t kNumbers = kDigits ? kIsTokenNumber : kIsNumber;
  constexpr uint8_t kAll = kIsLetter | kIsSpace | kNumbers;
  size_t from = at;
  if (text[at] == ' ') {
    if (++from == size) return size;
  } else if (text[at] == '\'') {
    const size_t end = Contraction<false>(text, at, size);
    if (end != at) return end;
  }
  const ClassAt c = ClassIn(text, from);
  if (c.bits & kNumbers) {
    if (!kDigits) return SkipClass(text, from, size, kNumbers, kNumbers);
    return from > at ? from : from + c.bytes;
  }
  if (c.bits & kIsLetter) return SkipAllLetters(text, from + c.bytes, size);
  if (c.bits & kIsSpace) {
    const size_t run = SkipClass(text, at, size, kIsSpace, kIsSpace);
    if (kDigits && run < size && (ClassIn(text, run).bits & kNumbers)) {
      return run;
    }
    return SpaceEnd(text, at, run, size);
  }
  return SkipClass(text, from + c.bytes, size, kAll, 0);
}

// What is left to all patterns below once letters and numbers are dealt with.
template <bool kSlash>
inline size_t OthersOrSpaces(const char* text, size_t at, size_t size) {
  constexpr uint8_t kAll = kIsLetter | kIsNumber | kIsSpace;
  size_t from = at;
  if (text[at] == ' ' && at + 1 < size) ++from;
  size_t end = SkipClass(text, from, size, kAll, 0);
  if (end > from) {
    while (end < size &&
           (IsNewline(text[end]) || (kSlash && text[end] == '/'))) {
      ++end;
    }
    return end;
  }
  size_t after_newline = 0;
  for (end = at; end < size;) {
    const ClassAt c = ClassIn(text, end);
    if ((c.bits & kIsSpace) == 0) break;
    end += c.bytes;
    if (IsNewline(text[end - 1])) after_newline = end;
  }
  if (after_newline > 0) return after_newline;
  return SpaceEnd(text, at, end, size);
}

inline size_t Numbers(const char* text, size_t at, size_t size, int most) {
  for (; most > 0 && at < size; --most) {
    const ClassAt c = ClassIn(text, at);
    if ((c.bits & kIsNumber) == 0) break;
    at += c.bytes;
  }
  return at;
}

template <int kMostDigits>
inline size_t Prefixed(const char* text, size_t at, size_t size) {
  if (text[at] == '\'') {
    const size_t end = Contraction<true>(text, at, size);
    if (end != at) return end;
  }
  const ClassAt c = ClassIn(text, at);
  const size_t next = at + c.bytes;
  if (c.bits & kIsLetter) return SkipAllLetters(text, next, size);
  if (c.bits & kIsNumber) return Numbers(text, at, size, kMostDigits);
  if (!IsNewline(text[at]) && next < size) {
    const ClassAt second = ClassIn(text, next);
    if (second.bits & kIsLetter) {
      return SkipAllLetters(text, next + second.bytes, size);
    }
  }
  return OthersOrSpaces<false>(text, at, size);
}

inline size_t Asked(const Regex& regex, const char* text, size_t at,
                    size_t size) {
  const auto match = regex.Find({text, size}, at);
  if (!match) return size;
  const size_t end = match->first > at ? match->first : match->second;
  return end > at ? end : size;
}

// Of ASCII only; 0 where characters that are not may have a say.
template <bool kSuffix>
inline size_t Cased(const char* text, size_t at, size_t size) {
  size_t from = at;
  const char c = text[at];
  if (!IsAscii(c)) return 0;
  const bool letter = IsUpper(c) || IsLower(c);
  if (IsDigit(c)) {
    size_t end = at + 1;
    while (end < size && end < at + (kSuffix ? 3 : 1) && IsDigit(text[end])) {
      ++end;
    }
    const bool full = end == at + (kSuffix ? 3 : 1);
    return !full && end < size && !IsAscii(text[end]) ? 0 : end;
  }
  if (!letter && !IsNewline(c)) {
    if (++from < size && !IsAscii(text[from])) return 0;
  }
  if (letter || (from > at && from < size &&
                 (IsUpper(text[from]) || IsLower(text[from])))) {
    size_t end = SkipLetters<'A'>(text, from, size);
    end = SkipLetters<'a'>(text, end, size);
    if (end < size && !IsAscii(text[end])) return 0;
    if (kSuffix && end < size && text[end] == '\'') {
      if (end + 1 < size && !IsAscii(text[end + 1])) return 0;
      return Contraction<true>(text, end, size);
    }
    return end;
  }
  const size_t end = OthersOrSpaces<true>(text, at, size);
  // Marks begin words but are among the others as well.
  for (size_t i = at; i < end; ++i) {
    if (!IsAscii(text[i])) return 0;
  }
  return end < size && !IsAscii(text[end]) ? 0 : end;
}

}  // namespace cut

// The end of the piece that begins at text[at], at < size, in valid UTF-8.
// `regex` is the pattern's.
template <CutRule kRule>
inline size_t PieceEnd(const char* text, size_t at, size_t size,
                       const Regex* regex) {
  if constexpr (kRule == CutRule::kWords) {
    return cut::Words<false>(text, at, size);
  } else if constexpr (kRule == CutRule::kWordsDigits) {
    return cut::Words<true>(text, at, size);
  } else if constexpr (kRule == CutRule::kPrefixed3) {
    return cut::Prefixed<3>(text, at, size);
  } else if constexpr (kRule == CutRule::kPrefixed1) {
    return cut::Prefixed<1>(text, at, size);
  } else {
    const size_t end = cut::Cased < kRule == CutRule::kCased > (text, at, size);
    return end > 0 ? end : cut::Asked(*regex, text, at, size);
  }
}

}  // namespace malmoi::text

#endif  // MALMOI_TEXT_TOKENIZE_CUTTER_H_
